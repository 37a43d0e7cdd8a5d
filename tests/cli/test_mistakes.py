"""What a user types wrong, verb by verb: one sentence, exit code 2 (1 where it is no fault of theirs), nothing left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proofyard import cli

MINIMAL = Path(__file__).parents[2] / "scenarios" / "minimal.toml"


def complaint(arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command in the folder of the test; return its exit code and what it complained of, one line."""
    monkeypatch.setattr(sys, "argv", ["proofyard", *arguments.split()])
    with pytest.raises(SystemExit) as left:
        cli.main()
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("proofyard: ")
    assert told.err.count("\n") == 1
    assert isinstance(left.value.code, int)
    return left.value.code, told.err.strip()


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scenario, a misspelt one, one that is no text, an empty file and a folder."""
    text = MINIMAL.read_text(encoding="utf-8")
    (tmp_path / "ok.toml").write_text(text, encoding="utf-8")
    (tmp_path / "misspelt.toml").write_text(text.replace("horizon", "horzion"), encoding="utf-8")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROOFYARD_PASSWORD", raising=False)
    return tmp_path


MISTAKES = (
    ("simulate misspelt.toml", "misspelt.toml: horzion: wanted a known key (nearest: horizon), got horzion."),
    ("simulate binary.toml", "binary.toml: wanted text in UTF-8, got byte 1 of it, which is none."),
    ("simulate ok.toml --set seed=abc", "seed: wanted a valid integer, got 'abc'."),
    ("simulate ok.toml --trace folder", "--trace: wanted a file, got folder, which is a folder."),
    ("simulate ok.toml --trace empty/x", "--trace: wanted a file that can be written, got empty/x."),
    ("simulate ok.toml --trace /", "--trace: wanted a file, got /, which is a folder."),
    ("simulate ok.toml --seeds 1.5", "--seeds: wanted a whole number, got '1.5'."),
    ("simulate ok.toml --seeds two", "--seeds: wanted a whole number, got 'two'."),
    ("sweep ok.toml --over seed=1,2 --workers 1.5", "--workers: wanted a whole number, got '1.5'."),
    ("simulate -", "wanted the name of a file (standard input is /dev/stdin), got -."),
    ("simulate ok.toml --set workload=3", "workload: wanted a table, got 3."),
    ("simulate ok.toml --set seed=1.5", "seed: wanted a valid integer, got 1.5."),
    ("simulate", "SCENARIO: wanted as `proofyard simulate --help` says, got none."),
    ("simulate ok.toml more", "wanted the arguments that `proofyard simulate --help` lists, got 'more' too."),
    ("sweep ok.toml --over mechanism.window_ms=a..b", "--over mechanism.window_ms: wanted numbers at both ends"),
    ("check race --seed -1", "--seed: wanted a whole number from 0"),
    ("new class", "no word of Python, got 'class'."),
    ("new mine --folder empty/x", "--folder: wanted a folder that can be made, got empty/x (Not a directory)."),
    ("plan --fleet 8xl40s --execute-mhz nan", "--execute-mhz: wanted a number above 0"),
    ("plan --fleet 8xl40s --seed -1", "--seed: wanted a whole number from 0"),
    ("plan --job -x", "--job: wanted a value (one that begins with - is written --job=-…), got none."),
    ("audit folder", "journal: wanted a journal, got folder, which is a folder."),
    ("audit ok.toml", "journal: wanted a journal, got ok.toml, which is no SQLite file."),
    ("audit empty", "journal: wanted a journal, got empty, which is no SQLite file."),
    ("replay empty -m race", "journal: wanted a journal, got empty, which is no SQLite file."),
    ("explore empty --no-browser", "source: wanted a trace of `simulate --trace` or a journal, got empty, which is"),
    ("market new.db -m race --grant=-5 --key k.json", "--grant: wanted an amount of tokens such as 2.0"),
    ("prover --config ok.toml", "ok.toml: mechanism: wanted a known key"),
    ("prover --config folder", "--config: wanted a TOML file, got folder, which is a folder."),
    ("request --ceiling nan --key k.json", "--ceiling: wanted an amount of tokens such as 2.0"),
    ("request --most 1e30 --key k.json", "--most: wanted at most 2,305,843,009 tokens, got 1e30."),
    ("verify ok.toml", "proof: wanted a proof as `proofyard prove` writes it, got a file with another content"),
    ("prove --seed=-1", "--seed: wanted a whole number from 0"),
    ("chain income --own nan", "--own: wanted a number that is not negative, got nan."),
    ("chain income --commission 20000", "--commission: wanted bips from 0 to 10,000, got 20000."),
    ("chain deposit --amount nan", "--amount: wanted a number that is not negative, got nan."),
    ("chain cost --profile ok.toml", "ok.toml: mechanism: wanted a known key"),
    ("live ok.toml --for 10s", "workload.every: wanted at least one request within the horizon, got 60000 ms."),
    (
        "live ok.toml --for 10s --set workload.arrivals=poisson",
        "horizon: wanted more than the 30 s after which the first proof is asked for, or a smaller workload.every, got",
    ),
    ("live ok.toml --out empty", "--out: wanted a folder, got the file empty."),
    (
        "live ok.toml --out other",
        "--out: wanted a new folder or one of an earlier run, got other, which holds mine.txt",
    ),
    ("live ok.toml --port 0", "--port: wanted a number from 1"),
    ("trial ok.toml --seeds 0", "--seeds: wanted a whole number from 1 to 100,000, got 0."),
    ("simulate ok.toml --seeds 100001", "--seeds: wanted a whole number from 1 to 100,000, got 100001."),
)


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES, ids=[arguments for arguments, _ in MISTAKES])
def test_a_mistake_leaves_one_sentence_and_nothing_else(
    arguments: str, sentence: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_size for path in desk.rglob("*")}
    code, told = complaint(arguments, monkeypatch, capsys)
    assert code == 2
    assert sentence in told
    assert {path: path.stat().st_size for path in desk.rglob("*")} == before


def test_a_cache_that_cannot_be_is_one_sentence(desk: Path) -> None:
    command = [sys.executable, "-m", "proofyard", "simulate", "ok.toml"]
    told = subprocess.run(
        command, capture_output=True, check=False, text=True, env={**os.environ, "PROOFYARD_CACHE": str(desk / "empty")}
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == (
        "proofyard: PROOFYARD_CACHE: wanted a folder that can be written, for what is made once and kept, "
        f"got {desk / 'empty'} (File exists).\n"
    )


def test_a_database_that_does_not_answer_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("audit", "replay -m race", "explore --no-browser"):
        code, told = complaint(f"{verb} postgresql://nobody@127.0.0.1:1/x", monkeypatch, capsys)
        assert code == 1
        assert "PostgreSQL: connection failed" in told


def test_a_scenario_of_another_editor_is_read(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a byte order mark and Windows' ends of lines."""
    text = MINIMAL.read_text(encoding="utf-8").replace("\n", "\r\n").replace('"fast"', '"größe 字 [red]"')
    (desk / "größe 字.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    monkeypatch.setattr(sys, "argv", ["proofyard", "simulate", "größe 字.toml"])
    cli.main()
    told = capsys.readouterr().out
    assert "größe 字 under race" in told
    assert "One prover, größe 字 [red], made 100\N{NO-BREAK SPACE}%" in told


@pytest.mark.parametrize(
    ("stopped", "options", "told"),
    [
        ("proofyard.lab.runs.write_trace", "--out o --trace t", "interrupted; what is in o is whole."),
        ("proofyard.lab.table.print_result", "--out o --trace t", "interrupted; what is in o and t is whole."),
        ("proofyard.lab.output.write", "--out o --trace t", "interrupted; nothing was written."),
    ],
)
def test_interrupted_late_says_what_is_there(
    stopped: str, options: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stopped, stop)
    assert complaint(f"simulate ok.toml {options}", monkeypatch, capsys) == (130, f"proofyard: {told}")


def test_new_in_a_folder_that_takes_no_files_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    told = complaint("new mine --folder folder", monkeypatch, capsys)
    assert told == (2, "proofyard: --folder: wanted a folder that can be written, got folder (Permission denied).")


def test_a_scenario_that_comes_through_a_pipe_is_read_once_for_all_its_rules() -> None:
    command = [sys.executable, "-m", "proofyard", "compare", "/dev/stdin", "-m", "race", "-m", "first_price", "--json"]
    text = MINIMAL.read_bytes()
    done = subprocess.run(command, input=text, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [each["mechanism"].split("(")[0] for each in json.loads(done.stdout)] == ["race", "first_price"]
