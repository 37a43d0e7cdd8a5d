"""Search a deviation's parameters for the largest gain, then say on fresh seeds what it really earns.

gain = E[payoff of the coalition | it deviates] - E[payoff | it is honest], both on the same seeds. The search looks at
few seeds and so flatters what it finds: its best few settings are run again on seeds it never saw, and the interval of
the best of these is widened by Bonferroni's correction for all that were run again, over all attacks of the call.
"""

import importlib
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proofyard import scenario as scenarios
from proofyard.core.errors import BadInput, MarketError
from proofyard.core.event import Phase
from proofyard.engine.result import Run
from proofyard.engine.simulate import simulate
from proofyard.engine.world import rule_of
from proofyard.lab import metrics
from proofyard.lab.attack.catalogue import Attack, Range, members
from proofyard.lab.attack.deviate import COALITION, Pair, Tree, Values
from proofyard.lab.runner import Runner, name_of
from proofyard.scenario import Scenario

CONFIDENCE = 0.95
FINALISTS = 2  # settings of an attack that are run again
FRESH = 1_000_003  # the first fresh seed lies so far from those of the search
AT_ONCE = 4  # settings tried side by side
BINS = 24  # of the times to proof
TOKEN = 10**9
MS_PER_HOUR = 3_600_000
PROTOCOL = "protocol"  # who has what is kept or burnt; no victim of griefing
ROUNDING = 1e-6  # of a token, or of what honesty earns

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Row = dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """How much to run."""

    trials: int = 12  # settings tried for each attack
    seeds: int = 4  # of each while searching
    fresh: int = 24  # of each finalist


@dataclass
class Find:
    """What an attack earns at its best setting. Money in gwei, per run."""

    attack: Attack
    target: str  # the class it was tried on
    values: Values
    honest_tree: Tree
    deviant_tree: Tree
    gains: Floats  # by fresh seed
    honest: Floats  # payoff by fresh seed
    low: float  # of the interval
    high: float
    compared: int  # settings the interval is corrected for
    payers: dict[str, float]  # what each group lost to it, mean
    detect: float  # total variation between what an observer counts in the two worlds, 0..1
    damage: float  # what all others but the protocol lost, mean
    harm_low: float  # of the interval of that damage less what it cost the coalition
    settled: tuple[float, float]  # share of the requests, honest and deviating
    waits: tuple[float, float]  # mean time to proof of those, ms, honest and deviating
    saved: float  # of the gain: work the coalition no longer does, mean
    curve: list[tuple[Values, float]] = field(default_factory=list[tuple[Values, float]])  # all settings that it tried
    seed: int = 0  # the first fresh one
    honest_money: int = 0  # gwei, the coalition's payoff on that seed as results show it
    deviant_money: int = 0

    @property
    def gain(self) -> float:
        """Mean gain."""
        return float(self.gains.mean())

    @property
    def per_profit(self) -> float | None:
        """Gain per honest profit; None where honesty earns nothing."""
        base = float(self.honest.mean())
        return self.gain / base if base > 0 else None

    @property
    def pays(self) -> bool:
        """Whether the interval lies above zero, by more than what dividing whole gwei leaves."""
        return self.low > ROUNDING * max(TOKEN, float(np.abs(self.honest).mean()))

    @property
    def hurts(self) -> bool:
        """Whether it earns the coalition nothing, and costs the others more than itself: griefing."""
        return not self.pays and self.gain <= ROUNDING * TOKEN and self.harm_low > ROUNDING * TOKEN

    @property
    def per_coin(self) -> float | None:
        """Damage per coin that the coalition spends on it; None where it spends nothing."""
        return self.damage / -self.gain if self.gain < -ROUNDING * TOKEN else None

    @property
    def payer(self) -> str:
        """Who loses most to it."""
        worst = max(self.payers, key=self.payers.__getitem__)
        return worst if self.payers[worst] > 0 else "nobody"


