"""Worlds in which a coalition is favoured by whoever keeps the order, or contests what others claim."""

import copy

from proofyard.lab.attack.deviate import Pair, Tree, Values, as_honest, by_policy, fresh, mine, take


def favourite(tree: Tree, target: int, values: Values) -> Pair:
    """Be the favourite of whoever keeps the order."""
    honest = fresh(tree)
    as_honest(take(honest, target))
    deviant = copy.deepcopy(honest)
    told = {"favours": mine(deviant)["name"], "holds": f"{int(values['hold_ms'])}ms"}
    deviant["market"] = deviant.get("market", {}) | told
    return honest, deviant


def first_look(tree: Tree, target: int, values: Values) -> Pair:
    """Be shown by whoever keeps the order what all others offer and bid, and then ask just less than the cheapest."""
    honest, deviant = by_policy(lambda v: f"undercut({v['by']:.4g})")(tree, target, values)
    deviant["market"] = deviant.get("market", {}) | {"favours": mine(deviant)["name"], "first_look": True}
    return honest, deviant


def false_contest(tree: Tree, target: int, values: Values) -> Pair:
    """Contest right claims too; honest, it looks at as many and contests the wrong ones, which may pay by itself."""
    honest = fresh(tree)
    group = take(honest, target)
    as_honest(group)
    group.setdefault("watch", {"delay": "1m"})
    deviant = copy.deepcopy(honest)
    mine(deviant)["policy"] = f"false_contest({values['share']:.4g})"
    return honest, deviant
