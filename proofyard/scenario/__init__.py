"""A scenario: one TOML file that is a whole experiment. Read and checked here, once, at the edge.

Quantities are written as people write them (`"12s"`, `"2.0"` tokens, `"5.2 kW"`) and are integers from here on:
milliseconds, the token's smallest unit (called gwei throughout), watts, micro-USD. Unknown keys, wrong types and
impossible values raise BadInput with the key, what was wanted, what came, and the nearest valid name.
"""

from proofyard.scenario.people import DelegatorPolicy, delegator_policy, policy
from proofyard.scenario.quantities import amount
from proofyard.scenario.reading import check, read, read_variants, restored, tree_of
from proofyard.scenario.tables import Delegators, Elsewhere, Invest, Market, Outsource, ProverClass, Scenario, Stake

__all__ = [
    "DelegatorPolicy",
    "Delegators",
    "Elsewhere",
    "Invest",
    "Market",
    "Outsource",
    "ProverClass",
    "Scenario",
    "Stake",
    "amount",
    "check",
    "delegator_policy",
    "policy",
    "read",
    "read_variants",
    "restored",
    "tree_of",
]
