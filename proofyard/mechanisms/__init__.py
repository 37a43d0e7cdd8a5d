"""The catalogue: an explicit list of rules, each a module of its own that knows no other."""

import importlib
from pathlib import Path

from proofyard.core.errors import BadInput
from proofyard.core.rule import Rule, check_form, load, nearest, parse_call, with_params

NAMES = (
    "race",
    "alpha2_race",
    "staked_pool",
    "bonded",
    "bought_proof",
    "quote",
    "batch_auction",
    "standing_auction",
    "proving_periods",
    "proving_terms",
    "proo_phi",
    "first_price",
    "second_price_single",
    "vcg",
    "dutch",
    "sealed_bid",
    "contest",
    "lottery",
    "reverse_auction",
    "double_auction",
    "order_book",
    "random_assignment",
    "coordinator_pull",
    "matched",
    "two_tier",
    "pool_of_pools",
    "staked_allocation",
    "primary_fallback",
    "posted_price",
    "base_fee",
    "operator_pool",
    "epoch_race",
    "proof_puzzle",
    "verifiable_work",
    "leader_schedule",
    "block_fees",
    "issuance",
    "shared_sequencing",
    "chained_proofs",
    "scan_state",
    "tendermint",
    "slash_votes",
    "escape_hatch",
    "state_updates",
)


def rule(text: str, field: str = "mechanism") -> Rule:
    """Resolve `name(key=value, …)` or `path/to/rule.py(key=value, …)` to a rule with its parameters.

    Raises BadInput for an unknown name or parameter, a file that is not a rule, or a value the rule refuses.
    """
    name, values = parse_call(text, field)
    if name.endswith(".py"):
        path = Path(name)
        return with_params(path.stem, load(path, field), values, field)
    if "/" in name:
        raise BadInput(field, "a name of the catalogue, or a rule file that ends in .py", name)
    if name not in NAMES:
        raise BadInput(field, f"a mechanism ({nearest(name, list(NAMES))})", name)
    module = importlib.import_module(f"proofyard.mechanisms.{name}")
    check_form(module, name)
    return with_params(name, module, values, field)
