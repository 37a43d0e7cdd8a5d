"""The chain side of a market: contracts that hold the money and verify the proofs, and the client that talks to them."""
