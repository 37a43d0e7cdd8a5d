"""Writes docs/attacks.md from runs: `python -m proofyard.lab.attack.docs`."""

import sys
from pathlib import Path

from proofyard.lab import table
from proofyard.lab.attack import catalogue, tell
from proofyard.lab.attack.cases import CASES, MENDS, Case
from proofyard.lab.attack.search import Budget, Find
from proofyard.lab.attack.tell_more import SHOWN
from proofyard.lab.runner import Runner

ROOT = Path(__file__).parents[3]
LISTED = 8  # settings of a front
MENDING = Budget(trials=40, seeds=2, fresh=4)
BUDGET = Budget(trials=12, seeds=4, fresh=32)

_TOP = """# Attacks

`proofyard attack SCENARIO` looks for what a coalition can gain by not being honest. This page is made from runs, by
`python -m proofyard.lab.attack.docs`; a test runs the same cases with fewer seeds.

**gain** = E[payoff of the coalition | it deviates] − E[payoff | it is honest], on the same seeds. The payoff is all the
money its members own at the end, less what they owned at the start, less the cost of their work. The search (Optuna's
TPE, seeded) looks at a few seeds only. The best settings of each attack are then run on fresh seeds; intervals are
Student's at 95 % together, by Bonferroni's correction for all settings that were run again. What is below a millionth
of a token or of the honest profit counts as rounding. It cries wolf no more often than that says:
of 150 searches each in two worlds where nothing pays and the dice decide what is seen, 3 and 3 found a gain
(`python benchmarks/false_alarms.py`; 2.5 % would be 4 each).

*Detectability* is the total variation between what anybody can count in the two worlds (events, verdicts, times to
proof): 0 nobody can tell, 1 everybody. *Settled* is the share of the requests that got a proof, honest and attacked,
*time to proof* the mean over those. Who *waits* pays for it where the scenario says so (`wait_cost` of whoever asks, an
hour). *Work saved*: most of the gain is work that is no longer done, and so nobody's loss.

Each attack that pays is left as `attacks/RULE-ATTACK.toml`: `proofyard simulate` gives the coalition's payoff that its
claim names, to the gwei. Beside it lies the same world with an honest coalition.
"""


_GRIEF = """Nobody gains by these. *Damage per coin* is what all others lose, the protocol left out, by each coin the
coalition spends: proofs that do not come count with what they are worth to whoever asked, those that come late with
what waiting costs. It is above one for certain (the interval of damage less cost lies above zero), *free* where the
coalition spends nothing.
"""

_MEND = """## What would have held

`--fix` searches parameters of a rule (Optuna's NSGA-II, here {trials} settings) for the Pareto front of late or
unproven jobs, price, concentration, locked money and the largest gain that attackers then find who answer best. What
comes to the front is attacked again, at three times as many settings of each attack.
"""


def mended(runner: Runner) -> list[str]:
    """Search the rules of MENDS, and write what was found."""
    parts = [_MEND.format(trials=MENDING.trials)]
    head = "| rule | | " + " | ".join(name.replace("\n", " ") for _, name, _ in SHOWN) + " | best attack |"
    for mend in MENDS:
        told = mend.run(ROOT / "scenarios", runner, MENDING)
        tried = ", ".join(f"`{name}`" for name in mend.attacks)
        parts += [f"### {mend.title}\n", f"`{mend.scenario}`, `{mend.mechanism}`; attacks: {tried}. {told.sentence}\n"]
        parts += [head, "|---" * (len(SHOWN) + 3) + "|"]
        for place, point in enumerate(told.json["points"]):  # the least gain first
            if point["default"] or (point["front"] and place < LISTED):
                mark = "as it was" if point["default"] else "on the front"
                cells = [
                    f"`{point['mechanism']}`",
                    mark,
                    *(how(point[name]) for name, _, how in SHOWN),
                    point["attack"],
                ]
                parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    return parts


def row(case: Case, find: Find) -> str:
    """Write a case as a line of the table."""
    share = table.NONE if find.per_profit is None else table.percent(find.per_profit)
    interval = f"{table.tokens(find.low)} … {table.tokens(find.high)}"
    payer = tell.payer(find) if find.pays or find.hurts else table.NONE
    cells = [
        case.title, f"`{case.scenario}`, {case.by}", f"`{tell.policy(find)}`", table.tokens(find.gain), interval, share,
        payer, tell.per_coin(find), table.percent(find.detect), tell.settled(find),
        tell.waited(find), case.why,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def written(runner: Runner) -> str:
    """Run all cases and write the page."""
    found = [(case, case.run(ROOT / "scenarios", runner, BUDGET)) for case in CASES]
    head = (
        "| attack | world, by | best found | gain, tokens a run | interval | of honest profit | who pays "
        "| damage per coin | detectability | settled | time to proof | why |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    parts = [_TOP, "## What pays\n", head, *(row(case, find) for case, find in found if find.pays), ""]
    parts += ["## What costs others more than whoever does it\n", _GRIEF, head]
    parts += [*(row(case, find) for case, find in found if find.hurts), ""]
    parts += ["## What does not\n", head]
    parts += [*(row(case, find) for case, find in found if not find.pays and not find.hurts), ""]
    parts += mended(runner)
    parts += [
        "## All attacks that are tried\n",
        "| name | who does what | parameters | known from |",
        "|---|---|---|---|",
    ]
    for attack in catalogue.ATTACKS:
        limits = ", ".join(f"{key} {r.low:.7g}…{r.high:.7g}" for key, r in attack.parameters.items()) or table.NONE
        parts.append(f"| `{attack.name}` | {attack.about} | {limits} | {attack.seen} |")
    return "\n".join([*parts, ""])


def main() -> None:
    """Write the page."""
    with Runner(quiet=False) as runner:
        (ROOT / "docs" / "attacks.md").write_text(written(runner), encoding="utf-8")
    print("docs/attacks.md", file=sys.stderr)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
