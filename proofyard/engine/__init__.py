"""The compiled engine. Importing it sets up the cache before anything is compiled."""

from proofyard.engine import cache

__all__ = ["cache"]
