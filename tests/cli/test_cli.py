"""The command as a user meets it: files, tables, exit codes, one sentence for every mistake."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from proofyard.cli import VERBS

ROOT = Path(__file__).parents[2]
MINIMAL = ROOT / "scenarios" / "minimal.toml"
AT_WORK = 3  # s of CPU after which a command has long begun


def proofyard(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proofyard", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        check=False,
    )


@pytest.mark.parametrize("line", ["mechanisms show race", "mechanisms --json", f"simulate {MINIMAL}"])
def test_a_reader_that_leaves_ends_the_command_without_a_word(line: str) -> None:
    """As in `| head`: nobody reads the output from the start."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "proofyard", *line.split()],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert b"proofyard:" not in done.stderr
    assert b"Traceback" not in done.stderr


def leaves(tree: object, prefix: str = "") -> set[str]:
    """Name every key of nested dictionaries, one level of lists included."""
    if isinstance(tree, list):
        tree = tree[0] if tree else {}
    if not isinstance(tree, dict):
        return {prefix}
    return {prefix} | {name for key, value in tree.items() for name in leaves(value, f"{prefix}.{key}".lstrip("."))}


NAMES = (  # noqa: SIM905 - a list would be a line a name
    "mechanism scenario seeds proofs.requested proofs.settled proofs.late proofs.refused proofs.lost "
    "proofs.reassigned time_to_proof_ms.p50 time_to_proof_ms.p90 time_to_proof_ms.p99 price_gwei.mean "
    "cost_gwei.mean overpayment_bips wasted_work_share concentration.hhi concentration.gini "
    "concentration.nakamoto concentration.top1_share concentration.top3_share stake.slashed_gwei stake.burnt_gwei "
    "stake.locked_mean_gwei stake.locked_peak_gwei stake.utilisation stake.seat_churn provers.name provers.wins "
    "provers.share provers.income_gwei provers.cost_gwei provers.profit_gwei provers.missed provers.slashed_gwei "
    "provers.stake_gwei delegators.apr_gross delegators.apr_net money_difference_gwei"
).split()