def run_world(task: tuple[Scenario, int]) -> Row:
    """Run one seed and keep what attacks are judged by: a row of numbers and texts. Raises BadInput, Fault."""
    run = simulate(task[0], rule_of(task[0]), task[1])
    money = metrics.payoffs(run)
    members = np.array([name == COALITION for name in run.coalitions])
    payoff = money + _worth(task[0], run)
    mine = run.jobs.requester < len(run.names) + 1  # of the rollup
    done = (run.jobs.phase == Phase.SETTLED) & mine
    waited = (run.jobs.proven_ms - run.jobs.asked_ms)[done]
    counts = {f"{kind} {verdict}": count for (kind, verdict), count in run.verdicts.items()}
    return {
        "money": int(money[members].sum()),
        "payoff": float(payoff[members].sum()),
        "groups": json.dumps(_others_earn(run, payoff, members)),
        "counts": json.dumps(counts | _times(run)),
        "settled": int(done.sum()) / max(1, int(mine.sum())),
        "wait": float(waited.mean()) if len(waited) else 0.0,
        "cost": float(run.provers.cost_gwei[members[: len(run.names)]].sum()),
    }


def _others_earn(run: Run, payoff: Floats, members: Bools) -> dict[str, float]:
    """Say what each group outside the coalition earns, gwei, and what the protocol keeps."""
    groups: dict[str, float] = {}
    names = *_groups(run), "requesters", *run.others
    for name, gained, inside in zip(names, payoff.tolist(), members.tolist(), strict=True):
        if not inside:
            groups[name] = groups.get(name, 0.0) + gained
    pools = run.provers.pool_gain_gwei - run.provers.pool_slashed_gwei
    if run.provers.pool_gwei.any():
        groups["delegators"] = float(pools.sum()) - run.backing_gain_gwei
    groups[PROTOCOL] = _kept(run)
    return groups


def _worth(scenario: Scenario, run: Run) -> Floats:
    """Value the proofs that each requester got, gwei: what it would have paid at most, unless it says otherwise.

    Less what the time cost that it waited for them.
    """
    got = np.zeros(len(run.coalitions))
    settled = run.jobs.phase == Phase.SETTLED
    first, workload = len(run.names), scenario.workload
    if run.claims is not None:  # outside the market's books: what a wrong transition brings, and takes from users
        wrong = settled & (run.claims.wrong > 0)
        np.add.at(got, run.claims.claimant[wrong], run.claims.won_gwei[wrong])
        got[first] -= int(wrong.sum()) * float(workload.wrong_worth) * TOKEN

    def value(mine: Bools, worth: Decimal, hour: Decimal) -> float:
        hours = int((run.jobs.proven_ms - run.jobs.asked_ms)[mine].sum()) / MS_PER_HOUR
        return (int(mine.sum()) * float(worth) - hours * float(hour)) * TOKEN

    asked_by_provers = workload.requester == "provers"
    rollup = settled & ((run.jobs.requester <= first) if asked_by_provers else (run.jobs.requester == first))
    got[first] += value(rollup, workload.max_fee, workload.wait_cost)
    for k, table in enumerate(scenario.requesters):
        worth = table.max_fee if table.worth is None else table.worth
        got[first + 1 + k] = value(settled & (run.jobs.requester == run.others_from + k), worth, table.wait_cost)
    return got


def _kept(run: Run) -> float:
    """Say what the protocol kept or burnt, gwei: all that the others together have less than at the start."""
    people = int(run.provers.gain_gwei.sum()) + run.requesters_gain_gwei + sum(run.others_gain_gwei)
    people += (run.desk_gain_gwei or 0) + (run.insurer_gain_gwei or 0) - run.backing_gain_gwei
    return -float(people + int((run.provers.pool_gain_gwei - run.provers.pool_slashed_gwei).sum()))


def _groups(run: Run) -> list[str]:
    return [run.groups[index] for index in run.provers.group.tolist()]


def _times(run: Run) -> dict[str, int]:
    """Count the times to proof in bins that double: what anybody can watch."""
    bins = np.clip(np.log2(np.maximum(metrics.proof_times(run), 1)).astype(np.int64), 0, BINS)
    return {f"time {k}": int(count) for k, count in enumerate(np.bincount(bins)) if count}


