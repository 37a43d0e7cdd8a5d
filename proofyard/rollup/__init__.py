"""A payments rollup: accounts in a Merkle tree, signed transfers, batches that need a proof."""
