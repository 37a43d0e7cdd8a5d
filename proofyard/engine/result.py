"""What a run leaves behind: columns of plain arrays, one row a job, a prover, a sample or a slash.

Money in gwei, time in ms since genesis, both int64. Nothing here is computed: `proofyard.lab.metrics` does that.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from proofyard.core.book import Ints


class Jobs(NamedTuple):
    """One row per request, in order of arrival. Shape (jobs,)."""

    asked_ms: Ints  # when it was asked for
    size: Ints  # in the unit of the workload, e.g. gas
    requester: Ints  # actor
    prover: Ints  # prover of record, -1 nobody
    phase: Ints  # Phase at the end; 0 = the request was refused
    proven_ms: Ints  # when the proof that counts was accepted, 0 never
    paid_gwei: Ints  # to provers, for this job
    cost_gwei: Ints  # what the work of the prover of record cost it
    cheapest_gwei: Ints  # expected cost at the cheapest prover able to make the deadline when idle, -1 nobody
    turns: Ints  # how often the job was given to somebody
    late: Ints  # 1: proven after the deadline it was first given


ON_PURPOSE = 2  # of `Claims.wrong`


class Claims(NamedTuple):
    """What was claimed and contested. One row per request, shape (jobs,)."""

    wrong: Ints  # the claim that stood last: 0 the true transition, 1 a wrong one by mistake, 2 on purpose
    claimant: Ints  # prover that made that claim where it is wrong, -1 nobody
    won_gwei: Ints  # what that prover wins outside the market, if the job is settled and it was on purpose
    contests: Ints  # how often what stood was contested
    overturned: Ints  # of these, with success
    failed: Ints  # of these, decided by nobody
    held_ms: Ints  # from contests to their decisions


class Provers(NamedTuple):
    """One row per prover. Shape (provers,)."""

    group: Ints  # index of its [[provers]] table
    capacity: Ints  # proofs at once, true
    wins: Ints  # jobs settled as prover of record
    missed: Ints  # assigned jobs not proven in time
    income_gwei: Ints  # paid to it for proofs (fees, rewards), before slashes and costs
    cost_gwei: Ints  # hardware and energy
    slashed_gwei: Ints  # own money taken by the rule
    stake_gwei: Ints  # its own stake at the end
    stake_start_gwei: Ints  # its own stake at the start
    busy_ms: Ints  # work, summed over its slots
    wasted_ms: Ints  # of this, not paid
    online_ms: Ints  # when it could work, to the end of the run
    active: Ints  # 1: in the market at the end (not broke, not gone for lack of profit)
    pool_gwei: Ints  # delegated to it, with what is on its way out, mean over the run (0 without delegation)
    pool_end_gwei: Ints  # delegated to it at the end
    pool_gain_gwei: Ints  # credited to those who delegate to it
    pool_slashed_gwei: Ints  # taken from those who delegate to it
    invested_gwei: Ints  # of the cost: hardware bought, less what its sale brought back
    elsewhere_gwei: Ints  # earned elsewhere, in no other figure
    gain_gwei: Ints  # what it owns at the end less what it owned at the start: fees, bids, rewards, slashes, all


class Samples(NamedTuple):
    """The market at regular moments. Shape (samples,), or (samples, tracked) for the last three."""

    time_ms: Ints
    locked_gwei: Ints  # all money that is neither cash, escrow, burnt nor the protocol's
    tracked: Ints  # shape (tracked,): which provers the next columns follow, at most 64
    stake_gwei: Ints  # own stake
    pool_gwei: Ints  # delegated stake
    wins: Ints  # proofs accepted so far that settled
    seat: Ints  # seat held at that moment, 0 none (all zero for rules without seats)


class Slashes(NamedTuple):
    """The first slashes of the run (at most 100,000), in order. Shape (slashes,)."""

    time_ms: Ints
    prover: Ints
    gwei: Ints  # own and delegated money together


@dataclass(frozen=True)
class Run:
    """One seed of one scenario under one rule."""

    scenario: str
    mechanism: str  # as the user writes it
    seed: int
    horizon_ms: int
    end_ms: int  # when the last job became final
    supply_gwei: int  # of the token
    names: tuple[str, ...]  # of the provers
    groups: tuple[str, ...]  # of the [[provers]] tables
    jobs: Jobs
    provers: Provers
    samples: Samples
    slashes: Slashes
    slashes_total: int  # also those the log had no room for
    burnt_gwei: int
    seat_churn: int  # seat changes, 0 for rules without seats
    verdicts: dict[tuple[str, str], int]  # how often which kind met which verdict
    money_difference_gwei: int  # money at the end less money at genesis: always 0
    events: int  # events the engine handled
    requesters_gain_gwei: int = 0  # what the rollup owns at the end less what it owned at the start: minus what it paid
    coalitions: tuple[str, ...] = ()  # of each prover, of the rollup, of each of `others`: "" itself
    backing_gain_gwei: int = 0  # what provers gained by delegating to others: part of their own gain, and of the pools'
    others: tuple[str, ...] = ()  # names of those who ask beside the rollup
    others_from: int = 0  # their first actor
    others_gain_gwei: tuple[int, ...] = ()  # what each of them owns at the end less what it owned at the start
    desk_gain_gwei: int | None = None  # of the desk that buys claims of delegators, where there is one
    insurer_gain_gwei: int | None = None  # of the fund that makes their slashes good, where there is one
    claims: Claims | None = None  # where a claim may be wrong or is looked at
    trace: Ints | None = field(default=None, repr=False)  # accepted events, shape (n, 7), when asked for
