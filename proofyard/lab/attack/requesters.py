"""What requesters do: false bids beside their own, requests nobody can prove or prove in time, promises without money.

A deviation of a requester is one more table of [[requesters]] that its coalition owns and whose proofs are worth
nothing to it; in the honest world that table is not there.
"""

import copy

from proofyard.lab.attack.deviate import (
    COALITION,
    NEVER_ASKED,
    Pair,
    Tree,
    Values,
    amount,
    as_honest,
    fresh,
    mine,
    take,
    text,
)

ROLLUP = "requesters"  # name of whoever asks in [workload]


def askers(tree: Tree) -> list[str]:
    """Name all who ask: the rollup, then each table of [[requesters]]."""
    more: list[Tree] = tree.get("requesters", [])
    return [ROLLUP, *(each.get("name", f"requester {k + 1}") for k, each in enumerate(more))]


def _asker(tree: Tree, target: int) -> Tree:
    """Mark who asks as the coalition; returns its table."""
    if target == 0:
        tree["workload"] = tree.get("workload", {}) | {"coalition": COALITION}
        return tree["workload"]
    table: Tree = tree["requesters"][target - 1]
    table["coalition"] = COALITION
    return table


def _beside(tree: Tree, own: Tree, name: str, **keys: object) -> None:
    """Let the coalition ask beside its own requests, as often as it does."""
    table = {key: own[key] for key in ("every", "first", "size") if key in own}
    table |= {"arrivals": "poisson" if own.get("arrivals", "poisson") == "poisson" else "fixed"}
    if own is not tree.get("workload") and "arrivals" not in own:
        table["arrivals"] = "fixed"
    table |= {"name": name, "coalition": COALITION, "worth": "0", "max_fee": text(amount(own, "max_fee") or 1.0)}
    tree["requesters"] = [*tree.get("requesters", []), table | keys]


def dummy_bid(tree: Tree, target: int, values: Values) -> Pair:
    """Add a bid of its own that is to lose, so that trade comes about or prices move."""
    honest = fresh(tree)
    _asker(honest, target)
    deviant = copy.deepcopy(honest)
    own = _asker(deviant, target)
    _beside(deviant, own, "dummy", max_fee=text((amount(own, "max_fee") or 1.0) * values["bid"]))
    return honest, deviant


def unprovable(tree: Tree, target: int, values: Values) -> Pair:
    """Ask besides for what nobody can prove: whoever takes it is punished."""
    honest = fresh(tree)
    _asker(honest, target)
    deviant = copy.deepcopy(honest)
    own = _asker(deviant, target)
    _beside(deviant, own, "unprovable", work=0.0, max_fee=text((amount(own, "max_fee") or 1.0) * values["fee"]))
    return honest, deviant


def underfunded(tree: Tree, target: int, values: Values) -> Pair:
    """Ask as often as the target does with less money than that promises; honest, it has what it promises."""
    honest = fresh(tree)
    own: Tree = honest.get("workload", {}) if target == 0 else honest["requesters"][target - 1]
    _beside(honest, own, "promises", worth=text(amount(own, "max_fee") or 1.0))
    deviant = copy.deepcopy(honest)
    deviant["requesters"][-1]["funded"] = values["funded"]
    return honest, deviant


def killer(tree: Tree, target: int, values: Values) -> Pair:
    """Ask for proofs that take longer than they look, with a prover at hand that rescues what others miss."""
    honest = fresh(tree)
    as_honest(take(honest, target))
    deviant = copy.deepcopy(honest)
    workload: Tree = deviant.get("workload", {})
    _beside(deviant, workload, "killer", work=values["work"])
    return honest, deviant


def shill(tree: Tree, target: int, values: Values) -> Pair:
    """Enter as a prover too, whose bid stays just above the lowest: it sets the price that its own requester pays."""
    honest = fresh(tree)
    _asker(honest, target)
    first: Tree = honest["provers"][0]
    stake = text(max(amount(group, "stake") for group in honest["provers"]))
    name = {"name": "shill", "count": 1, "capacity": 1, "coalition": COALITION, "stake": stake, "policy": "honest"}
    honest["provers"].append(copy.deepcopy(first) | name | {"ask": NEVER_ASKED, "open_jobs": "ignore"})
    deviant = copy.deepcopy(honest)
    mine(deviant)["policy"] = f"shill({values['step']:.4g})"
    return honest, deviant
