"""Write a rule to start from: the rule, a scenario that uses it, and a test, all of which run as they are."""

import keyword
import re
from pathlib import Path

from proofyard import mechanisms
from proofyard.core import BadInput

RULE = '''\
"""NAME: a job goes by lot to one prover with stake, and who misses its window loses a bond.

Rules       The price is the request's amount. A prover has one lot for every bond it could still post. A proof in the
            window is paid at once. A missed job is refunded; its bond goes to the requester in part, the rest burns.
Units       money gwei, time ms, rates bips (1/10,000). Integers throughout: no floats, no clock, no dice.
Randomness  `e.word` of a REQUEST, drawn by the caller and recorded in the event.
"""

from typing import NamedTuple

from proofyard.core import BIPS, Book, Event, GweiByActor, GweiByJob, Ints, Kind, Phase, Verdict
from proofyard.core import ask, assign, bips_of, check, move, pay, refund, slash, spec, ticket_of


class Params(NamedTuple):
    window_ms: int = 600_000  # ms from assignment to deadline
    bond_gwei: int = 1_000_000_000  # gwei locked per job, 1 token
    refund_rate: int = 5_000  # bips of a lost bond paid to the requester; the rest burns


class State(NamedTuple):
    book: Book
    stake: GweiByActor  # free to be bonded
    bond: GweiByJob  # at risk


def validate(p: Params) -> tuple[str, str] | None:
    """Name the first parameter that makes no sense, and what was wanted."""
    for name, low, high in (("window_ms", 1, 2**40), ("bond_gwei", 1, 10**18), ("refund_rate", 0, BIPS)):
        if not low <= getattr(p, name) <= high:
            return name, f"a number from {low} to {high}"
    return None


@spec
def draw(stake: Ints, bond: int, word: int) -> int:
    """Find the holder of the lot that `word` names, -1 if there is none."""
    total = 0
    for actor in range(len(stake)):
        total += stake[actor] // bond
    ticket = ticket_of(word, total)
    for actor in range(len(stake)):
        ticket -= stake[actor] // bond
        if ticket < 0:
            return actor
    return -1


@spec
def apply(p: Params, s: State, e: Event) -> Verdict:
    """One event in, one verdict out. Any verdict but OK leaves `s` untouched."""
    b = s.book
    verdict = check(b, e)  # legal at this point of the job's life, and can the actor pay?
    if verdict != Verdict.OK:
        return verdict
    if e.kind == Kind.STAKE:
        move(b.cash, e.actor, s.stake, e.actor, e.amount)
    elif e.kind == Kind.UNSTAKE:
        if e.amount > s.stake[e.actor]:
            return Verdict.POOR
        move(s.stake, e.actor, b.cash, e.actor, e.amount)
    elif e.kind == Kind.REQUEST:
        prover = draw(s.stake, p.bond_gwei, e.word)
        if prover < 0:
            return Verdict.NO_PROVER
        ask(b, e, e.amount)
        assign(b, e.job, prover, e.time + p.window_ms)
        move(s.stake, prover, s.bond, e.job, p.bond_gwei)
    elif e.kind == Kind.PROVE:  # the proof itself was verified before the event was made
        pay(b, e.job, b.escrow[e.job])
        move(s.bond, e.job, s.stake, e.actor, s.bond[e.job])
        b.phase[e.job] = Phase.SETTLED
    elif e.kind == Kind.EXPIRE:
        late = b.prover[e.job]
        refund(b, e.job)
        slash(b, late, s.bond, e.job, b.cash, b.requester[e.job], bips_of(s.bond[e.job], p.refund_rate))
        slash(b, late, s.bond, e.job, b.burnt, 0, s.bond[e.job])
        b.phase[e.job] = Phase.LOST
    else:
        return Verdict.UNKNOWN
    return Verdict.OK
'''

SCENARIO = """\
# A day of Ethereum blocks under NAME.py: two provers have most of the stake, two are too slow.
claim = "the lot does not ask who can prove in time: much stake is given too much work, slow provers lose all they have"
mechanism = "NAME.py(window_ms = 60_000)"
horizon = "1d"
seed = 7

[workload]
every = "1m"
size = "ethereum_block"
max_fee = "0.1"

[[provers]]
name = "fast"
count = 4
hardware = "8x5090/zisk-0.16"
stake = "20"

[[provers]]
name = "rich"
count = 2
hardware = "8x5090/zisk-0.14"
stake = "100"

[[provers]]
name = "slow"
count = 2
hardware = "8x5090/risc0-3.0"
stake = "20"
"""

TEST = '''\
"""NAME: what every rule must hold, and what this one promises."""

from pathlib import Path

from proofyard import conformance, mechanisms
from proofyard.core import Event, Kind, Verdict, shape

RULE = mechanisms.rule(str(Path(__file__).with_name("NAME.py")))
TOKEN = 10**9
PROVER, REQUESTER = 0, 1


def test_keeps_the_rules_of_all_rules() -> None:
    report = conformance.run(RULE, quick=True)
    assert report.ok, report.text()


def test_late_prover_loses_its_bond_half_of_it_to_the_requester() -> None:
    state = RULE.genesis(actors=2, jobs=1)
    state.book.cash[:] = 10 * TOKEN
    money = shape.total_gwei(state)
    deadline = RULE.params.window_ms

    def happens(kind: Kind, time: int, actor: int, amount: int = 0) -> Verdict:
        return RULE.apply(state, Event(kind, time, actor, job=0, amount=amount, detail=0, word=0))

    assert happens(Kind.REQUEST, 0, REQUESTER, 2 * TOKEN) == Verdict.NO_PROVER  # nobody has staked
    assert happens(Kind.STAKE, 0, PROVER, 5 * TOKEN) == Verdict.OK
    assert happens(Kind.REQUEST, 0, REQUESTER, 2 * TOKEN) == Verdict.OK
    assert happens(Kind.EXPIRE, deadline, PROVER) == Verdict.EARLY  # a proof would still be in time
    assert happens(Kind.EXPIRE, deadline + 1, PROVER) == Verdict.OK
    assert state.stake[PROVER] == 4 * TOKEN
    assert state.book.cash[REQUESTER] == 10 * TOKEN + TOKEN // 2
    assert state.book.burnt[0] == TOKEN // 2
    assert shape.total_gwei(state) == money
'''

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def files(name: str) -> dict[str, str]:
    """Build the three files, by their names. Raises BadInput for a name no rule can have."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise BadInput(
            "NAME", "lower-case letters, digits and _, beginning with a letter, no word of Python", repr(name)
        )
    if name in mechanisms.NAMES:
        raise BadInput("NAME", "a name that is not in the catalogue", name)
    templates = {f"{name}.py": RULE, f"{name}.toml": SCENARIO, f"test_{name}.py": TEST}
    return {file: text.replace("NAME", name) for file, text in templates.items()}


def write(name: str, folder: Path = Path()) -> list[Path]:
    """Write the three files into `folder`, which is made if need be; nothing is overwritten. Raises BadInput."""
    texts = {folder / file: text for file, text in files(name).items()}
    if folder.exists() and not folder.is_dir():
        raise BadInput("--folder", "a folder", folder)
    taken = [path for path in texts if path.exists()]
    if taken:
        raise BadInput("NAME", "a name whose files do not exist yet", taken[0])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput("--folder", "a folder that can be made", f"{folder} ({error.strerror})") from None
    try:
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise BadInput("--folder", "a folder that can be written", f"{folder} ({error.strerror})") from None
    return list(texts)
