"""What people do between events: enter, put money back to stake, leave when it does not pay, move their delegation.

All of it happens at epochs, as ordinary events the rule answers; nothing here touches the state.
"""

from typing import NamedTuple

import numpy as np

from proofyard.core.book import Ints
from proofyard.core.event import Kind
from proofyard.engine import backing, queue
from proofyard.engine.cast import MS_PER_HOUR, Floats
from proofyard.engine.delegation import Delegation
from proofyard.engine.events import Inject, events_of
from proofyard.engine.minds import Minds
from proofyard.engine.supply import Alarm, Supply, drop
from proofyard.engine.world import Stage, online_of
from proofyard.policies.view import Moment

_ALWAYS = 2  # of `restake`


class Books(NamedTuple):
    """What a prover had earned and spent by a moment, gwei each."""

    time: int
    income: Ints
    cost: Floats


class Population:
    """Provers and delegators of one run."""

    def __init__(self, st: Stage, inject: Inject, alarm: Alarm) -> None:
        self.stage, self.inject, self.alarm = st, inject, alarm
        self.classes = st.cast.classes
        count = st.cast.count
        self.staked_at_start = np.zeros(count, np.int64)
        self.since = np.zeros(count, np.int64)  # ms, when it last entered
        self.away = np.zeros(count, np.int64)  # ms it has been out of the market
        self.left_at = np.full(count, -1)
        self.history: list[Books] = []
        wish = [("never", "unseated", "always").index(g.restake) for g in self.classes]
        self.wish = np.array(wish)[st.cast.group]  # to put free money to stake
        self.leaving = np.array([g.leave is not None for g in self.classes])[st.cast.group]
        self.delegation = Delegation(st, inject)
        self.minds = Minds(st, inject)
        self.supply = Supply(st)
        self.drops = np.array([g.in_hand == "drop" for g in self.classes])[st.cast.group]
        self.movers = bool(self.leaving.any()) or len(self.minds.again[Moment.AWAY]) > 0  # does anybody ever go?
        self.movers |= self.supply.any
        outside = np.flatnonzero(self.supply.outside)
        self.left_at[outside] = 0
        st.world.provers["gone_until"][outside], st.world.provers["special"][outside] = queue.NEVER, 1

    def enter(self) -> None:
        """Everybody states its terms, stakes and delegates, the largest stake first."""
        cast = self.stage.cast
        order = np.argsort(-cast.stake, kind="stable")
        order = order[self.left_at[order] < 0]
        self.minds.enter()
        self.minds.offer(0, order)
        staking = order[cast.stake[order] > 0]
        self.inject(events_of(Kind.STAKE, 0, staking, cast.stake[staking]))
        stake = self.stage.optional("stake")
        if stake is not None:
            self.staked_at_start = stake[: cast.count].copy()
        self.delegation.enter()
        backing.enter(self.stage, self.inject)

    def decide(self, now: int) -> None:
        """Act at an epoch."""
        self._restake(now)
        if self.leaving.any():
            self._leave(now)
        if self.supply.any:
            self._come_and_go(now)
        self.delegation.decide(now)
        self._think(now)

    def costs(self, busy: Ints, online: Ints) -> Floats:
        """Compute what work, presence and the gas of settled proofs have cost each prover, gwei."""
        by_presence = np.array([g.cost.billing == "online" for g in self.classes])[self.stage.cast.group]
        billed = np.where(by_presence, online, busy)
        return billed * self.stage.cast.rate / MS_PER_HOUR + self._gas() + self._disputes()

    def _disputes(self) -> Ints | int:
        """Return what looking at claims and deciding about them has cost each prover so far, gwei."""
        spent = self.stage.world.spent
        return spent if len(spent) else 0

    def _gas(self) -> Ints | int:
        """Sum up what settling their proofs has cost each prover so far, gwei."""
        st = self.stage
        if not st.cast.gas:
            return 0
        made = st.state.book.prover[st.world.jobs["proven"] > 0]
        return st.cast.gas * np.bincount(made[(made >= 0) & (made < st.cast.count)], minlength=st.cast.count)

    def online_ms(self, now: int) -> Ints:
        """Time each prover was in the market and on line up to `now`, ms."""
        return np.minimum(online_of(self.stage, now), now) - self.away_ms(now)

    def spent(self, now: int) -> Ints:
        """Sum up what work, presence and hardware it bought have cost each prover up to `now`, gwei."""
        running = self.costs(self.stage.world.provers["busy"], self.online_ms(now)).astype(np.int64)
        return running + self.supply.invested

    def away_ms(self, now: int) -> Ints:
        """Time each prover was out of the market up to `now`, ms."""
        return self.away + np.where(self.left_at >= 0, now - self.left_at, 0)

    def _think(self, now: int) -> None:
        """Let those with a policy reconsider their price, capacity and stake, and go away for a while."""
        present = self.left_at < 0
        self.minds.reconsider(now, present, self.costs)
        if not self.movers:
            return
        gone_until = self.stage.world.provers["gone_until"]
        due = ~present & (gone_until <= now)  # they may come back, or see that they are better off elsewhere
        until = self.minds.away(now, present | due)
        staying, going = np.flatnonzero(due & (until > now)), np.flatnonzero(present & (until > now))
        gone_until[staying] = until[staying]
        if len(going):
            self._go(now, going, until[going])
        self._return(now)

    def _restake(self, now: int) -> None:
        """Let those who do so put free money to stake: all of it, or, without a seat, up to what they began with.

        A rule with STAKE_NAMES_POSITION is told the whole new position, in which money on its way out counts.
        """
        cast, state = self.stage.cast, self.stage.state
        count = cast.count
        seat, stake, exiting = (self.stage.optional(name) for name in ("seat", "stake", "exiting"))
        if stake is None or not self.wish.any():
            return
        position = getattr(self.stage.rule.module, "STAKE_NAMES_POSITION", False)
        held = stake[:count] + (exiting[:count] if position and exiting is not None else 0)
        whole = held + state.book.cash[:count]
        seated = seat[:count] > 0 if seat is not None else stake[:count] >= cast.stake
        wish = self.wish
        target = np.where(wish == _ALWAYS, whole, np.minimum(whole, cast.stake))
        ready = np.flatnonzero((wish > 0) & ((wish == _ALWAYS) | ~seated) & (target > 0) & (self.left_at < 0))
        amount = target[ready] if position else (target - held)[ready]
        if len(ready):
            self.inject(events_of(Kind.STAKE, now, ready[amount > 0], amount[amount > 0]))

    def _leave(self, now: int) -> None:
        """Those who lose money leave; those whose time away is over come back."""
        rows, cast = self.stage.world.provers, self.stage.cast
        income = self.stage.income() - self.stage.state.book.slashed[: cast.count]
        online = np.full(cast.count, now) - self.away_ms(now)
        books = Books(now, income, self.costs(rows["busy"], online))
        self.history.append(books)
        self._return(now)
        for k, group in enumerate(self.classes):
            if group.leave is None:
                continue
            old = next((b for b in reversed(self.history) if b.time <= now - group.leave.after), None)
            if old is None:
                continue
            mine = np.flatnonzero((cast.group == k) & (self.left_at < 0) & (self.since <= old.time))
            profit = (books.income - old.income) - (books.cost - old.cost)
            losing = mine[profit[mine] < 0]
            if not len(losing):
                continue
            until = np.full(len(losing), now + group.leave.back_after)
            if group.leave.budget is not None:
                budget = self.stage.scenario.gwei(group.leave.budget, f"provers[{k}].leave.budget")
                until[(books.income - books.cost)[losing] < -budget] = queue.NEVER
            if group.invest is not None:
                until[:] = queue.NEVER
                self.supply.sell(losing)
            self._go(now, losing, until)

    def _come_and_go(self, now: int) -> None:
        """Let idle hardware go where it earns more, and hardware be bought where that pays."""
        online = self.online_ms(now)
        earned = self.stage.income() - self.stage.state.book.slashed[: self.stage.cast.count]
        self.supply.look(now, earned - self.costs(self.stage.world.provers["busy"], online), online)
        going, coming = self.supply.elsewhere(now, self.left_at < 0)
        coming = np.append(coming, self.supply.entering(now))
        if len(going):
            self._go(now, going, np.full(len(going), queue.NEVER))
        self.stage.world.provers["gone_until"][coming] = now
        self._return(now)

    def _go(self, now: int, provers: Ints, until: Ints) -> None:
        """Leave until a time and take the stake along."""
        self.stage.world.provers["gone_until"][provers] = until
        self.stage.world.provers["special"][provers] = 1
        self.left_at[provers] = now
        if self.drops[provers].any():
            drop(self.stage, self.alarm, now, provers[self.drops[provers]])
        stake = self.stage.optional("stake")
        if stake is not None:
            held = provers[stake[provers] > 0]
            self.inject(events_of(Kind.UNSTAKE, now, held, stake[held]))

    def _return(self, now: int) -> None:
        """Come back and stake again what is free."""
        back = np.flatnonzero((self.left_at >= 0) & (self.stage.world.provers["gone_until"] <= now))
        if not len(back):
            return
        self.away[back] += now - self.left_at[back]
        self.left_at[back], self.since[back] = -1, now
        self.inject(events_of(Kind.WITHDRAW, now, back, np.zeros(len(back), np.int64)))
        cast, cash = self.stage.cast, self.stage.state.book.cash
        amount = np.minimum(cash[back], cast.stake[back])
        self.minds.offer(now, back)
        some = amount > 0
        self.inject(events_of(Kind.STAKE, now, back[some], amount[some]))
