"""What held after some row: jobs with their times, provers with their accounts. Amounts in the smallest unit.

The same definitions as `proofyard.lab.metrics`, so that a live market and a simulated one may be compared; a test holds
the two together.
"""

from functools import cached_property
from typing import Any

import numpy as np

from proofyard.core import shape
from proofyard.core.book import Ints
from proofyard.core.event import Kind, Phase
from proofyard.explorer.replay import Replay
from proofyard.explorer.tape import TOUCH
from proofyard.lab import metrics

ROW, JOB, KIND, BEFORE, AFTER, PROVER_BEFORE, PROVER, DEADLINE, PAID = range(len(TOUCH))
PROVING = (Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.BID, Kind.PROVE, Kind.DECLINE)  # what only provers do
FINAL = Phase.SETTLED


class View:
    """A history up to and without row `rows`."""

    def __init__(self, replay: Replay, rows: int | None = None) -> None:
        with replay.lock:
            self.replay = replay
            self.rows = len(replay) if rows is None else max(0, min(rows, len(replay)))
            self.events, self.touches, self.slashes = replay.before_hand(self.rows)
            state = replay.state(self.rows)
            self.state: Any = shape.copy(state) if self.rows == len(replay) else state  # the newest goes on changing
        self.book = self.state.book
        self.names = replay.source.names
        self.rule = replay.source.rule

    @cached_property
    def now(self) -> int:
        """Time of the last row, ms since genesis."""
        return int(self.events[-1, 1]) if self.rows else 0

    @cached_property
    def count(self) -> int:
        """How many jobs were asked for, or the highest number among them."""
        asked = self.events[self.events[:, 0] == Kind.REQUEST, 3]
        return int(asked.max(initial=-1)) + 1

    def _times(self, mask: Any) -> Ints:
        """Time of the last touch of each job for which `mask` holds, -1 never."""
        found = np.full(self.count, -1)
        rows = self.touches[mask]
        found[rows[:, JOB]] = self.events[rows[:, ROW], 1]
        return found

    @cached_property
    def _given(self) -> Any:
        """Touches that gave a job to a prover."""
        t = self.touches
        anew = (t[:, BEFORE] != Phase.ASSIGNED) | (t[:, PROVER] != t[:, PROVER_BEFORE])
        again = (t[:, KIND] == Kind.EXPIRE) | (t[:, KIND] == Kind.DECLINE)
        return (t[:, AFTER] == Phase.ASSIGNED) & (t[:, PROVER] >= 0) & (anew | again)

    @cached_property
    def requests(self) -> Ints:
        """Row of each job's request, -1 for a number that was never used."""
        found = np.full(self.count, -1)
        rows = np.flatnonzero(self.events[:, 0] == Kind.REQUEST)
        found[self.events[rows, 3]] = rows
        return found

    @cached_property
    def asked_ms(self) -> Ints:
        """When each job was asked for."""
        return np.where(self.requests >= 0, self.events[self.requests, 1], -1) if self.rows else self.requests

    @cached_property
    def assigned_ms(self) -> Ints:
        """When each job was given to somebody last, -1 never."""
        return self._times(self._given)

    @cached_property
    def begun_ms(self) -> Ints:
        """When each job was given to somebody last, or after that to all; -1 never."""
        opened = (self.touches[:, BEFORE] != Phase.OPEN) & (self.touches[:, AFTER] == Phase.OPEN)
        return self._times(self._given | opened)

    @cached_property
    def turns(self) -> Ints:
        """How often each job was given to somebody, or after that to all."""
        t = self.touches
        opened = (t[:, BEFORE] == Phase.ASSIGNED) & (t[:, AFTER] == Phase.OPEN)
        return np.bincount(t[self._given | opened, JOB], minlength=self.count)

    @cached_property
    def bids(self) -> Ints:
        """How many bids each job got."""
        return np.bincount(self.events[self.events[:, 0] == Kind.BID, 3], minlength=self.count)

    @cached_property
    def proven_ms(self) -> Ints:
        """When the proof that counts came, -1 never."""
        t = self.touches
        first = getattr(self.rule.module, "EVERY_PROOF", False)
        return self._times((t[:, KIND] == Kind.PROVE) & ((t[:, BEFORE] != Phase.PROVEN) if first else True))

    @cached_property
    def final_ms(self) -> Ints:
        """When each job became final, -1 not yet."""
        t = self.touches
        return self._times((t[:, AFTER] >= FINAL) & (t[:, BEFORE] < FINAL))

    @cached_property
    def first_deadline(self) -> Ints:
        """Until when the first prover of each job had time, -1 if it was never given to anybody."""
        rows = self.touches[self._given]
        found = np.full(self.count, -1)
        found[rows[::-1, JOB]] = rows[::-1, DEADLINE]
        return found

    @cached_property
    def phase(self) -> Ints:
        """Phase of each job."""
        return self.book.phase[: self.count]

    @cached_property
    def prover(self) -> Ints:
        """Who holds or has proven each job, -1 nobody or anybody."""
        return np.where(self.phase >= Phase.ASSIGNED, self.book.prover[: self.count], -1)

    @cached_property
    def late(self) -> Any:
        """Which jobs were proven after the deadline they were first given."""
        return (self.proven_ms > self.first_deadline) & (self.first_deadline >= 0) & (self.proven_ms >= 0)

    @cached_property
    def took_ms(self) -> Ints:
        """Time to proof of each job that has a proof that counts, else -1."""
        return np.where((self.proven_ms >= 0) & (self.phase != Phase.LOST), self.proven_ms - self.asked_ms, -1)

    @cached_property
    def settled(self) -> Any:
        """Which jobs are final and proven."""
        return self.phase == Phase.SETTLED

    @cached_property
    def paid(self) -> Ints:
        """What was paid for each job, with what went to those who delegate."""
        pool: Ints | None = getattr(self.state, "pool_paid", None)
        own = self.book.paid[: self.count]
        return own if pool is None else own + pool[: self.count]

    @cached_property
    def provers(self) -> Ints:
        """Which actors prove, in order of their numbers."""
        source = self.replay.source
        if source.scenario is not None and not source.growing:
            return np.arange(source.watched)
        doing = np.isin(self.events[:, 0], PROVING)
        held = self.touches[self.touches[:, AFTER] == Phase.ASSIGNED, PROVER]
        found = np.unique(np.concatenate([self.events[doing, 2], held]))
        return found[(found >= 0) & (found < len(self.names))]

    def _per_actor(self, actors: Ints, weights: Ints | None = None) -> Ints:
        """Count, or sum up exactly, by actor."""
        found = np.zeros(len(self.book.cash), np.int64)
        np.add.at(found, actors, 1 if weights is None else weights)
        return found

    @cached_property
    def wins(self) -> Ints:
        """Settled proofs of each actor."""
        who = self.prover[self.settled]
        return self._per_actor(who[who >= 0])

    @cached_property
    def missed(self) -> Ints:
        """How often each actor let a job expire."""
        t = self.touches
        rows = t[(t[:, KIND] == Kind.EXPIRE) & (t[:, BEFORE] == Phase.ASSIGNED) & (t[:, PROVER_BEFORE] >= 0)]
        return self._per_actor(rows[:, PROVER_BEFORE])

    @cached_property
    def income(self) -> Ints:
        """What each actor was paid for proofs."""
        earned: Ints | None = getattr(self.state, "earned", None)
        if earned is not None:
            return earned
        now, holder = self.book.paid, self.book.prover
        known = (now != 0) & (holder >= 0)
        t = self.touches
        other = t[(t[:, PAID] != 0) & (t[:, PROVER] >= 0) & (t[:, PROVER] != holder[t[:, JOB]])]  # paid, then replaced
        moved = other[holder[other[:, JOB]] >= 0]
        total = self._per_actor(holder[known], now[known]) + self._per_actor(other[:, PROVER], other[:, PAID])
        return total - self._per_actor(holder[moved[:, JOB]], moved[:, PAID])

    @cached_property
    def open_jobs(self) -> Ints:
        """Jobs that each actor must prove now."""
        who = self.prover[self.phase == Phase.ASSIGNED]
        return self._per_actor(who[who >= 0])

    @cached_property
    def slashed(self) -> Ints:
        """What was taken from each actor and from those who delegate to it."""
        return self._per_actor(self.slashes[:, 1], self.slashes[:, 2])

    def column(self, name: str) -> Ints | None:
        """Return a column of the rule's state about actors, if it has it."""
        found: Ints | None = getattr(self.state, name, None)
        return found if found is not None and len(found) == len(self.book.cash) else None

    def last_offers(self) -> tuple[Ints, Ints]:
        """Price and capacity that each actor offered last, -1 never."""
        price, capacity = np.full(len(self.book.cash), -1), np.full(len(self.book.cash), -1)
        rows = self.events[self.events[:, 0] == Kind.OFFER]
        price[rows[:, 2]], capacity[rows[:, 2]] = rows[:, 4], rows[:, 5]
        return price, capacity

    @cached_property
    def locked(self) -> int:
        """All money in the rule's own arrays."""
        own = [a for f, a in shape.named(self.state) if f.money and not f.path.startswith("book.")]
        return sum(int(a.sum()) for a in own)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures of the summary that a history without costs can tell, under the summary's names."""
        asked, settled = self.requests >= 0, self.settled
        times = self.took_ms[self.took_ms >= 0]
        count = int(settled.sum())
        who = self.provers
        wins = self.wins[who]
        samples = [s for s in self.replay.samples if s.rows <= self.rows]
        locked = np.array([*(s.locked for s in samples), self.locked], np.float64)
        spans = np.diff([0, *(s.time for s in samples), self.now])
        churn: Ints | None = getattr(self.state, "churn", None)
        return {
            "proofs": {
                "requested": int(asked.sum()),
                "settled": count,
                "late": int(self.late.sum()),
                "lost": int((self.phase == Phase.LOST).sum()),
                "reassigned": int(np.maximum(self.turns - 1, 0).sum()),
                "unfinished": int((asked & (self.phase < Phase.SETTLED)).sum()),
            },
            "time_to_proof_ms": {f"p{p}": metrics.percentile(times, p) for p in (50, 90, 99)},
            "price_gwei": {"mean": int(self.paid[settled].sum()) / count if count else None},
            "concentration": metrics.concentration(wins),
            "stake": {
                "slashed_gwei": int(self.slashes[:, 2].sum()),
                "burnt_gwei": int(self.book.burnt[0]),
                "locked_mean_gwei": float((locked * spans).sum() / spans.sum()) if spans.sum() else float(locked[-1]),
                "locked_peak_gwei": int(locked.max()),
                "seat_churn": int(churn[0]) if churn is not None else 0,
            },
        }
