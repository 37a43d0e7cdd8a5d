"""The attacks that are tried: what a coalition does, with which parameters in which ranges, and where it is known from.

An attack is a function from a scenario to two of them, honest and deviating (`deviate`), and its parameters. To add
one, write the function and its line in `ATTACKS`.
"""

import copy
from dataclasses import dataclass
from typing import Any

from proofyard import mechanisms
from proofyard.core.errors import BadInput
from proofyard.lab.attack.deviate import (
    COALITION,
    NEVER_ASKED,
    Build,
    Pair,
    Tree,
    Values,
    amount,
    as_honest,
    by_policy,
    fresh,
    mine,
    requester_too,
    take,
    text,
)
from proofyard.lab.attack.keepers import false_contest, favourite, first_look
from proofyard.lab.attack.requesters import askers, dummy_bid, killer, shill, underfunded, unprovable
from proofyard.worlds.text import unknown, with_values_set


@dataclass(frozen=True)
class Range:
    """What a parameter may be."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Attack:
    """One way to game a rule."""

    name: str
    about: str  # who does what
    build: Build
    parameters: dict[str, Range]
    seen: str  # where the field has it
    rules: tuple[str, ...] = ()  # those it makes sense for; none named: all
    needs: int = 1  # provers in the class it is tried on
    first: tuple[Values, ...] = ()  # tried before the search
    side: str = "prover"  # who deviates: a class of provers, or one who asks for proofs ("requester")
    griefs: bool = False  # it is searched for what it costs others beyond what it costs whoever does it

    def applies(self, rule: str, group: Tree) -> bool:
        """Say whether it makes sense for provers of a class under a rule."""
        return (not self.rules or rule in self.rules) and group.get("count", 1) >= self.needs


OPEN = ("race", "alpha2_race", "base_fee")  # rules under which anybody may prove anything
PRICED = (  # rules under which who asks less is served first
    "reverse_auction", "sealed_bid", "first_price", "second_price_single", "proo_phi", "vcg", "double_auction", "dutch",
    "order_book", "scan_state", "matched", "standing_auction", "proving_periods", "proving_terms", "batch_auction",
    "quote", "shared_sequencing",
)  # fmt: skip
CONTESTABLE = ("bonded", "bought_proof")  # rules under which a claim may be contested
BIDS_ADD_UP = ("contest",)  # rules in which a bid is money spent, so that k names have one bid to share


def _rule(tree: Tree) -> str:
    return tree["mechanism"].split("(", 1)[0].strip()


def _split(tree: Tree, target: int, values: Values) -> Pair:
    """One prover with k machines under one name, and under k names that share bid, stake and machines."""
    k = int(values["k"])
    honest = fresh(tree)
    group = take(honest, target)
    as_honest(group)
    machines = max(1, group.get("capacity", 1) // k)
    group["capacity"] = machines * k
    group["count"] = 1
    deviant = copy.deepcopy(honest)
    names = mine(deviant)
    names |= {"count": k, "capacity": machines, "stake": text(amount(group, "stake") / k)}
    names["cash"] = text(amount(group, "cash") / k)
    if _rule(tree) in BIDS_ADD_UP and group.get("ask", "cost") != "cost":
        names["ask"] = text(amount(group, "ask") / k)
    return honest, deviant


def _merge(tree: Tree, target: int, values: Values) -> Pair:
    """Turn `_split` round: k names are the honest world, one with all they have deviates."""
    one, many = _split(tree, target, values)
    return many, one


def _stay_out(tree: Tree, target: int, _: Values) -> Pair:
    """Hold no seat, prove what others let expire."""
    honest = fresh(tree)
    group = take(honest, target)
    deviant = copy.deepcopy(honest)
    free = amount(group, "stake") + amount(group, "cash")
    mine(deviant).update(
        {"stake": "0", "cash": text(free), "open_jobs": "race", "policy": "honest", "restake": "never"}
    )
    return honest, deviant


def _own_slash(tree: Tree, target: int, values: Values) -> Pair:
    """Miss a share of the windows: honest, others prove late; deviating, a second name does, paid from the bond."""
    honest = fresh(tree)
    group = take(honest, target)
    group |= {"policy": f"withhold({values['share']:.4g})"}
    puppet = copy.deepcopy(group) | {"name": "puppet", "stake": "0", "ask": NEVER_ASKED, "open_jobs": "ignore"}
    honest["provers"].append(puppet | {"policy": "honest"})
    deviant = copy.deepcopy(honest)
    mine(deviant).update({"policy": f"recover(share={values['share']:.4g})", "twin": "puppet"})
    return honest, deviant


def _run_off(tree: Tree, target: int, values: Values) -> Pair:
    """Enter only to take what is paid in advance; the honest choice of this newcomer is to stay away."""
    honest = fresh(tree)
    group: Tree = honest["provers"][target]
    one = {"name": "newcomer", "count": 1, "coalition": COALITION, "stake": text(amount(group, "stake"))}
    newcomer = copy.deepcopy(group) | one | {"ask": NEVER_ASKED, "policy": "honest", "open_jobs": "ignore"}
    honest["provers"].append(newcomer)
    deviant = copy.deepcopy(honest)
    taker = mine(deviant)
    taker["policy"] = "hit_and_run"
    if group.get("ask", "cost") == "cost":
        del taker["ask"]
    else:
        taker["ask"] = text(amount(group, "ask") * values["price"])
    return honest, deviant


def _dummy_rival(tree: Tree, target: int, values: Values) -> Pair:
    """Give a unit of capacity to a second name whose high ask sets everybody's price."""
    honest = fresh(tree)
    group = take(honest, target)
    as_honest(group)
    group["capacity"] = max(2, group.get("capacity", 1))
    deviant = copy.deepcopy(honest)
    seller = mine(deviant)
    stake, cash, units = amount(group, "stake"), amount(group, "cash"), group["capacity"]
    seller |= {"capacity": units - 1, "stake": text(stake * (units - 1) / units), "cash": text(cash / 2)}
    most = float(str(tree.get("workload", {}).get("max_fee", 1)).replace("_", ""))
    dummy = copy.deepcopy(seller) | {"name": "dummy", "capacity": 1, "ask": text(most * values["ask"])}
    deviant["provers"].append(dummy | {"stake": text(stake / units), "cash": text(cash / 2)})
    return honest, deviant


