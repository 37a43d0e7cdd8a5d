"""The book: who has which money, and how far each job is. Shared by every mechanism.

All money is one closed system: only `move` changes it, so the sum over every gwei array never changes.
"""

from typing import Annotated, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from proofyard.core.arith import bips_of
from proofyard.core.event import Event, Phase
from proofyard.core.spec import spec

Ints: TypeAlias = NDArray[np.int64]
ByActor: TypeAlias = Annotated[Ints, "actor"]
ByJob: TypeAlias = Annotated[Ints, "job"]
Once: TypeAlias = Annotated[Ints, "once"]
Tree: TypeAlias = Annotated[Ints, "tree"]  # weights of all actors, see sumtree
GweiByActor: TypeAlias = Annotated[Ints, "actor", "gwei"]
GweiByJob: TypeAlias = Annotated[Ints, "job", "gwei"]
GweiOnce: TypeAlias = Annotated[Ints, "once", "gwei"]

ANYONE = -1  # `prover[job]` of a job that nobody in particular must prove
MAX_GWEI = 2**61  # no single amount and no genesis total is larger, so sums stay below 2**63


class Book(NamedTuple):
    """Money first, then the life of each job. One row per actor or per job; `once` arrays have one element."""

    cash: GweiByActor  # free, outside the market
    escrow: GweiByJob  # put aside by the requester
    burnt: GweiOnce
    reserve: GweiOnce  # the protocol's own: what it mints from and what it keeps
    phase: ByJob  # Phase
    requester: ByJob  # actor
    prover: ByJob  # actor who must prove, or who proved; ANYONE
    deadline: ByJob  # ms, when the timer of the present phase may run out
    paid: ByJob  # gwei the prover has been paid so far (a record, not money)
    slashed: ByActor  # gwei taken from the actor so far (a record, not money)


@spec
def move(src: Ints, i: int, dst: Ints, j: int, amount: int) -> None:
    """Move `amount` gwei from `src[i]` to `dst[j]`: the only function that changes money."""
    src[i] -= amount
    dst[j] += amount


@spec
def ask(b: Book, e: Event, amount: int) -> None:
    """Register the request of `e.actor` and put `amount` gwei of its cash into escrow."""
    move(b.cash, e.actor, b.escrow, e.job, amount)
    b.requester[e.job] = e.actor


@spec
def assign(b: Book, job: int, prover: int, deadline: int) -> None:
    """Give `job` to `prover`, who must prove it by `deadline` (ms, inclusive)."""
    b.phase[job] = Phase.ASSIGNED
    b.prover[job] = prover
    b.deadline[job] = deadline


@spec
def open_to_all(b: Book, job: int, deadline: int) -> None:
    """Let anybody prove `job` until `deadline` (ms, inclusive)."""
    b.phase[job] = Phase.OPEN
    b.prover[job] = ANYONE
    b.deadline[job] = deadline


@spec
def open_bidding(b: Book, job: int, deadline: int) -> None:
    """Let `job` wait for a prover; its timer may close the bidding after `deadline` (ms)."""
    b.phase[job] = Phase.BIDDING
    b.prover[job] = ANYONE
    b.deadline[job] = deadline


@spec
def accept_proof(b: Book, job: int, prover: int, deadline: int) -> None:
    """Take the proof of `job` as made by `prover`; its timer may settle it after `deadline` (ms)."""
    b.phase[job] = Phase.PROVEN
    b.prover[job] = prover
    b.deadline[job] = deadline


@spec
def pay(b: Book, job: int, amount: int) -> None:
    """Pay `amount` gwei of the escrow to the prover of `job`."""
    move(b.escrow, job, b.cash, b.prover[job], amount)
    b.paid[job] += amount


@spec
def refund(b: Book, job: int) -> None:
    """Return what is left of the escrow to the requester of `job`."""
    move(b.escrow, job, b.cash, b.requester[job], b.escrow[job])


@spec
def slash(b: Book, actor: int, src: Ints, i: int, dst: Ints, j: int, amount: int) -> None:
    """Take `amount` gwei from `src[i]`, which belonged to `actor`, and move it to `dst[j]`."""
    move(src, i, dst, j, amount)
    b.slashed[actor] += amount


@spec
def forfeit_bond(b: Book, job: int, bond: GweiByJob, bips: int) -> None:
    """Take the `bond` of the prover of `job`: so many `bips` of it to the requester, the rest burns."""
    prover = b.prover[job]
    slash(b, prover, bond, job, b.cash, b.requester[job], bips_of(bond[job], bips))
    slash(b, prover, bond, job, b.burnt, 0, bond[job])


@spec
def settle_job(b: Book, job: int) -> None:
    """Pay all of the escrow to the prover of `job`, which is SETTLED."""
    pay(b, job, b.escrow[job])
    b.phase[job] = Phase.SETTLED


@spec
def lose_job(b: Book, job: int) -> None:
    """Return what is left of the escrow to the requester of `job`, which is LOST."""
    refund(b, job)
    b.phase[job] = Phase.LOST
