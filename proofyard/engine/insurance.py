"""Two who serve delegators: a desk that buys claims of those who leave, and a fund that makes slashes good.

Both are actors with cash of their own; all they do is TRANSFER, so money is conserved and the rule has the last word.
"""

import numpy as np
from numpy.typing import NDArray

from proofyard.core.book import Ints
from proofyard.core.event import Kind, Verdict
from proofyard.engine.cast import Floats
from proofyard.engine.events import Inject, events_of
from proofyard.engine.world import Stage

YEAR_MS = 365 * 86_400_000


class Desk:
    """Liquid staking: who holds the token leaves at once, at a discount; the desk waits in its place.

    It pays as long as it has cash; who finds it empty waits as everybody does. What slashes take from a claim it has
    bought is the desk's loss.
    """

    def __init__(self, st: Stage, inject: Inject, actors: Ints, holders: NDArray[np.bool_]) -> None:
        self.stage, self.inject, self.actors, self.holders = st, inject, actors, holders
        self.told = st.scenario.delegators.liquid if st.scenario.delegators else None
        self.owed = np.zeros(len(actors), np.int64)  # gwei of claims that each has sold

    def advance(self, now: int, leaving: Ints, amounts: Ints) -> bool:
        """Buy the claims of those who leave and hold the token; say whether any was bought."""
        if self.told is None or not len(leaving):
            return False
        mine = self.holders[leaving - self.actors[0]]
        sellers, claims = leaving[mine], amounts[mine]
        prices = np.floor(claims * (1.0 - self.told.discount)).astype(np.int64)
        can = (np.cumsum(prices) <= self.stage.state.book.cash[self.stage.desk]) & (prices > 0)
        sellers, claims, prices = sellers[can], claims[can], prices[can]
        verdicts = self.inject(events_of(Kind.TRANSFER, now, np.full(len(sellers), self.stage.desk), prices, sellers))
        bought = verdicts == Verdict.OK
        np.add.at(self.owed, sellers[bought] - self.actors[0], claims[bought])
        return bool(bought.any())

    def repay(self, now: int, received: Ints) -> None:
        """Let those who sold a claim pass on what they `received` for it, one entry per delegator."""
        due = np.flatnonzero((self.owed > 0) & (received > 0))
        if len(due):
            amounts = np.minimum(received, self.owed)[due]
            desk = np.full(len(due), self.stage.desk)
            self.inject(events_of(Kind.TRANSFER, now, self.actors[due], amounts, desk))
            self.owed[due] = 0


class Fund:
    """Insurance: operators pay a premium out of their cash, the fund makes a part of their delegators' slashes good.

    Who cannot pay is not covered until the next epoch; money on its way out is not covered. What a delegator gets it
    delegates to the same operator again.
    """

    def __init__(self, st: Stage, inject: Inject, actors: Ints) -> None:
        self.stage, self.inject, self.actors = st, inject, actors
        self.told = st.scenario.delegators.insurance if st.scenario.delegators else None
        count = st.cast.count
        self.made_good: Floats = np.ones(count)  # what payments have multiplied the value of a share by
        self.seen = np.zeros(count, np.int64)  # gwei slashed when last looked at
        self.covered = np.full(count, fill_value=True)
        self.last = 0  # ms

    def settle(self, now: int) -> None:
        """Pay for the slashes since the last epoch, then take the premiums for the next."""
        if self.told is None:
            return
        st, count = self.stage, self.stage.cast.count
        slashed = st.state.pool_slashed[:count]
        lost, self.seen = np.where(self.covered, slashed - self.seen, 0), slashed.copy()
        wanted = np.floor(lost * self.told.cover).astype(np.int64)
        cash = int(st.state.book.cash[st.insurer])
        if wanted.sum() > cash:
            wanted = np.floor(wanted * (cash / wanted.sum())).astype(np.int64)
        for operator in np.flatnonzero(wanted > 0).tolist():
            self._pay(now, operator, int(wanted[operator]))
        operators = np.flatnonzero(st.state.pool[:count] > 0)
        premium = st.state.pool[operators] * (self.told.premium * (now - self.last) / YEAR_MS)
        due = np.maximum(1, np.floor(premium)).astype(np.int64)
        to = np.full(len(due), st.insurer)
        verdicts = self.inject(events_of(Kind.TRANSFER, now, operators, due, to))
        self.covered[operators], self.last = verdicts == Verdict.OK, now

    def _pay(self, now: int, operator: int, amount: int) -> None:
        """Divide `amount` among those who delegate to `operator`, and let them delegate it again."""
        state = self.stage.state
        holding = (state.held[self.actors] > 0) & (state.operator_of[self.actors] == operator)
        who = self.actors[holding]
        part = np.floor(amount * (state.held[who] / max(1, int(state.held[who].sum())))).astype(np.int64)
        who, part = who[part > 0], part[part > 0]
        before = int(state.pool[operator])
        self.inject(events_of(Kind.TRANSFER, now, np.full(len(who), self.stage.insurer), part, who))
        self.inject(events_of(Kind.DELEGATE, now, who, state.book.cash[who], np.full(len(who), operator)))
        if before > 0:
            self.made_good[operator] *= int(state.pool[operator]) / before