def _short_lock(tree: Tree, target: int, values: Values) -> Pair:
    """Ask for proofs in less time than they take, with a prover at hand that rescues them and is paid from the bond."""
    honest = fresh(tree)
    take(honest, target)
    requester_too((honest, honest))
    deviant = copy.deepcopy(honest)
    lock = int(values["lock_ms"])
    ramp = min(lock, rule_params(tree)["ramp_ms"])
    times = {"mechanism.lock_ms": str(lock), "mechanism.ramp_ms": str(ramp)}
    deviant["mechanism"] = with_values_set(deviant["mechanism"], times)
    return honest, deviant


def rule_params(tree: Tree) -> dict[str, int]:
    """Read the parameters of the rule."""
    return dict(mechanisms.rule(tree["mechanism"]).params._asdict())


def _lock_and_rescue(tree: Tree, target: int, values: Values) -> Pair:
    """Win jobs and let them expire, so that a friend is paid for the rescue."""
    honest = fresh(tree)
    group = take(honest, target)
    as_honest(group)
    friend = next((g for g in honest["provers"] if g is not group and amount(g, "stake") == 0), None)
    if friend is not None:
        friend["coalition"] = COALITION
    deviant = copy.deepcopy(honest)
    mine(deviant)["policy"] = f"grief(share={values['share']:.4g}, price={values['price']:.4g})"
    return honest, deviant


def _overload(tree: Tree, target: int, values: Values) -> Pair:
    """Delegate to a rival, so that it is drawn for more than it can prove; honest, the same money lies idle."""
    honest = fresh(tree)
    group = take(honest, target)
    as_honest(group)
    rivals = [g for g in honest["provers"] if g.get("coalition") != COALITION]
    if not rivals:
        raise BadInput("provers", "a rival to delegate to", "none")
    most = max(rivals, key=lambda g: amount(g, "delegated") + amount(g, "stake"))
    held = amount(most, "delegated") + amount(most, "stake")
    free = held * 4 + amount(group, "cash")
    group["cash"] = text(free)
    deviant = copy.deepcopy(honest)
    mine(deviant).update({"backs": most["name"], "backing": text(held * values["share"])})
    return honest, deviant


def _sold_twice(tree: Tree, target: int, values: Values) -> Pair:
    """Show all machines under each of k names, which help each other out; honest, one name has them."""
    k = int(values["k"])
    honest, deviant = _split(tree, target, values)
    names = mine(deviant)
    names["policy"] = f"overstate({k})"
    names["outsource"] = {"to": names["name"]}
    return honest, deviant


