"""The delegators: at every epoch they collect what is theirs, look at each operator's return over a lag, and move.

All of it happens as ordinary events the rule answers. How strongly stake follows returns is unknown in the field, so
it is a parameter: with `elasticity` e, operators that return a and b have, in the long run, stake as a**e to b**e.
"""

import numpy as np
from numpy.typing import NDArray

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.event import Event, Kind, Verdict
from proofyard.engine.cast import Floats
from proofyard.engine.events import Inject, events_of
from proofyard.engine.insurance import Desk, Fund
from proofyard.engine.world import Stage, delegations
from proofyard.scenario import Delegators
from proofyard.worlds.dice import uniform, word

DELEGATOR_STREAM, CHOICE_STREAM, STICKY_STREAM, LIQUID_STREAM = 7, 9, 10, 11  # of the dice
YEAR_MS = 365 * 86_400_000
BILLION = 10**9  # whole of a commission
NOWHERE = -1
LEAST = 1e-9  # of its value a share keeps, so that there is something to compare later values with

Flags = NDArray[np.bool_]


class Delegation:
    """The delegators of one run; some never move (`sticky`), some hold a token and need not wait (`liquid`)."""

    def __init__(self, st: Stage, inject: Inject) -> None:
        self.stage, self.inject, self.policy = st, inject, st.policy
        self.told = st.scenario.delegators or Delegators()
        _check(st, self.told)
        count = self.told.count if st.scenario.delegators else 0
        self.actors = np.arange(st.first_delegator, st.first_delegator + count)
        own = np.arange(count)
        self.sticky = uniform(word(st.seed, STICKY_STREAM, own)) < self.told.sticky
        liquid = self.told.liquid
        holders = uniform(word(st.seed, LIQUID_STREAM, own)) < (liquid.share if liquid else 0.0)
        self.desk = Desk(st, inject, self.actors, holders)
        self.fund = Fund(st, inject, self.actors)
        self.wish = np.full(count, NOWHERE)  # the operator each moves to while its money is on the way
        self.index = np.ones(st.cast.count)  # what a share held from the start would be worth, by operator
        self.before = np.full(st.cast.count, np.nan)  # value of a share after the last epoch, nan where there was none
        self.seen: list[tuple[int, Floats]] = []  # (ms, index with what the fund has paid)
        self.most = np.array([_most(st, k) for k in range(len(st.cast.classes))])[st.cast.group]

    def enter(self) -> None:
        """Delegate as the scenario says."""
        if not len(self.actors):
            return
        plan = np.array(delegations(self.stage.cast, len(self.actors)), np.int64).reshape(-1, 2)
        chosen = plan[:, 0] >= 0
        self._delegate(0, self.actors[chosen], plan[chosen, 1], plan[chosen, 0])

    def decide(self, now: int) -> None:
        """Make slashes good, collect what has matured, look at the returns, move."""
        if not len(self.actors) or self.stage.optional("pool") is None:
            return
        self.fund.settle(now)
        if not self.policy.chases:
            return
        self._look(now)
        old = next((s for s in reversed(self.seen) if s[0] <= now - self.policy.lag_ms), None)
        if old is not None:
            self._move(now, old)
        self.before = self._share_value()

    def _look(self, now: int) -> None:
        """Note how the value of a share has changed where there were shares all the time since the last epoch."""
        value = self._share_value()
        with np.errstate(divide="ignore", invalid="ignore"):
            change = value / self.before
        self.index *= np.where(np.isfinite(change), np.maximum(change, LEAST), 1.0)
        self.seen.append((now, self.index * self.fund.made_good))

    def _move(self, now: int, old: tuple[int, Floats]) -> None:
        """Collect what has matured, compare the returns since `old`, move."""
        change = self.seen[-1][1] / old[1] - 1.0
        apr = change * (YEAR_MS / (now - old[0])) - self.told.shuns_commission * self._commission()
        self._collect(now)
        self._settle_down(now, apr)
        self._move_away(now, apr)

    def _commission(self) -> Floats:
        """Share of the fees each operator keeps before it divides them, where operators name one; else 0."""
        named = self.stage.optional("commission")
        count = self.stage.cast.count
        return np.zeros(count) if named is None else named[:count] / BILLION

    def _share_value(self) -> Floats:
        """Compute what one share is worth at each operator; nan where nobody holds any."""
        count = self.stage.cast.count
        pool, shares = self.stage.state.pool[:count], self.stage.state.shares[:count]
        return np.where(shares > 0, pool / np.maximum(shares, 1), np.nan)

    def _delegate(self, now: int, actors: Ints, amounts: Ints, operators: Ints) -> Ints:
        """Delegate; returns the verdicts."""
        return self.inject(events_of(Kind.DELEGATE, now, actors, amounts, operators))

    def _collect(self, now: int) -> None:
        """Take what has matured; who sold it before passes it on."""
        cash = self.stage.state.book.cash
        before = cash[self.actors].copy()
        self.inject(events_of(Kind.WITHDRAW, now, self.actors, np.zeros(len(self.actors), np.int64)))
        self.desk.repay(now, cash[self.actors] - before)

    def _settle_down(self, now: int, apr: Floats) -> None:
        """Those with free money delegate it where they wished to, else to the best operator that still takes some."""
        state = self.stage.state
        free = self.actors[(state.book.cash[self.actors] > 0) & (state.held[self.actors] == 0)]
        wish = self.wish[free - self.actors[0]]
        for operator in np.unique(wish[wish != NOWHERE]).tolist():
            self._place(now, free[wish == operator], operator)
        self.wish[free - self.actors[0]] = NOWHERE
        free = free[state.held[free] == 0]
        for operator in np.argsort(-apr, kind="stable").tolist():
            if not len(free):
                return
            self._place(now, free, operator)
            free = free[state.held[free] == 0]

    def _place(self, now: int, actors: Ints, operator: int) -> None:
        """Delegate all free money of `actors` to `operator`, as far as it accepts more."""
        state = self.stage.state
        room = self.most[operator] - state.pool[operator]
        amounts = state.book.cash[actors]
        fits = np.cumsum(amounts) <= room
        self._delegate(now, actors[fits], amounts[fits], np.full(int(fits.sum()), operator))

    def _move_away(self, now: int, apr: Floats) -> None:
        """Let a share of those who would rather be elsewhere take their money out."""
        state = self.stage.state
        held = state.held[self.actors]
        home = np.where(held > 0, state.operator_of[self.actors], 0)
        turn = now * len(self.actors) + np.arange(len(self.actors))
        better, to = self._better(apr, home, turn)
        dice = uniform(word(self.stage.seed, DELEGATOR_STREAM, turn))
        going = (held > 0) & better & (dice < self.policy.share) & ~self.sticky
        movers, homes = self.actors[going], home[going]
        if not len(movers):
            return
        value = np.floor(held[going] * self._share_value()[homes]).astype(np.int64)
        verdicts = self.inject(events_of(Kind.UNDELEGATE, now, movers, np.maximum(value, 1), homes))
        left = verdicts == Verdict.OK
        self.wish[movers[left] - self.actors[0]] = to[going][left]
        sold = self.desk.advance(now, movers[left], value[left])
        if self.stage.rule.params.unbonding_ms == 0:
            self._collect(now)
            sold = True
        if sold:
            self._settle_down(now, apr)

    def _better(self, apr: Floats, home: Ints, turn: Ints) -> tuple[Flags, Ints]:
        """Who would rather be at another operator, and at which (NOWHERE: at the best that takes some, then)."""
        edge, power = self.policy.edge, self.told.elasticity
        if power is None:
            return apr[home] + edge < apr.max(), np.full(len(home), NOWHERE)
        state, count = self.stage.state, self.stage.cast.count
        stake = self.stage.optional("stake")
        known = state.shares[:count] > 0 if stake is None else (state.shares[:count] > 0) | (stake[:count] > 0)
        weight = np.where(known, np.maximum(apr, 0.0) ** power, 0.0)
        weight = weight if weight.sum() > 0 else known.astype(np.float64)
        chance = np.cumsum(weight) / max(weight.sum(), 1e-300)
        to = np.searchsorted(chance, uniform(word(self.stage.seed, CHOICE_STREAM, turn)), side="right")
        to = np.minimum(to, count - 1)
        return (to != home) & (abs(apr[to] - apr[home]) >= edge), to


def _most(st: Stage, k: int) -> float:
    """Most delegated stake that an operator of class `k` accepts, gwei."""
    accepts = st.cast.classes[k].accepts
    return np.inf if accepts is None else st.scenario.gwei(accepts, f"provers[{k}].accepts")


def _check(st: Stage, told: Delegators) -> None:
    """Refuse delegators who want what the rule does not have. Raises BadInput."""
    if st.optional("pool") is None:
        return
    if st.policy.chases and st.optional("shares") is None:
        wanted = f"`stay`, since {st.rule.name} has no shares to tell returns by"
        raise BadInput("delegators.policy", wanted, "chase_apr")
    trial = st.rule.genesis(2, 1)
    trial.book.cash[:] = 1
    for name in ("liquid", "insurance"):
        if getattr(told, name) is None:
            continue
        answer = st.rule.apply(trial, Event(Kind.TRANSFER, 0, 0, 0, 1, 1, 0))
        if answer == Verdict.UNKNOWN or st.optional("shares") is None:
            raise BadInput(f"delegators.{name}", "a rule with shares of pools and TRANSFER of cash", st.rule.name)
