"""Proof markets as environments for learning agents: Gymnasium for one prover, PettingZoo for many.

Needs the extra `attack` (Gymnasium, PettingZoo). Importing it registers `proofyard/Prover-v0` with Gymnasium.
"""

import gymnasium

from proofyard.env.actions import ACTIONS, FIELDS
from proofyard.env.many import MarketEnv, turns
from proofyard.env.single import ProverEnv

__all__ = ["ACTIONS", "FIELDS", "MarketEnv", "ProverEnv", "turns"]

gymnasium.register(  # pyright: ignore[reportUnknownMemberType]
    id="proofyard/Prover-v0", entry_point="proofyard.env.single:ProverEnv"
)