def test_simulate_prints_a_table_and_writes_all_its_files(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = proofyard("simulate", MINIMAL, "--out", out, "--trace", tmp_path / "run.trace")
    assert done.returncode == 0, done.stderr
    assert "minimal under race(window_ms=600000), seed 7" in done.stdout
    assert f"report: {out / 'report.html'}" in done.stdout
    assert {path.name for path in out.iterdir()} == {"summary.json", "provers.parquet", "jobs.parquet", "report.html"}
    summary = json.loads((out / "summary.json").read_text())
    assert summary["proofs"]["settled"] == 10
    assert summary["money_difference_gwei"] == 0
    head, *events = (tmp_path / "run.trace").read_text().splitlines()
    assert json.loads(head)["mechanism"] == "race(window_ms=600000)"
    assert len(events) == 20  # ten requests, ten proofs
    again = proofyard("simulate", MINIMAL, "--out", out)
    assert again.returncode == 0  # its own folder is replaced


def test_what_is_compiled_already_runs_without_loading_the_compiler() -> None:
    """Numba takes as long to load as all the rest of a short command."""
    proofyard("simulate", MINIMAL)
    script = f"""import sys
from proofyard.cli import main
sys.argv = ["proofyard", "simulate", {str(MINIMAL)!r}, "--json"]
try:
    main()
finally:
    print("numba" in sys.modules, file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout)["proofs"]["settled"] == 10
    assert done.stderr.split() == ["False"]


def test_json_has_every_name_scripts_rely_on() -> None:
    done = proofyard("simulate", MINIMAL, "--json", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert set(NAMES) <= leaves(summary)
    assert summary["seeds"] == [7, 8]


def test_settings_and_another_rule_go_over_the_scenario() -> None:
    done = proofyard("simulate", MINIMAL, "--json", "-m", "proo_phi(round_ms=30_000)", "--set", "workload.requests=5")
    summary = json.loads(done.stdout)
    assert summary["mechanism"].startswith("proo_phi(")
    assert summary["proofs"]["requested"] == 5


def test_compare_takes_rules_or_the_variants_of_the_scenario(tmp_path: Path) -> None:
    rules = proofyard("compare", MINIMAL, "-m", "race", "-m", "race(cooldown_ms=5000)", "--json")
    assert [s["mechanism"] for s in json.loads(rules.stdout)][1] == "race(cooldown_ms=5000, window_ms=600000)"
    out = tmp_path / "compared"
    own = proofyard("compare", ROOT / "scenarios" / "three-operators.toml", "--set", "horizon=3d", "--out", out)
    assert own.returncode == 0, own.stderr
    assert "as it is" in own.stdout
    assert "forced" in own.stdout
    assert {path.name for path in out.iterdir()} == {"summary.json", "report.html", "runs.parquet"}
    none = proofyard("compare", MINIMAL)
    assert none.returncode == 2
    assert "wanted rules to compare (-m RULE, several times) or [[variants]]" in none.stderr


FLOATING = """class Params(NamedTuple):
    a: int = 1
class State(NamedTuple):
    book: Book
    mean: float
def apply(p, s, e): ...
"""
BAD_RULE = "from typing import NamedTuple\nfrom proofyard.core import Book\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["simulate", "nowhere.toml"], "scenario: wanted a TOML file, got nowhere.toml, which does not exist."),
        (["simulate", "scenarios"], "scenario: wanted a TOML file, got scenarios, which is a folder."),
        (["simulate", "MINIMAL", "-m", "rase"], "mechanism: wanted a mechanism (did you mean race?), got rase."),
        (["simulate", "MINIMAL", "--set", "workload.everi=1s"], "(nearest: every), got everi."),
        (["simulate", "MINIMAL", "--set", "every"], "--set: wanted key=value, e.g. workload.every=6s, got 'every'."),
        (
            ["simulate", "MINIMAL", "--set", "provers[0].stake=-1"],
            "provers[0].stake: wanted an amount of tokens such as 2.0",
        ),
        (["simulate", "MINIMAL", "--set", "workload.deadline=1ms"], "workload.deadline: wanted at least"),
        (["simulate", "MINIMAL", "--seeds", "0"], "--seeds: wanted a whole number from 1 to 100,000, got 0."),
        (["simulate", "MINIMAL", "--out", "tests"], "--out: wanted a new folder or one of an earlier run"),
        (["simulate"], "SCENARIO: wanted as `proofyard simulate --help` says, got none."),
        (["simulate", "MINIMAL", "--sed", "1"], "--sed"),
        (["simulat"], 'Did you mean "simulate"?'),
        (["mechanisms", "show"], "mechanisms show: wanted the name of a rule, got none."),
        (["check", "nowhere.py"], "PATH: wanted a rule file, got nowhere.py, which does not exist."),
        (["new", "race"], "race"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    done = proofyard(*(str(MINIMAL) if word == "MINIMAL" else word for word in arguments))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.startswith("proofyard: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("class Params(NamedTuple\n", "line 3: wanted valid Python"),
        (FLOATING, "State.mean: wanted an int64 array with a size"),
    ],
)
def test_a_broken_rule_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(BAD_RULE + text, encoding="utf-8")
    for verb in (["simulate", MINIMAL, "-m", path], ["check", path]):
        done = proofyard(*verb)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_interrupted_runs_leave_nothing(tmp_path: Path) -> None:
    out = tmp_path / "long"
    command = [sys.executable, "-m", "proofyard", "simulate", str(ROOT / "scenarios" / "three-operators.toml")]
    command += ["--set", "horizon=36500d", "--set", "market.epoch=1h", "--set", "workload.every=1d", "--out", str(out)]
    run = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while psutil.Process(run.pid).cpu_times().user < AT_WORK:
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, complaint = run.communicate(timeout=60)
    assert run.returncode == 130
    last = complaint.splitlines()[-1]  # the engine may be compiled first
    assert last == "proofyard: interrupted; nothing was written."
    assert "Traceback" not in complaint
    assert list(tmp_path.iterdir()) == []


def test_the_catalogue_is_listed_and_shown() -> None:
    listed = proofyard("mechanisms")
    for name in ("race", "staked_pool", "bonded", "proo_phi"):
        assert name in listed.stdout
    shown = proofyard("mechanisms", "show", "staked_pool")
    assert "slash_points" in shown.stdout
    assert "42bbc5f98f" in shown.stdout


def test_a_new_rule_conforms_and_runs(tmp_path: Path) -> None:
    made = proofyard("new", "my_rule", "--folder", tmp_path)
    assert made.returncode == 0, made.stderr
    checked = proofyard("check", tmp_path / "my_rule.py", "--quick")
    assert checked.returncode == 0, checked.stdout
    ran = proofyard("simulate", tmp_path / "my_rule.toml", "--json", cwd=tmp_path)
    assert json.loads(ran.stdout)["money_difference_gwei"] == 0


def test_a_rule_that_leaks_fails_the_check_with_exit_code_1(tmp_path: Path) -> None:
    proofyard("new", "leaky", "--folder", tmp_path)
    path = tmp_path / "leaky.py"
    source = path.read_text(encoding="utf-8")
    assert "refund(" in source
    path.write_text("\n".join(line for line in source.splitlines() if line.strip()[:7] != "refund("), encoding="utf-8")
    done = proofyard("check", path, "--quick")
    assert done.returncode == 1
    assert "FAIL" in done.stdout.upper()


def test_help_names_every_verb_with_an_example() -> None:
    shown = proofyard("--help").stdout
    for verb, _, line in VERBS:
        assert verb in shown
        page = proofyard(verb, "--help").stdout
        assert "Example: proofyard" in page
        assert line.split()[0] in shown


def test_the_line_of_a_verb_in_help_is_the_first_of_its_docstring() -> None:
    for _, place, line in VERBS:
        module, name = place.split(":")
        verb = getattr(importlib.import_module(f"proofyard.cli.{module}"), name)
        assert (verb.__doc__ or "").splitlines()[0] == line
