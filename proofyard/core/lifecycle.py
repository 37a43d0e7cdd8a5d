"""The life of a job as one table, and `check`, which asks whether an event is legal at this point of it."""

import numpy as np

from proofyard.core.book import ANYONE, MAX_GWEI, Book
from proofyard.core.event import Event, Kind, Phase, Verdict
from proofyard.core.spec import spec

# From which phase, by which kind, to which phases. A rule may use less of this table, never more.
TRANSITIONS: tuple[tuple[Phase, Kind, tuple[Phase, ...]], ...] = (
    (Phase.NONE, Kind.REQUEST, (Phase.BIDDING, Phase.ASSIGNED, Phase.OPEN)),
    (Phase.BIDDING, Kind.BID, (Phase.BIDDING, Phase.ASSIGNED, Phase.LOST)),  # lost: the last one asked says no
    (Phase.BIDDING, Kind.CLOSE, (Phase.BIDDING, Phase.ASSIGNED, Phase.OPEN, Phase.LOST)),
    (Phase.BIDDING, Kind.VOTE, (Phase.BIDDING, Phase.ASSIGNED)),
    (Phase.ASSIGNED, Kind.DECLINE, (Phase.BIDDING, Phase.ASSIGNED, Phase.OPEN, Phase.LOST)),
    (Phase.ASSIGNED, Kind.PROVE, (Phase.PROVEN, Phase.SETTLED)),
    (Phase.ASSIGNED, Kind.EXPIRE, (Phase.BIDDING, Phase.ASSIGNED, Phase.OPEN, Phase.LOST)),
    (Phase.ASSIGNED, Kind.VOTE, (Phase.ASSIGNED,)),
    (Phase.OPEN, Kind.PROVE, (Phase.PROVEN, Phase.SETTLED)),
    (Phase.OPEN, Kind.EXPIRE, (Phase.ASSIGNED, Phase.OPEN, Phase.PROVEN, Phase.SETTLED, Phase.LOST)),
    (Phase.PROVEN, Kind.PROVE, (Phase.PROVEN,)),
    (Phase.PROVEN, Kind.CONTEST, (Phase.CONTESTED,)),
    (Phase.PROVEN, Kind.VOTE, (Phase.ASSIGNED, Phase.PROVEN, Phase.SETTLED)),
    (Phase.PROVEN, Kind.SETTLE, (Phase.ASSIGNED, Phase.PROVEN, Phase.SETTLED, Phase.LOST)),
    (Phase.CONTESTED, Kind.PROVE, (Phase.PROVEN,)),
    (Phase.CONTESTED, Kind.SETTLE, (Phase.PROVEN, Phase.SETTLED, Phase.LOST)),
)
FINAL = (Phase.SETTLED, Phase.LOST)

_LEGAL = np.zeros(len(Kind), np.int64)  # per kind: bit set of the phases it may happen in
for _phase, _kind, _ in TRANSITIONS:
    _LEGAL[_kind] |= 1 << _phase


@spec
def check(b: Book, e: Event) -> Verdict:
    """Is `e` legal at this point of the job's life, and could the actor pay for it? Never changes anything.

    A rule calls it first and answers UNKNOWN to the kinds it has no use for. A proof is in time at the very
    `deadline`; a timer fires only after it, so events at the same instant never depend on their order.
    """
    if e.amount < 0 or e.amount > MAX_GWEI:
        return Verdict.BAD_AMOUNT
    if e.kind == Kind.REQUEST:
        if b.phase[e.job] != Phase.NONE:
            return Verdict.WRONG_PHASE
        return Verdict.OK if e.amount <= b.cash[e.actor] else Verdict.POOR
    if e.kind >= Kind.BID:
        return _check_job(b, e)
    return _check_account(b, e)


@spec
def _check_job(b: Book, e: Event) -> Verdict:
    """Check an event about a job that was asked for."""
    if e.kind > Kind.VOTE:
        return Verdict.UNKNOWN
    phase = b.phase[e.job]
    if (_LEGAL[e.kind] >> phase) & 1 == 0:
        return Verdict.WRONG_PHASE
    over = e.time > b.deadline[e.job]
    if e.kind == Kind.CLOSE or e.kind == Kind.EXPIRE or e.kind == Kind.SETTLE:
        return Verdict.OK if over else Verdict.EARLY
    mine = b.prover[e.job] == e.actor or b.prover[e.job] == ANYONE or e.kind == Kind.VOTE
    if phase == Phase.ASSIGNED and not mine:
        return Verdict.NOT_YOURS
    return Verdict.LATE if over else Verdict.OK


@spec
def _check_account(b: Book, e: Event) -> Verdict:
    """Check an event about an actor's standing: offers, stakes, delegations, transfers."""
    if e.kind == Kind.WITHDRAW:
        return Verdict.OK
    if e.kind < Kind.OFFER:
        return Verdict.UNKNOWN
    if e.amount == 0:
        return Verdict.BAD_AMOUNT
    paying = e.kind == Kind.STAKE or e.kind == Kind.DELEGATE or e.kind == Kind.TRANSFER
    if paying and e.amount > b.cash[e.actor]:
        return Verdict.POOR
    return Verdict.OK


def diagram(transitions: tuple[tuple[Phase, Kind, tuple[Phase, ...]], ...] = TRANSITIONS) -> str:
    """Draw the table as a Mermaid state diagram (text)."""
    lines = ["stateDiagram-v2"]
    for source, kind, targets in transitions:
        start = "[*]" if source == Phase.NONE else source.name
        lines += [f"    {start} --> {target.name}: {kind.name}" for target in targets]
    lines += [f"    {phase.name} --> [*]" for phase in FINAL]
    return "\n".join(lines) + "\n"