ATTACKS: tuple[Attack, ...] = (
    Attack(
        "overstate", "declares more machines than it has", by_policy(lambda v: f"overstate({v['x']:.4g})"),
        {"x": Range(1.5, 64, log=True)}, "mechanisms of rollups, 1.3: pull request 14272", first=({"x": 32.0},),
    ),
    Attack(
        "understate", "declares fewer machines than it has", by_policy(lambda v: f"overstate({v['x']:.4g})"),
        {"x": Range(0.1, 0.9)}, "mechanisms of rollups, 2.3: withheld capacity sets prices",
    ),
    Attack(
        "shade", "asks another price than its cost", by_policy(lambda v: f"shade({v['by']:.4g})"),
        {"by": Range(-0.5, 3)}, "mechanisms of rollups, 4.3: pay-as-bid invites it, second price does not",
    ),
    Attack(
        "undercut", "asks just less than the cheapest other", by_policy(lambda v: f"undercut({v['by']:.4g})"),
        {"by": Range(0.001, 0.2, log=True)}, "mechanisms of rollups, 1.7: standing auctions",
    ),
    Attack(
        "withhold", "lets a share of its assignments go", by_policy(lambda v: f"withhold({v['share']:.4g})"),
        {"share": Range(0.01, 1)}, "mechanisms of rollups, 4.5: it pays where cost exceeds slash and fee",
        first=({"share": 1.0},),
    ),
    Attack(
        "hit_and_run", "comes only to take the fee paid in advance, and proves nothing", _run_off,
        {"price": Range(0.5, 1)}, "mechanisms of rollups, 1.4.1: pays iff the fee exceeds the bond",
        first=({"price": 0.97},),
    ),
    Attack(
        "last_moment", "hands proofs in when the window ends",
        by_policy(lambda v: f"last_moment(margin='{int(v['margin_ms'])}ms')"),
        {"margin_ms": Range(1, 60_000, log=True, whole=True)},
        "mechanisms of rollups, 1.1.3: rewards that grow with delay",
    ),
    Attack(
        "own_slash", "is late either way, but proves by a second name, which is paid out of its own bond", _own_slash,
        {"share": Range(0.02, 0.5)}, "mechanisms of rollups, 1.7 G3: a late prover recovers 60 %",
    ),
    Attack(
        "split", "shows itself as k provers that share its bid, stake and machines", _split,
        {"k": Range(2, 8, whole=True)},
        "mechanisms of rollups, 3.1: k^(1 - alpha) in contests", first=({"k": 4},),
    ),
    Attack(
        "merge", "shows k provers of its own as one", _merge,
        {"k": Range(2, 8, whole=True)},
        "mechanisms of rollups, 3.1: for alpha > 1", first=({"k": 4},),
    ),
    Attack(
        "stay_out", "holds no stake and proves only what others let expire", _stay_out, {},
        "mechanisms of rollups, 1.3: rank 33", rules=("staked_pool", "operator_pool"),
    ),
    Attack(
        "ring_2", "agrees with another that one bids and one stays high",
        by_policy(lambda v: f"ring(high={v['high']:.4g})", 2), {"high": Range(1.1, 20, log=True)},
        "mechanisms of rollups, 2.4: costs (1, 2, 4), the pair gains 2", needs=2,
    ),
    Attack(
        "dummy_rival", "sets the price of all by a second name with a high ask", _dummy_rival, {"ask": Range(0.1, 1)},
        "mechanisms of rollups, 2.3: profit 5 becomes 81", rules=("proo_phi", "sealed_bid"), first=({"ask": 0.999},),
    ),
    Attack(
        "lock_and_rescue", "wins cheaply and lets expire, and a friend rescues for a reward", _lock_and_rescue,
        {"share": Range(0.1, 1), "price": Range(0.01, 1, log=True)}, "mechanisms of markets, 1.7: cost K/2 a job",
        first=({"share": 1.0, "price": 0.5},),
    ),
    Attack(
        "lock_and_stall", "wins many jobs cheaply and lets them expire, to the harm of all others",
        by_policy(lambda v: f"grief(share=1, price={v['price']:.4g}, x={v['x']:.4g})"),
        {"price": Range(0.001, 1, log=True), "x": Range(1, 64, log=True)},
        "mechanisms of markets, 1.7.4: a K per second blocks all requests", griefs=True,
        first=({"price": 0.01, "x": 16.0},),
    ),
    Attack(
        "short_lock", "has its requester give too little time, and rescues", _short_lock,
        {"lock_ms": Range(1_000, 240_000, log=True, whole=True)}, "mechanisms of markets, 1.6", rules=("dutch",),
    ),
    Attack(
        "prover_killer", "has its requester post jobs that take longer than they look, and rescues them", killer,
        {"work": Range(1.5, 40, log=True)}, "mechanisms of markets, 1.6: cheap to count, slow to prove",
        first=({"work": 8.0},),
    ),
    Attack(
        "prefix", "proves only the first checkpoint of what is dear to prove, and keeps its score",
        by_policy(lambda v: f"prefix({v['above']:.4g})"), {"above": Range(0.3, 3, log=True)},
        "mechanisms of chains, 2.3: activity counts for any accepted length", rules=("epoch_race",),
    ),
    Attack(
        "last_look", "copies others' proofs on their way and hands them in as its own",
        by_policy(lambda v: f"last_look({v['share']:.4g})"), {"share": Range(0.05, 1)},
        "mechanisms of rollups, 1.1: a proof that does not name its prover is anybody's", rules=OPEN,
        first=({"share": 1.0},),
    ),
    Attack(
        "favourite", "has whoever keeps the order of events hold up the proofs of all others", favourite,
        {"hold_ms": Range(100, 3_600_000, log=True, whole=True)},
        "one coordinator is trusted for order: decision 4", first=({"hold_ms": 600_000},),
    ),
    Attack(
        "first_look", "is shown by whoever keeps the order what the others ask, before it asks just less", first_look,
        {"by": Range(0.0001, 0.2, log=True)}, "one coordinator is trusted for order: decision 4",
        rules=PRICED, first=({"by": 0.001},),
    ),
    Attack(
        "overload_rival", "delegates to a rival, which is drawn for more than it can prove and slashed", _overload,
        {"share": Range(0.4, 4, log=True)}, "mechanisms of rollups, 1.3: stake promoted past its owner's capacity",
        rules=("operator_pool", "reverse_auction"), griefs=True, first=({"share": 0.5},),
    ),
    Attack(
        "wrong_proof", "claims wrong transitions, which are worth something if they become final",
        by_policy(lambda v: f"wrong_proof({v['share']:.4g})"), {"share": Range(0.01, 1)},
        "mechanisms of rollups, 1.5: a validity bond, lost to who contests", rules=CONTESTABLE, first=({"share": 1.0},),
    ),
    Attack(
        "false_contest", "contests right claims, which holds them up until a higher proof upholds them", false_contest,
        {"share": Range(0.01, 1)}, "mechanisms of rollups, 1.5: a contest bond 6.56 times the validity bond",
        rules=CONTESTABLE, griefs=True, first=({"share": 1.0},),
    ),
    Attack(
        "sold_twice", "offers the same machines under k names, through so many aggregators", _sold_twice,
        {"k": Range(2, 6, whole=True)}, "mechanisms of markets, 1.6: many locks, one proving slot",
    ),
    Attack(
        "unprovable", "asks besides for what nobody can prove, and shares in the bonds", unprovable,
        {"fee": Range(0.2, 1)}, "mechanisms of rollups, 2.3; chains: bonds paid out to requesters", side="requester",
        first=({"fee": 1.0},),
    ),
    Attack(
        "underfunded", "promises more than it has, and takes the proofs", underfunded,
        {"funded": Range(0.002, 0.9, log=True)},
        "mechanisms of markets, 1.2: the deposit is checked at the lock, open deliveries go unpaid", side="requester",
        rules=("dutch", "order_book", "race", "matched"), first=({"funded": 0.02},),
    ),
    Attack(
        "dummy_bid", "adds a bid that is to lose, so that its own is served", dummy_bid, {"bid": Range(0.05, 1)},
        "mechanisms of rollups, 2.3.6: a bid of 7 unlocks trade for the user worth 9", side="requester",
        rules=("proo_phi", "double_auction", "order_book", "vcg", "batch_auction"),
    ),
    Attack(
        "shill", "bids as a prover just above the lowest, which pays its own requester", shill,
        {"step": Range(0.001, 1, log=True)}, "mechanisms of markets, 2.4.2: a dense grid of sealed bids",
        side="requester", rules=("sealed_bid", "second_price_single", "vcg", "reverse_auction"),
    ),
)  # fmt: skip


