"""What the search has to find unaided, and where it may not cry wolf: run by the tests and by `attack.docs`."""

from dataclasses import dataclass, field
from pathlib import Path

from proofyard import scenario as scenarios
from proofyard.lab.attack import catalogue, tell_more
from proofyard.lab.attack.search import Budget, Find, attack_all
from proofyard.lab.attack.tell_more import Told
from proofyard.lab.runner import Runner

SMALL = Budget(trials=8, seeds=3, fresh=12)


@dataclass(frozen=True)
class Case:
    """One attack in one world."""

    title: str
    scenario: str  # name of a shipped one
    attack: str
    by: str  # name of the class
    pays: bool
    why: str
    hurts: bool = False  # it costs others more than whoever does it
    mechanism: str | None = None
    changes: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, folder: Path, runner: Runner, budget: Budget = SMALL) -> Find:
        """Search and judge it. Raises BadInput, Fault."""
        path = folder / f"{self.scenario}.toml"
        tree = scenarios.tree_of(path, self.changes, self.mechanism)
        attack = catalogue.chosen([self.attack])[0]
        finds, _ = attack_all(runner, tree, [(attack, catalogue.targets(attack, tree, self.by))], budget)
        return finds[0]


@dataclass(frozen=True)
class Mend:
    """A rule whose parameters are searched for what holds."""

    title: str
    scenario: str  # name of a shipped one
    attacks: tuple[str, ...]
    by: str  # name of the class
    over: tuple[str, ...]  # parameters with ranges, as for --fix
    mechanism: str
    changes: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, folder: Path, runner: Runner, budget: Budget) -> Told:
        """Search it. Raises BadInput, Fault."""
        tree = scenarios.tree_of(folder / f"{self.scenario}.toml", self.changes, self.mechanism)
        attacks = [(a, catalogue.targets(a, tree, self.by)) for a in catalogue.chosen(list(self.attacks))]
        return tell_more.front(runner, tree, self.over, attacks, budget)


_CONTEST = {"horizon": "5d"}
_DAY = {"horizon": "12h"}
_CLAIMS = {"horizon": "2d"}
_MIXING = "learn(explore=1, step=0.05)"  # a price drawn anew at each epoch, up to 55 % above the cost
_BROKERS = {"provers[1].policy": "honest", "horizon": "6h"}
_ALONE = _BROKERS | {"provers[2].open_jobs": "ignore"}  # nobody rescues
_STAKED = {"provers[0].stake": "100", "provers[1].stake": "100"}
_CHEAP_LOCKS = (
    "dutch(start_ms = 10_000, ramp_ms = 60_000, lock_ms = 240_000, timeout_ms = 600_000, collateral_gwei = 0, "
    "collateral_rate = 1_000)"
)
_HALF, _TWO = "contest(bids_to=1, alpha_num=1, alpha_den=2)", "contest(bids_to=1, alpha_num=2)"

