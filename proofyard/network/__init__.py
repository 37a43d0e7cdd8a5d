"""The market over a network: journal, coordinator, API, client, prover nodes and requesters."""