def chosen(names: list[str] | None) -> list[Attack]:
    """Find attacks by name; all without names. Raises BadInput."""
    known = {attack.name: attack for attack in ATTACKS}
    for name in names or []:
        if name not in known:
            raise unknown("--attack", name, known, kind="attack")
    return [known[name] for name in names] if names else list(ATTACKS)


def targets(attack: Attack, tree: Tree, only: str | None = None) -> list[int]:
    """List the classes an attack is tried on: the one called `only`, else all it makes sense for. Raises BadInput."""
    rule = _rule(tree)
    groups: list[Any] = tree["provers"]
    classes = [g.get("name", f"class {k + 1}") for k, g in enumerate(groups)]
    if only is not None and only not in {*classes, *askers(tree)}:
        raise unknown("--as", only, [*classes, *askers(tree)], kind="class")
    fit = [k for k, name in enumerate(members(attack, tree)) if only in {None, name}]
    if attack.side == "requester":
        return fit if not attack.rules or rule in attack.rules else []
    return [k for k in fit if attack.applies(rule, groups[k])]


def members(attack: Attack, tree: Tree) -> list[str]:
    """Name those an attack may be tried on: classes of provers, or all who ask."""
    if attack.side == "requester":
        return askers(tree)
    return [group.get("name", f"class {k + 1}") for k, group in enumerate(tree["provers"])]
