"""The command `proofyard`: one file a verb; each is a few lines that read the input, call the library and print.

Exit codes: 0 done, 1 the run failed, 2 bad input. A verb is imported when it is called, and what it needs is imported
inside it, so that `--help` is quick.
"""

import gc
import os
import sys
from typing import TYPE_CHECKING

gc.set_threshold(100_000)  # before the imports: a tenth of the time to the first line goes into looking for garbage

from cyclopts import App  # noqa: E402

from proofyard import __version__  # noqa: E402

if TYPE_CHECKING:
    from cyclopts import CycloptsError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

app = App(
    name="proofyard",
    help="Design, attack and run markets for zero-knowledge proofs.",
    # For the help of a verb: joins the lines of a paragraph, whatever the width; [[variants]] is no markup of it. Its
    # parser takes a quarter of the time of `proofyard --help`, whose lines need none.
    help_format="markdown" if sys.argv[1:2] and not sys.argv[1].startswith("-") else "plaintext",
    version=__version__,
    version_flags=["--version"],
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)

# Verb, where it lives, and its line in `--help` (the first line of its docstring; a test holds them together).
VERBS = (
    ("simulate", "simulate:simulate", "Run a scenario and print the result table."),
    ("compare", "compare:compare", "Run one world under several rules on common seeds; one table, one page."),
    (
        "prove",
        "prove:prove",
        "Prove batches of a payments rollup side by side, join them into one proof and verify it.",
    ),
    ("verify", "verify:verify", "Verify a proof that `prove` wrote; say why one is refused."),
    ("chain", "chain:chain", "Costs on chain, chains by name, a market's contracts: deploy, deposit, withdraw, watch."),
    ("sweep", "sweep:sweep", "Run a scenario over values or ranges of parameters; a table, a page, Parquet."),
    (
        "bench",
        "bench:bench",
        "Measure this machine's proving speed; write the capacity profile that provers, plans and scenarios read.",
    ),
    (
        "plan",
        "plan:plan",
        "Plan the proving of one job: how to cut it, on which cards, how long it takes and what it costs.",
    ),
    ("explore", "explore:explore", "Open a trace or a journal in the browser, at any moment of its life."),
    (
        "live",
        "live:live",
        "Run a scenario as a live market on this machine: messages, processes and contracts, real proofs if wanted.",
    ),
    ("trial", "trial:trial", "Simulate a scenario, run it live, and say how far apart they were."),
    ("replay", "replay:replay", "Replay a journal under another rule: who would have won, been paid, been slashed."),
    ("audit", "audit:audit", "Recompute a journal from its first row; name the first row that does not hold."),
    ("market", "market:market", "Run a market's coordinator: the one writer of a journal, behind an HTTP API."),
    (
        "prover",
        "prover:prover",
        "Run a prover node: it takes what it can finish, proves it, says why it skips the rest.",
    ),
    ("request", "request:request", "Ask for proofs of batches of the sample rollup, and watch them to the end."),
    (
        "attack",
        "attack:attack",
        "Search for deviations that pay: what they earn, who pays, and a file that replays each.",
    ),
    ("check", "check:check", "Run the conformance suite on a rule: a file of your own, or a name from the catalogue."),
    (
        "mechanisms",
        "mechanisms:list_mechanisms",
        "List the catalogue, or show one rule: its source, parameters and life cycle.",
    ),
    ("new", "new:new", "Write a rule of your own to start from: the rule, a scenario for it and a test."),
)

LIVE = frozenset(("live", "trial", "replay", "audit", "market", "prover", "request", "explore"))  # take the extra live

for _verb, _place, _line in VERBS:  # a verb that is called shows its whole docstring, not the line
    _help = {} if _verb in sys.argv[1:2] else {"help": _line}
    app.command(f"proofyard.cli.{_place}", name=_verb, **_help)


def main() -> None:
    """Run the command line; every expected failure is one sentence and an exit code."""
    from cyclopts import CycloptsError

    try:
        app(sys.argv[1:], print_error=False, exit_on_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        _fail(_said(error), BAD_INPUT)
    except KeyboardInterrupt as stop:
        _fail(f"{stop}" or "interrupted; nothing was written.", INTERRUPTED)
    except Exception as error:
        from proofyard.core.errors import BadInput, MarketError

        if isinstance(error, BrokenPipeError) and _is_cut_off():
            raise SystemExit(FAILED) from None
        if isinstance(error, BadInput):
            _fail(str(error), BAD_INPUT)
        if isinstance(error, MarketError):
            _fail(str(error), FAILED)
        if isinstance(error, ModuleNotFoundError) and (sentence := _missing(error)):
            _fail(sentence, FAILED)
        if isinstance(error, OSError):
            _fail(f"{error.filename}: {error.strerror}." if error.filename else str(error), FAILED)
        raise


def _said(error: "CycloptsError") -> str:
    """Say in our words what is wrong with a command line."""
    from cyclopts import MissingArgumentError, UnusedCliTokensError

    if "-" in sys.argv[2:]:
        return "wanted the name of a file (standard input is /dev/stdin), got -."
    help_of = f"`proofyard {sys.argv[1]} --help`"
    if isinstance(error, UnusedCliTokensError):
        return f"wanted the arguments that {help_of} lists, got {' '.join(error.unused_tokens or ())!r} too."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        if error.keyword is None:
            return f"{error.argument.name.removeprefix('--').upper()}: wanted as {help_of} says, got none."
        return f"{error.keyword}: wanted a value (one that begins with - is written {error.keyword}=-…), got none."
    return f"{error}".strip().splitlines()[-1]


def _missing(error: ModuleNotFoundError) -> str:
    """Say which extra brings a package that is not installed; nothing if none does."""
    from importlib.metadata import requires

    name = (error.name or "").split(".")[0]
    found: list[str] = []
    for line in requires("proofyard") or ():
        package, _, extra = line.partition("; extra == ")
        if extra and package.lower().replace("-", "_").startswith(name.lower()):
            found.append(extra.strip("'\""))
    if not found:
        return ""
    extra = "live" if "live" in found and sys.argv[1] in LIVE else found[0]
    return f"wanted the Python package {name}, it is not installed: pip install 'proofyard[{extra}]'."


def _is_cut_off() -> bool:
    """Say whether whoever read the output has left, as in `| head`; what is left of it is then dropped."""
    import select

    pipe = select.poll()
    pipe.register(sys.stdout.fileno(), 0)
    if not any(event & select.POLLERR for _, event in pipe.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _fail(sentence: str, code: int) -> None:
    """Print one sentence and leave."""
    print(f"proofyard: {sentence}", file=sys.stderr)
    raise SystemExit(code)
