"""What policies decide between events: prices, capacities, stakes, and whether to stay; asked in plain Python."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from proofyard.core.book import Ints
from proofyard.core.event import Kind, Verdict
from proofyard.engine.cast import Floats
from proofyard.engine.events import Inject, events_of
from proofyard.engine.world import Stage
from proofyard.policies.view import Moment, View
from proofyard.worlds.dice import word

MIND_STREAM = 8  # of the dice
LARGEST = 2**62
BLANK = View(*[0] * len(View._fields))

Flags = NDArray[np.bool_]


class Minds:
    """The policies of one run, and what they made their provers offer."""

    def __init__(self, st: Stage, inject: Inject) -> None:
        self.stage, self.inject = st, inject
        cast = st.cast
        self.price, self.declared = cast.ask.copy(), cast.capacity.copy()
        self.public = self.price  # what everybody sees when they decide, all at once
        self.late = cast.favoured(st.scenario.market) & st.scenario.market.first_look  # who sees what others have said
        self.worth = np.zeros(cast.count)  # earned less spent when last asked
        self.spent: Callable[[Ints, Ints], Floats] | None = None
        self.asked = {moment: self._who(moment, steady=True) for moment in Moment}  # provers, on entering
        self.again = {moment: self._who(moment, steady=False) for moment in Moment}  # at epochs
        self.learners = any(does.learns for does in cast.policies)
        self.refused = np.zeros(cast.count, np.int64)  # of the terms and stakes each tried, those the rule refused

    def _who(self, moment: Moment, *, steady: bool) -> Ints:
        """List the provers that decide about `moment` themselves; `steady`: also those that never change their mind."""
        does = enumerate(self.stage.cast.policies)
        mine = [k for k, each in does if moment in each.moments and (steady or not each.steady)]
        return np.flatnonzero(np.isin(self.stage.cast.mind, mine)) if mine else np.zeros(0, np.int64)

    def enter(self) -> None:
        """Settle everybody's first price and capacity."""
        for prover in self.asked[Moment.CAPACITY].tolist():
            self.declared[prover] = self._ask(Moment.CAPACITY, 0, prover, 0)
        self._reprice(0, self.asked[Moment.PRICE], self.worth)

    def offer(self, now: int, provers: Ints) -> Ints:
        """Let provers state their terms; returns the verdicts."""
        return self._inject(Kind.OFFER, now, provers, self.price[provers], self.declared[provers])

    def reconsider(self, now: int, present: Flags, costs: Callable[[Ints, Ints], Floats]) -> None:
        """Offer anew where a price or a capacity changed (what the rule refuses stays as it was); then move stake."""
        pricing, sizing, staking = (self.again[m] for m in (Moment.PRICE, Moment.CAPACITY, Moment.STAKE))
        if not len(pricing) + len(sizing) + len(staking):
            return
        old_price, old_declared = self.price.copy(), self.declared.copy()
        profit = self._profit(now, costs) if self.learners else self.worth
        for prover in sizing[present[sizing]].tolist():
            self.declared[prover] = self._ask(Moment.CAPACITY, now, prover, 0)
        self._reprice(now, pricing[present[pricing]], profit)
        changed = np.flatnonzero((self.price != old_price) | (self.declared != old_declared))
        kept = changed[self.offer(now, changed) != Verdict.OK]
        self.price[kept], self.declared[kept] = old_price[kept], old_declared[kept]
        staking = staking[present[staking]]
        amounts = np.array([self._ask(Moment.STAKE, now, prover, 0) for prover in staking.tolist()], np.int64)
        self._move_stake(now, staking, amounts)

    def _reprice(self, now: int, provers: Ints, profit: Floats) -> None:
        """Let all name their prices at once; who is favoured with a first look is asked last and sees the others'."""
        self.public = self.price.copy()
        for late in (False, True):
            for prover in provers[self.late[provers] == late].tolist():
                self.price[prover] = self._ask(Moment.PRICE, now, prover, int(profit[prover]))
            self.public = self.price

    def _move_stake(self, now: int, provers: Ints, amounts: Ints) -> None:
        """Put money to stake, or, for negative amounts, take it out; some rules want to hear the whole new position."""
        stake = self.stage.optional("stake")
        out = amounts < 0
        wanted = abs(amounts)
        if getattr(self.stage.rule.module, "STAKE_NAMES_POSITION", False) and stake is not None:
            exiting = self.stage.optional("exiting")
            waiting = exiting[provers] if exiting is not None else 0
            part = out & (wanted < stake[provers])
            wanted = np.where(part, stake[provers] - wanted, np.where(out, wanted, stake[provers] + waiting + wanted))
            out &= ~part
        for kind, moving in ((Kind.UNSTAKE, out), (Kind.STAKE, ~out & (amounts != 0))):
            self._inject(kind, now, provers[moving], wanted[moving])

    def away(self, now: int, asked: Flags) -> Ints:
        """Until when each of the asked that leaves now, or stays away, will be gone; 0 for all others."""
        until = np.zeros(self.stage.cast.count, np.int64)
        for prover in self.again[Moment.AWAY].tolist():
            gone = self._ask(Moment.AWAY, now, prover, 0) if asked[prover] else 0
            until[prover] = now + gone if gone > 0 else 0
        return until

    def _profit(self, now: int, costs: Callable[[Ints, Ints], Floats]) -> Floats:
        """Compute what each has earned less spent since it was last asked."""
        st = self.stage
        spent = costs(st.world.provers["busy"], np.full(st.cast.count, now))
        worth = st.income() - spent - st.state.book.slashed[: st.cast.count]
        gained, self.worth = worth - self.worth, worth
        return gained

    def _ask(self, moment: Moment, now: int, prover: int, profit: int) -> int:
        """Show the policy of `prover` what it may see; an answer that no integer of the engine holds is cut to one."""
        cast = self.stage.cast
        answer = cast.policies[int(cast.mind[prover])].decide(
            cast.memory[prover], self.view(moment, now, prover, profit)
        )
        return max(-LARGEST, min(LARGEST, answer))

    def view(self, moment: Moment, now: int, prover: int, profit: int) -> View:
        """Show what a prover may see when it is asked about anything but a job."""
        st, cast = self.stage, self.stage.cast
        stake = st.optional("stake")
        others = np.delete(self.public, prover)
        return BLANK._replace(
            moment=int(moment),
            now=now,
            actor=prover,
            word=int(word(st.seed, MIND_STREAM, now * cast.count + prover)) >> 2,
            cash=int(st.state.book.cash[prover]),
            stake=int(stake[prover]) if stake is not None else 0,
            ask=int(cast.ask[prover]),
            price=int(self.price[prover]),
            rival=int(others.min()) if len(others) else 0,
            capacity=int(cast.capacity[prover]),
            profit=profit,
            place=int(cast.place[prover]),
            peers=cast.classes[int(cast.group[prover])].count,
        )

    def _inject(self, kind: Kind, now: int, actors: Ints, amounts: Ints, details: Ints | int = 0) -> Ints:
        """Let the rule answer events of one kind; what it refuses is counted."""
        if not len(actors):
            return actors
        verdicts = self.inject(events_of(kind, now, actors, amounts, details))
        np.add.at(self.refused, actors, verdicts != Verdict.OK)
        return verdicts
