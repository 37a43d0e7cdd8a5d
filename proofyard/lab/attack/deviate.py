"""Two worlds that differ in what a coalition does: the honest one and the deviating one, as trees of a scenario.

In both the coalition has the same members in the same order with the same machines and the same money, so that its
payoffs on one seed may be subtracted.
"""

import copy
from collections.abc import Callable
from typing import Any

from proofyard.worlds.text import parse_call

COALITION = "attackers"
NEVER_ASKED = "1e9"  # tokens: a price nobody pays
_HOSTILE = (
    "overstate",
    "shade",
    "withhold",
    "hit_and_run",
    "last_moment",
    "recover",
    "grief",
    "ring",
    "undercut",
    "shill",
    "prefix",
    "last_look",
    "wrong_proof",
    "false_contest",
)

Tree = dict[str, Any]
Values = dict[str, float]
Pair = tuple[Tree, Tree]
Build = Callable[[Tree, int, Values], Pair]


def fresh(tree: Tree) -> Tree:
    """Copy a tree; variants and other coalitions are left out, every class has a name."""
    made = copy.deepcopy(tree)
    made.pop("variants", None)
    for k, group in enumerate(made["provers"]):
        group.setdefault("name", f"class {k + 1}")
        group.pop("coalition", None)
    return made


def take(tree: Tree, target: int, members: int = 1) -> Tree:
    """Make a class of its own of the first `members` provers of class `target`; returns it, marked as the coalition.

    Where the class shares a total stake, each member has the mean of it.
    """
    group = tree["provers"][target]
    count = group.get("count", 1)
    group["coalition"] = COALITION
    if count <= members:
        return group
    stake: Any = group.get("stake", 0)
    mine = copy.deepcopy(group) | {"name": f"{group['name']}, coalition", "count": members}
    if isinstance(stake, dict):
        total = amount(group, "stake") * count
        mine["stake"] = text(total / count)
        group["stake"] = stake | {"total": text(total * (count - members) / count)}
    group["count"] = count - members
    del group["coalition"]
    tree["provers"].insert(target, mine)
    return mine


def text(number: float) -> str:
    """Write an amount as scenarios have it."""
    return f"{number:.9f}".rstrip("0").rstrip(".")


def amount(group: Tree, key: str) -> float:
    """Read an amount of a class; a shared stake as the mean of it, "cost" and nothing as 0."""
    value: Any = group.get(key, 0)
    if isinstance(value, dict):
        shared: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return float(str(shared["total"]).replace("_", "")) / group.get("count", 1)
    return 0.0 if value == "cost" else float(str(value).replace("_", ""))


def as_honest(group: Tree) -> None:
    """Let a class that deviates in the scenario itself be honest."""
    if parse_call(group.get("policy", "honest"), "policy").name in _HOSTILE:
        group["policy"] = "honest"


def by_policy(write: Callable[[Values], str], members: int = 1) -> Build:
    """Build worlds in which only the policy of the coalition differs."""

    def build(tree: Tree, target: int, values: Values) -> Pair:
        honest = fresh(tree)
        as_honest(take(honest, target, members))
        deviant = copy.deepcopy(honest)
        mine(deviant)["policy"] = write(values)
        return honest, deviant

    return build


def mine(tree: Tree) -> Tree:
    """Find the first class of the coalition."""
    return next(group for group in tree["provers"] if group.get("coalition") == COALITION)


def requester_too(pair: Pair) -> Pair:
    """Let whoever asks for proofs be of the coalition."""
    for tree in pair:
        tree["workload"] = tree.get("workload", {}) | {"coalition": COALITION}
    return pair