CASES: tuple[Case, ...] = (
    Case(
        "overstated capacity in the alpha-4 pool", "taiko-pool-32", "overstate", "staker", pays=True,
        why="the least capacity is 32, and a slash of four rewards is less than what the surplus assignments earn",
        mechanism="staked_pool", changes={"horizon": "6h"},
    ),
    Case(
        "the rank-33 seat", "taiko-pool-32", "stay_out", "staker", pays=True,
        why="who holds no seat is paid 1.5 rewards for what seats let expire, and risks nothing",
        changes={"horizon": "6h"},
    ),
    Case(
        "the late prover's own slash in the standing auction", "taiko-standing-auction", "own_slash", "cheapest",
        pays=True, why="60 % of the bond goes to whoever proves late, itself too", changes=_DAY,
    ),
    Case(
        "hit-and-run on a fee paid in advance", "taiko-bought-proof", "hit_and_run", "honest", pays=True,
        why="the fee of about 3 exceeds the bond of 2.5", changes=_DAY,
    ),
    Case(
        "… with a bond of 5", "taiko-bought-proof", "hit_and_run", "honest", pays=False,
        why="the bond exceeds the fee", mechanism="bought_proof(liveness_gwei = 5_000_000_000)", changes=_DAY,
    ),
    Case(
        "a wrong claim worth 1,000 against a bond of 150, three in four looked at", "taiko-wrong-proofs", "wrong_proof",
        "liar", pays=True, why="one in four stands: 250 won for 112.5 lost", changes=_CLAIMS,
    ),
    Case(
        "… with 19 in 20 looked at", "taiko-wrong-proofs", "wrong_proof", "liar", pays=False,
        why="one in twenty stands: 50 won for 142.5 lost", changes=_CLAIMS | {"provers[2].watch.share": "0.95"},
    ),
    Case(
        "a second name sets the price under Prooφ", "proo-phi-sybil", "dummy_rival", "A", pays=True,
        why="5 a round becomes 81",
    ),
    Case(
        "splitting in a contest with α = 1/2", "proof-contest", "split", "cheap", pays=True,
        why="k names weigh k^(1/2) times one", mechanism=_HALF, changes=_CONTEST,
    ),
    Case(
        "merging in a contest with α = 2", "proof-contest", "merge", "cheap", pays=True,
        why="k names weigh 1/k of one", mechanism=_TWO, changes=_CONTEST,
    ),
    Case(
        "splitting in a contest with α = 1", "proof-contest", "split", "cheap", pays=False,
        why="names weigh as much as their bids", changes=_CONTEST,
    ),
    Case(
        "merging in a contest with α = 1", "proof-contest", "merge", "cheap", pays=False,
        why="names weigh as much as their bids", changes=_CONTEST,
    ),
    Case(
        "two agree in a second-price auction", "second-price-pair", "ring_2", "cheap", pays=True,
        why="the third sets the price",
    ),
    Case(
        "one lies in a second-price auction", "second-price-pair", "shade", "cheap", pays=False,
        why="truth is dominant where machines are not scarce",
    ),
    Case(
        "overstated capacity under Kalypso's self-slash", "kalypso-self-slash", "overstate", "declares too much",
        pays=True, why="the penalty of a miss goes to whoever slashes first, itself", changes={"horizon": "3h"},
    ),
    Case(
        "one checkpoint of heavy epochs under Aztec's shared reward", "aztec-heavy-epochs", "prefix", "prover",
        pays=True, why="activity counts for any length: the score stays, the cost of the epoch does not",
        changes={"horizon": "20d"},
    ),
    Case(
        "copies of proofs that name nobody, in a race", "minimal", "last_look", "slow", pays=True,
        why="whoever sees a proof first hands it in", changes={"horizon": "1h"},
    ),
    Case(
        "the favourite of whoever keeps the order, in a race", "minimal", "favourite", "middle", pays=True,
        why="the proofs of the faster one arrive later", changes={"horizon": "1h"},
    ),
    Case(
        "the favourite of whoever keeps the order, in an auction", "succinct-auction", "favourite", "data centre",
        pays=True, why="proofs of the cheaper ones are late, and they are suspended", changes=_DAY,
    ),
    Case(
        "a first look at what the others ask, paid as asked", "succinct-auction", "first_look", "aggressive", pays=True,
        why="each price is drawn anew, and whoever keeps the order shows them to its favourite before it asks",
        changes={"provers[1].policy": _MIXING, "workload.every": "120s"} | _DAY,
    ),
    Case(
        "a first look at what the others ask, at the second price", "second-price-pair", "first_look", "cheap",
        pays=False, why="what it is paid does not hang on what it asks",
        changes={"provers[0].count": "1", "provers[1].policy": _MIXING} | _DAY,
    ),
    Case(
        "eight names outside the pool's seats become one", "taiko-pool-32", "merge", "rank 33", pays=True,
        why="names race each other for each expired block, one name makes its proof once; the rule is not gamed",
        changes={"horizon": "6h"},
    ),
    Case(
        "proofs handed in as the window closes, where waiting costs 6 an hour", "second-price-pair", "last_moment",
        "cheap", pays=False, hurts=True, why="no rule of a window pays for a proof that comes sooner",
        changes={"workload.wait_cost": "6"} | _DAY,
    ),
    Case(
        "the same machine under several names, in a race", "minimal", "sold_twice", "fast", pays=False,
        why="each name still makes one proof at a time", changes={"horizon": "1h"},
    ),
    Case(
        "a user's false bid under Prooφ", "proo-phi-user", "dummy_bid", "nine", pays=True,
        why="with a bid of 7 that is not served, 13 and 9 are, at 7 instead of not at all",
    ),
    Case(
        "a requester's shill in sealed bids at the second price", "brevis-sealed-bid", "shill", "requesters",
        pays=True, why="it learns the lowest bid and opens one just above", changes={"workload.every": "120s"} | _DAY,
    ),
    Case(
        "too little time, with a prover of its own (Boundless)", "boundless-dutch", "short_lock", "rescuer", pays=True,
        why="all miss the lock's deadline; half of each collateral is the rescuer's", changes=_BROKERS,
    ),
    Case(
        "jobs that kill provers, with one of its own (Boundless)", "boundless-dutch", "prover_killer", "rescuer",
        pays=True, why="eight times the work the size says: the lock is missed, the rescue is paid", changes=_BROKERS,
    ),
    Case(
        "locks to stall, a tenth of the price as collateral (Boundless)", "boundless-dutch", "lock_and_stall",
        "honest", pays=False, hurts=True, why="a lock costs less than the proof it keeps from its requester",
        mechanism=_CHEAP_LOCKS, changes=_ALONE,
    ),
    Case(
        "stake delegated to a rival past its capacity", "three-operators", "overload_rival", "C", pays=False,
        hurts=True, why="it is drawn for more than it can prove; its delegators are slashed for each miss",
        changes={"horizon": "3d", "delegators.policy": "stay"},
    ),
    Case(
        "… with ten times the price, as the docs advise", "boundless-dutch", "lock_and_stall", "honest", pays=False,
        why="a lock costs ten times what the proof is worth", changes=_ALONE,
    ),
    Case(
        "requests nobody can prove, under Prooφ with bonds", "proo-phi-sybil", "unprovable", "requesters", pays=True,
        why="half of each lost bond is the requester's", mechanism="proo_phi(round_ms = 60_000)", changes=_STAKED,
    ),
    Case(
        "withholding under a primary with a fallback", "primary-fallback", "withhold", "honest", pays=False,
        why="each is paid its cost whether primary or of the committee", changes={"horizon": "3d"},
    ),
    Case(
        "splitting under a primary with a fallback", "primary-fallback", "split", "honest", pays=False,
        why="more draws, each paid its cost", changes={"horizon": "3d"},
    ),
)  # fmt: skip

MENDS: tuple[Mend, ...] = (
    Mend(
        "Which slash, window and capacity rule would have held in the alpha-4 pool?", "taiko-pool-32",
        ("overstate", "withhold"), "staker",
        ("slash_multiplier=4..60", "min_capacity=1..32", "window_percent=150..400"),
        "staked_pool", {"horizon": "3h"},
    ),
    Mend(
        "Do bonds have to lock 72,000 tokens?", "taiko-bonded", ("withhold", "own_slash", "hit_and_run"), "proposer",
        (
            "liveness_gwei=1000000000..125000000000", "tee_validity_gwei=1000000000..150000000000",
            "tee_cooldown_ms=600000..14400000",
        ),
        "bonded", {"horizon": "2d"},
    ),
)  # fmt: skip
