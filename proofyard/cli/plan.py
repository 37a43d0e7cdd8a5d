"""`proofyard plan`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from proofyard.cli.shared import Json, Whole, check_seed, print_json

if TYPE_CHECKING:
    from proofyard.proofs.planning.fleet import Fleet
    from proofyard.proofs.planning.plan import Ask, Plan

Fleets = Annotated[list[str] | None, Parameter(name=["--fleet", "-f"], negative="", consume_multiple=False)]
HOUR_MS = 3_600_000
MOST_TRIALS = 100_000
MOST_MHZ = 1_000_000
BLOCK_SD = 0.0793  # spread of ln time that blocks of equal gas have in common (worlds/models.toml, difficulty)
# Wraps: Boundless' estimate 15 s (the bidder of SP1 allows 30 s), Plonk 80 s (succinctlabs/sp1-cluster@9864f8b).
WRAP_MS = {"none": 0, "groth16": 15_000, "plonk": 80_000}
FILES = ("plan.json", "report.html")
_SIZE = re.compile(r"\s*([\d_]+(?:\.\d+)?)\s*([kMG]?)\s*(gas|cyc|cycles?|transfers?)\s*")
_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def plan(
    *,
    fleet: Fleets = None,
    job: str = "22 Mgas",
    deadline: str | None = None,
    every: str | None = None,
    online: str = "always",
    resume: bool = True,
    present: bool = False,
    detect: str = "30s",
    wrap: Literal["none", "groth16", "plonk"] = "none",
    execute_mhz: float = 0,
    cut: Whole = 0,
    trials: Whole = 1_000,
    seed: Whole = 1,
    out: Path | None = None,
    measure: bool = False,
    json: Json = False,
) -> None:
    """Plan the proving of one job: how to cut it, on which cards, how long it takes and what it costs.

    Example: proofyard plan --job '22 Mgas' --deadline 1m --fleet 8xl40s --fleet 8xh100 --out build/plan

    Parameters
    ----------
    fleet
        Cards that work together, `8xl40s`, `4xsp1/h100(price=2.69) + 4xl4` or `1xprofile:FILE` of `proofyard bench`;
        give several fleets to compare them.
    job
        Its size: '22 Mgas' (the median block), '444 Mcycles', '64 transfers'.
    deadline
        Time to proof that is wanted, e.g. 12s.
    every
        Mean time between jobs, for the time in line; the load at which one card per proof is better is always shown.
    online
        When cards are there, as in scenarios: idle_gpu(zone='us-east-1f'), nights, …
    resume
        Finished parts outlive the card that made them; --no-resume: they are gone with it.
    present
        All cards are there at the start; else each with its availability.
    detect
        Time until a card that vanished is missed (SP1's cluster 30s, Scroll 180s, ZKsync 10m).
    wrap
        Last step for a contract.
    execute_mhz
        Speed of sequential execution (SP1 10-16, RISC Zero 29-38, ZisK 33); 0 if it is sliced over machines.
    cut
        Size of a part in cycles or transfers; 0 for the best.
    trials
        Jobs simulated.
    seed
        Of all chance.
    out
        Folder for plan.json and report.html.
    measure
        Prove the job for real on this machine and compare; the fleet is 1xprofile:FILE.
    json
        Print the plans as JSON.
    """
    from proofyard.core.errors import BadInput
    from proofyard.proofs.planning.plan import as_json
    from proofyard.proofs.planning.plan import plan as make

    if out is not None:
        _check_place(out)
    fleets = _fleets(fleet, online, cut)
    if not 1 <= trials <= MOST_TRIALS:
        raise BadInput("--trials", f"1 to {MOST_TRIALS:,}", trials)
    check_seed(seed)
    ask = _ask(job, deadline, every, trials, seed)
    setting = ask.setting._replace(
        wrap_ms=WRAP_MS[wrap], saved=resume, present=present, detect_ms=_ms(detect, "--detect")
    )
    plans = [make(_executed(ask._replace(setting=setting), one, execute_mhz), one) for one in fleets]
    data = [as_json(one, ask) for one in plans]
    if json:
        print_json(data)
    else:
        from proofyard.lab.planning import print_plans

        print_plans(plans, ask)
    if out is not None:
        _write(out, plans, ask, data, job)
        if not json:
            print(f"report: {out / 'report.html'}")
    if measure:
        _measure(fleets[0], plans[0], ask)


def _fleets(texts: list[str] | None, online: str, cut: int) -> "list[Fleet]":
    from proofyard.core.errors import BadInput
    from proofyard.proofs.planning.fleet import parse

    if not texts:
        raise BadInput("--fleet", "cards, e.g. 8xl40s or 1xprofile:FILE", "nothing")
    fleets = [parse(text, online) for text in texts]
    for fleet in fleets:
        if cut and cut not in fleet.cuts:
            raise BadInput("--cut", f"one of {', '.join(map(str, fleet.cuts))} {fleet.unit}s", cut)
    return [fleet._replace(cuts=(cut,)) if cut else fleet for fleet in fleets]


def _ask(job: str, deadline: str | None, every: str | None, trials: int, seed: int) -> "Ask":
    from proofyard.core.errors import BadInput
    from proofyard.proofs.planning.plan import Ask
    from proofyard.proofs.planning.simulate import Setting

    found = _SIZE.fullmatch(job)
    amount = float(found[1]) * _SCALE[found[2]] if found else 0.0
    if found is None or amount <= 0:
        raise BadInput("--job", "a size above 0 such as '22 Mgas', '444 Mcycles' or '64 transfers'", repr(job))
    unit = {"g": "gas", "c": "cycle", "t": "transfer"}[found[3][0]]
    limit = _ms(deadline, "--deadline") if deadline is not None else 0
    gap = _ms(every, "--every") if every is not None else 0
    setting = Setting(difficulty_sd=BLOCK_SD if unit == "gas" else 0.0)
    return Ask(amount, unit, limit, HOUR_MS / gap if gap else 0.0, setting, trials, seed)


def _executed(ask: "Ask", fleet: "Fleet", mhz: float) -> "Ask":
    """Add the time of sequential execution."""
    from proofyard.core.errors import BadInput
    from proofyard.proofs.planning.plan import units_of

    if not mhz:
        return ask
    if not 0 < mhz < MOST_MHZ or fleet.unit != "cycle":
        raise BadInput(
            "--execute-mhz", f"a number above 0 and below {MOST_MHZ:,}, for cards", f"{mhz:g} for {fleet.text}"
        )
    return ask._replace(setting=ask.setting._replace(execute_ms=round(units_of(ask, fleet) / mhz / 1e3)))


def _ms(text: str, field: str) -> int:
    from proofyard.core.errors import BadInput
    from proofyard.worlds.text import duration_ms

    value = duration_ms(text, field)
    if value < 1 and field != "--detect":
        raise BadInput(field, "a time above 0", repr(text))
    return value


def _check_place(out: Path) -> None:
    """Refuse a folder with somebody else's files before the work, not after it."""
    from proofyard.core.errors import BadInput

    if out.exists() and not out.is_dir():
        raise BadInput("--out", "a folder", f"the file {out}")
    foreign = sorted({path.name for path in out.iterdir()} - set(FILES)) if out.is_dir() else []
    if foreign:
        raise BadInput("--out", "a new folder or one of an earlier `plan`", f"{out}, which holds {foreign[0]}")


def _write(out: Path, plans: "list[Plan]", ask: "Ask", data: list[dict[str, object]], job: str) -> None:
    import json

    from proofyard.lab.planning import page

    out.mkdir(parents=True, exist_ok=True)
    (out / "plan.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    (out / "report.html").write_text(page(plans, ask, f"Plan for {job.strip()}"), encoding="utf-8")


def _measure(fleet: "Fleet", planned: "Plan", ask: "Ask") -> None:
    """Prove the planned job for real and print how far the plan was off."""
    import sys

    from proofyard.proofs.planning import check

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    size = next(one.units for one in planned.cuts if one.chosen)
    done = check.measure(fleet, planned.units, size, ask.setting, ask.seed, tell=tell)
    print(
        f"predicted {done.predicted_ms / 1000:.2f} s, measured {done.measured_ms / 1000:.2f} s while other programs"
        f" took {done.others:.0%} of the processors, so {done.alone_ms / 1000:.2f} s without them ({done.error:+.1%});"
        f" with the times the parts really took the schedule takes {done.replayed_ms / 1000:.2f} s."
    )
