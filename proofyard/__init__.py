"""Proofyard: design, attack and run markets for zero-knowledge proofs."""

__version__ = "0.1.0"
