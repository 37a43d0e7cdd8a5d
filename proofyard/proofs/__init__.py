"""Real proofs: tools and reference string, circuits, backends, parallel proving, capacity and plans."""