class Lab:
    """Runs pairs of worlds, and never the same one twice."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.known: dict[str, Row] = {}
        self.runs = 0

    def rows(self, worlds: Sequence[Scenario], seeds: Sequence[int], what: str) -> list[list[Row]]:
        """Run every world on every seed: a list of rows per world."""
        names = [name_of(world) for world in worlds]
        wanted = {f"{name}-{s}": (world, s) for name, world in zip(names, worlds, strict=True) for s in seeds}
        new = {key: task for key, task in wanted.items() if key not in self.known}
        found = self.runner.map(run_world, list(new.values()), list(new), what)
        self.known |= dict(zip(new, found, strict=True))
        self.runs += len(new)
        return [[self.known[f"{name}-{s}"] for s in seeds] for name in names]

    def pair(self, pair: Pair, seeds: Sequence[int], what: str) -> tuple[list[Row], list[Row]]:
        """Run both worlds. Raises BadInput."""
        honest, deviant = self.rows([scenarios.check(pair[0]), scenarios.check(pair[1])], seeds, what)
        return honest, deviant


def column(rows: Sequence[Row], name: str) -> Floats:
    """One number of each row."""
    return np.array([row[name] for row in rows], np.float64)


def search(lab: Lab, tree: Tree, attack: Attack, target: int, budget: Budget, seed: int) -> list[tuple[Values, float]]:
    """Try settings of an attack and return them, the best first. Raises BadInput where it makes no scenario."""
    tried: dict[str, tuple[Values, float]] = {}
    for batch in _settings(attack, tried, budget.trials, seed):
        new = {_name(values): values for values in batch if _name(values) not in tried}
        pairs = [attack.build(tree, target, values) for values in new.values()]
        worlds = [scenarios.check(world) for pair in pairs for world in pair]
        rows = lab.rows(worlds, [seed + k for k in range(budget.seeds)], f"{attack.name}, searching")
        for k, (name, values) in enumerate(new.items()):
            gains = column(rows[2 * k + 1], "payoff") - column(rows[2 * k], "payoff")
            if attack.griefs:
                gains = gains + others(rows[2 * k]) - others(rows[2 * k + 1])
            tried[name] = values, float(gains.mean())
    return sorted(tried.values(), key=lambda item: -item[1])


def others(rows: Sequence[Row]) -> Floats:
    """Add up what all but the coalition and the protocol earned, by run."""
    groups = (json.loads(row["groups"]) for row in rows)
    return np.array([sum(value for name, value in each.items() if name != PROTOCOL) for each in groups], np.float64)


def called(attack: Attack, values: Values) -> str:
    """Write what the coalition does: `overstate(x=8)`."""
    told = ", ".join(f"{key}={value:g}" for key, value in values.items())
    return f"{attack.name}({told})" if told else attack.name


def _name(values: Values) -> str:
    return json.dumps(values, sort_keys=True)


def _settings(
    attack: Attack, tried: dict[str, tuple[Values, float]], trials: int, seed: int
) -> Generator[list[Values]]:
    """Let Optuna's TPE, seeded, choose what to try next, some at once; stop early where nothing makes a difference."""
    if not attack.parameters:
        yield [{}]
        return
    optuna: Any = importlib.import_module("optuna")  # here: it takes a while to import
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed % 2**31))
    for values in attack.first:
        study.enqueue_trial(values)
    for _ in range(-(-trials // AT_ONCE)):
        asked = [study.ask() for _ in range(AT_ONCE)]
        batch = [{key: _suggest(trial, key, found) for key, found in attack.parameters.items()} for trial in asked]
        yield batch
        for trial, values in zip(asked, batch, strict=True):
            study.tell(trial, tried[_name(values)][1])
        if len(tried) >= AT_ONCE and not any(gained for _, gained in tried.values()):
            return


def _suggest(trial: Any, key: str, limits: Range) -> float:
    if limits.whole:
        return trial.suggest_int(key, int(limits.low), int(limits.high), log=limits.log)
    return float(f"{trial.suggest_float(key, limits.low, limits.high, log=limits.log):.4g}")


def interval(values: Floats, compared: int) -> tuple[float, float]:
    """Student's interval of the mean at 95 % for `compared` settings at once (Bonferroni)."""
    if len(values) < 2:  # noqa: PLR2004 - one value shows no spread
        return -float("inf"), float("inf")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
    special: Any = importlib.import_module("scipy.special")  # here, and not scipy.stats: that takes a second to import
    reach = float(special.stdtrit(len(values) - 1, 1 - (1 - CONFIDENCE) / 2 / compared)) * error
    return mean - reach, mean + reach


def attack_all(
    runner: Runner, tree: Tree, attacks: Sequence[tuple[Attack, list[int]]], budget: Budget
) -> tuple[list[Find], int]:
    """Search every attack on every class it is given, judge the best on fresh seeds.

    Returns the finds, one per attack, as `ranked`, and how many runs it took. Raises BadInput, Fault.
    """
    lab, seed = Lab(runner), int(tree.get("seed", 1))
    shortlist: list[tuple[Attack, int, Values, list[tuple[Values, float]]]] = []
    refused: MarketError | None = None
    for attack, places in attacks:
        best: list[tuple[int, Values, float]] = []
        curves: dict[int, list[tuple[Values, float]]] = {}
        for target in places:
            try:
                found = search(lab, tree, attack, target, budget, seed)
            except BadInput as error:  # this attack makes no scenario of this rule
                refused = error
                continue
            curves[target] = found
            best += [(target, values, gained) for values, gained in found[:FINALISTS]]
        best.sort(key=lambda item: -item[2])
        shortlist += [(attack, target, values, curves[target]) for target, values, _ in best[:FINALISTS]]
    if not shortlist:
        raise refused or BadInput("attack", "an attack that applies to this rule", tree["mechanism"])
    return ranked([judge(lab, tree, *each, budget, len(shortlist)) for each in shortlist]), lab.runs


def ranked(finds: Sequence[Find]) -> list[Find]:
    """Keep the best of each attack: first what pays, then what only harms others, the largest lower end first."""

    def rank(find: Find) -> tuple[bool, bool, float]:
        return not find.pays, not find.hurts, -(find.harm_low if find.hurts else find.low)

    best = {find.attack.name: find for find in sorted(finds, key=rank, reverse=True)}
    return sorted(best.values(), key=rank)


def judge(
    lab: Lab, tree: Tree, attack: Attack, target: int, values: Values, curve: list[tuple[Values, float]],
    budget: Budget, compared: int,
) -> Find:  # fmt: skip
    """Run one setting on fresh seeds."""
    pair = attack.build(tree, target, values)
    start = int(tree.get("seed", 1)) + FRESH
    honest, deviant = lab.pair(pair, range(start, start + budget.fresh), f"{attack.name}, judging")
    gains = column(deviant, "payoff") - column(honest, "payoff")
    low, high = interval(gains, compared)
    damages = others(honest) - others(deviant)
    before, after = _groups_mean(honest), _groups_mean(deviant)

    def both(name: str) -> tuple[float, float]:
        return float(column(honest, name).mean()), float(column(deviant, name).mean())

    return Find(
        attack, members(attack, tree)[target], values, *pair, gains,
        column(honest, "payoff"), low, high, compared,
        {name: before.get(name, 0.0) - after.get(name, 0.0) for name in before | after} or {"nobody": 0.0},
        variation(honest, deviant), float(damages.mean()), interval(damages + gains, compared)[0],
        both("settled"), both("wait"),
        float((column(honest, "cost") - column(deviant, "cost")).mean()),
        curve, start, int(honest[0]["money"]), int(deviant[0]["money"]),
    )  # fmt: skip


def _groups_mean(rows: Sequence[Row]) -> dict[str, float]:
    total: dict[str, float] = {}
    for row in rows:
        for name, value in json.loads(row["groups"]).items():
            total[name] = total.get(name, 0.0) + value / len(rows)
    return total


def variation(honest: Sequence[Row], deviant: Sequence[Row]) -> float:
    """Total variation between the counts of events, verdicts and times to proof in two worlds, 0..1."""
    shares: list[dict[str, float]] = []
    for rows in (honest, deviant):
        total: dict[str, float] = {}
        for row in rows:
            for name, count in json.loads(row["counts"]).items():
                total[name] = total.get(name, 0.0) + count
        whole = sum(total.values()) or 1.0
        shares.append({name: count / whole for name, count in total.items()})
    return sum(abs(shares[0].get(name, 0.0) - shares[1].get(name, 0.0)) for name in shares[0] | shares[1]) / 2
