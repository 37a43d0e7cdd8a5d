"""Events as a market would see them, and nonsense among them.

Uniform chance is half blind: it hardly ever lets the right prover prove in time, or a timer fire when it is due. Here
the prover is usually the assigned one, timers usually fire when due, and amounts and pauses are taken from where a
rule's thresholds are: its own parameters, what the actors own, what the state holds.
"""

import random

import numpy as np

from proofyard.conformance.market import Market
from proofyard.core.book import MAX_GWEI
from proofyard.core.event import Event, Kind, Phase
from proofyard.core.lifecycle import TRANSITIONS
from proofyard.core.rule import Rule

WORD = 2**62  # dice are below this
ACCOUNT = (Kind.OFFER, Kind.STAKE, Kind.UNSTAKE, Kind.WITHDRAW, Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER)
PEERS = (Kind.DELEGATE, Kind.UNDELEGATE, Kind.TRANSFER)
TAKING = (Kind.UNSTAKE, Kind.WITHDRAW, Kind.UNDELEGATE)
JOBS = (Kind.REQUEST, Kind.PROVE, Kind.CLOSE, Kind.BID, Kind.CONTEST, Kind.DECLINE)
JOB_WEIGHTS = (22, 30, 14, 10, 8, 8)  # CLOSE stands for the timer of whatever phase the job is in
PHASES = {
    kind: tuple(source for source, by, _ in TRANSITIONS if by == kind)
    for kind in (Kind.PROVE, Kind.BID, Kind.CONTEST, Kind.DECLINE, Kind.VOTE)
}
SIZES = (1, 1_000, 21_000, 1_000_000, 6_000_000, 30_000_000)
CAPACITIES = (1, 1, 2, 3, 8, 32, 64, 128)
ODD_AMOUNTS = (0, -1, 1, MAX_GWEI, MAX_GWEI + 1, MAX_GWEI - 1, 2**62)
ODD_DETAILS = (0, -1, 1, 2**31, 2**40, 2**61, 2**62 - 1)
PAUSES = (0, 0, 0, 1, 12, 1_000, 12_000, 60_000)
LAST_TIME = 2**58  # ms; later than any chain of windows a rule could add up
ABOUT_ACCOUNTS = 30  # percent of events, where the rule has any
VOTES = 60  # percent of the others, where the rule has votes: a ballot takes many
NONSENSE = 12  # percent of events with something impossible in them


class Plausible:
    """Draws the next event of a market."""

    def __init__(self, dice: random.Random, market: Market) -> None:
        self.dice = dice
        self.market = market
        self.params = [abs(int(value)) for value in market.setup.rule.params if value] or [1]
        self.pauses = [value for value in self.params if value <= 2**42] or [1]
        layout = market.layout
        self.rows = [layout.span(f.path).start for f in layout.fields if f.size == "actor"]
        self.job_rows = [layout.span(f.path).start for f in layout.fields if f.size == "job"]

    @property
    def over(self) -> bool:
        """Whether all jobs have come to their end."""
        return bool((self.market.book.phase >= Phase.SETTLED).all())

    def next(self, known: tuple[Kind, ...]) -> Event:
        """Draw an event, mostly of a kind in `known`."""
        dice = self.dice
        time = self._time()
        event = self._sensible(time, known)
        return self._nonsense(time, event) if dice.randrange(100) < NONSENSE else event

    def _sensible(self, time: int, known: tuple[Kind, ...]) -> Event:
        dice = self.dice
        accounts = [kind for kind in ACCOUNT if kind in known]
        if accounts and dice.randrange(100) < ABOUT_ACCOUNTS:
            return self.account(dice.choice(accounts), time)
        if Kind.VOTE in known and dice.randrange(100) < VOTES:
            return self._about_job(Kind.VOTE, time, known)
        return self._about_job(dice.choices(JOBS, JOB_WEIGHTS)[0], time, known)

    def _time(self) -> int:
        """Draw when: mostly now or soon, sometimes around a deadline or a parameter later."""
        dice, now = self.dice, self.market.now
        live = self.market.live_jobs()
        match dice.choices(("soon", "deadline", "pause", "part of a pause"), (16, 3, 1, 1))[0]:
            case "deadline" if live:
                when = int(self.market.book.deadline[dice.choice(live)]) + dice.choice((-1, 0, 0, 1, 1, 2))
            case "pause":
                when = now + dice.choice(self.pauses) + dice.choice((-1, 0, 1))
            case "part of a pause":
                when = now + dice.choice(self.pauses) // dice.choice((2, 3, 10))
            case _:
                when = now + dice.choice(PAUSES)
        return min(max(now, when), LAST_TIME)

    def _actor(self) -> int:
        return self.dice.randrange(self.market.setup.actors)

    def amount(self, actor: int) -> int:
        """Draw an amount of money that could matter to `actor`."""
        dice = self.dice
        match dice.choices(("cash", "parameter", "held", "round", "small"), (4, 2, 2, 3, 1))[0]:
            case "cash":
                amount = int(self.market.book.cash[actor]) // dice.choice((1, 1, 2, 3, 10, 100, 1_000, 10_000))
            case "parameter":
                amount = dice.choice(self.params) * dice.choice((1, 1, 2, 3, 10)) + dice.choice((-1, 0, 1))
            case "held":
                held = abs(int(self.market.cells[dice.choice(self.rows) + actor]))
                amount = held // dice.choice((1, 1, 2, 3)) + dice.choice((0, 0, 1))
            case "round":
                amount = 10 ** dice.randrange(16) * dice.choice((1, 2, 5))
            case _:
                amount = dice.randrange(100)
        return min(MAX_GWEI, max(0, amount))

    def _word(self) -> int:
        return self.dice.choice((0, WORD - 1, self.dice.randrange(WORD), self.dice.randrange(WORD)))

    def account(self, kind: Kind, time: int) -> Event:
        """Draw an event about an actor's standing."""
        dice = self.dice
        actor = self._holder() if kind in TAKING and dice.randrange(4) else self._actor()
        amount = self.amount(actor)
        if kind == Kind.OFFER and dice.randrange(2):
            amount = dice.choice((1, 5, 8, 10, 11, 12, 20, 100, 1_000))
        if kind == Kind.WITHDRAW and dice.randrange(2):
            amount = 0
        if kind in (*TAKING, Kind.STAKE) and not dice.randrange(3):
            time = self._when_ripe(actor, time)
        detail = 0
        if kind in PEERS:
            values = [int(self.market.cells[row + actor]) for row in self.rows] if not dice.randrange(3) else []
            peers = [value for value in values if 0 <= value < self.market.setup.actors]
            detail = dice.choice(peers) if peers else self._actor()
        elif kind == Kind.OFFER:
            detail = dice.choice((*CAPACITIES, dice.choice(self.params)))
        return Event(kind, time, actor, 0, amount, detail, 0)

    def _holder(self) -> int:
        """Draw an actor that has money other than cash, if there is one."""
        layout, cells = self.market.layout, self.market.cells
        held = layout.money[(cells[layout.money] > 0) & (layout.actor_of[layout.money] >= 0)]
        held = held[held >= layout.span("book.cash").stop]
        return int(layout.actor_of[self.dice.choice(held.tolist())]) if held.size else self._actor()

    def _when_ripe(self, actor: int, time: int) -> int:
        """Go on to a time that the state names in a row of `actor`, if there is one."""
        values = [int(self.market.cells[row + actor]) for row in self.rows]
        times = [value for value in values if time <= value <= time + 2**42]
        return min(LAST_TIME, self.dice.choice(times) + self.dice.choice((0, 1, 1))) if times else time

    def _request(self, time: int) -> Event:
        """Draw a request for a job that was not asked for, of a price it can mostly pay."""
        dice, actor = self.dice, self._actor()
        free = np.flatnonzero(self.market.book.phase == Phase.NONE)
        job = int(free[0]) if free.size else dice.randrange(self.market.setup.jobs)
        amount = (
            self.amount(actor) if dice.randrange(3) else int(self.market.book.cash[actor]) // dice.choice((1, 4, 30))
        )
        return Event(Kind.REQUEST, time, actor, job, amount, dice.choice(SIZES), self._word())

    def _about_job(self, kind: Kind, time: int, known: tuple[Kind, ...]) -> Event:
        """Draw a request, or something about a job for which it makes sense: in the right phase, and in time."""
        dice, book = self.dice, self.market.book
        live = self.market.live_jobs()
        if not live or (kind == Kind.REQUEST and (book.phase == Phase.NONE).any()):
            return self._request(time)
        if kind == Kind.CLOSE:
            return self._due(dice.choice(live), time)
        if kind == Kind.REQUEST or (kind not in known and dice.randrange(8)):
            kind = Kind.PROVE
        right = [k for k in live if book.phase[k] in PHASES[kind]]
        fitting = [k for k in right if book.deadline[k] >= time]
        if fitting or not dice.randrange(6):
            return self._to_job(kind, time, dice.choice(fitting or right or live))
        if (book.phase == Phase.NONE).any() and dice.randrange(3):
            return self._request(time)
        return self._due(dice.choice(live), time)

    def _to_job(self, kind: Kind, time: int, job: int) -> Event:
        """Draw a proof, a bid, a contest or a refusal of `job`, mostly by an actor for whom it makes sense."""
        dice, book = self.dice, self.market.book
        actor = self._actor()
        if kind in (Kind.PROVE, Kind.DECLINE) and dice.randrange(4) and book.prover[job] >= 0:
            actor = int(book.prover[job])
        elif not dice.randrange(6):
            actor = int(book.requester[job])
        amount, detail, word = 0, 0, 0
        if kind == Kind.BID:
            amount = self._price(actor, job)
        elif kind == Kind.PROVE:
            detail, word = dice.randrange(5), dice.choice((1, 1, 1, 2, 2, 3))
        elif kind == Kind.VOTE:
            actor = self._actor()
            detail, word = self._ballot(job)
        return Event(kind, time, actor, job, amount, detail, word)

    def _ballot(self, job: int) -> tuple[int, int]:
        """Draw a vote: mostly on the ballot the committee is called to, and as an honest member would cast it."""
        dice, state = self.dice, self.market.sheet.state
        ballot, choice = (int(getattr(state, name, (0,) * (job + 1))[job]) for name in ("ballot", "choice"))
        detail = ballot if dice.randrange(5) else dice.randrange(max(1, ballot - 2), ballot + 8)
        return detail, choice if dice.randrange(4) else dice.choice((0, 1, 2))

    def _price(self, actor: int, job: int) -> int:
        """Draw a bid: often below what the requester put aside or another by-job number says."""
        dice = self.dice
        base = abs(int(self.market.cells[dice.choice(self.job_rows) + job]))
        top = int(self.market.book.escrow[job]) or base
        ways = (top // dice.choice((1, 2, 3, 10, 1_000)), base - 1, base, self.amount(actor))
        return min(MAX_GWEI, max(0, dice.choice(ways)))

    def _due(self, job: int, time: int) -> Event:
        """Fire a timer, mostly one that is due: of the earliest deadline, waiting for it if need be."""
        dice, book = self.dice, self.market.book
        if dice.randrange(3):
            job = min(self.market.live_jobs(), key=lambda k: int(book.deadline[k]))
        due = int(book.deadline[job]) + dice.choice((0, 1, 1, 1, 2, 1_000))
        time = max(time, due) if dice.choice((True, True, False)) else time
        return self.market.timer(job, min(time, LAST_TIME), self._actor())._replace(word=self._word())

    def _nonsense(self, time: int, event: Event) -> Event:
        """Draw anything at all, or spoil `event` in one place."""
        dice, setup = self.dice, self.market.setup
        amount = dice.choice((*ODD_AMOUNTS, self.amount(self._actor())))
        detail = dice.choice((*ODD_DETAILS, setup.actors, dice.randrange(6)))
        job, kind = dice.randrange(setup.jobs), int(dice.choice((*Kind, -1, len(Kind))))
        spoilt = (
            event._replace(amount=amount),
            event._replace(detail=detail),
            event._replace(detail=detail),
            event._replace(actor=self._actor()),
            event._replace(job=job),
            Event(kind, time, self._actor(), job, amount, detail, self._word()),
            Event(kind, time, self._actor(), job, amount, detail, self._word()),
        )
        return dice.choice(spoilt)


def vary(dice: random.Random, rule: Rule) -> Rule:
    """Draw other values for some parameters of `rule` that its own `validate` accepts; `rule` itself if that fails.

    A rule without `validate` is only given smaller values: nothing says which larger ones it was made for.
    """
    module, values = rule.module, rule.params._asdict()
    guarded = hasattr(module, "validate")
    for name in dice.sample(list(values), min(len(values), dice.choice((1, 1, 2, 3, 6)))):
        value = int(values[name])
        less = (value // 2, value // 10, value // 1_000)
        more = (0, 1, 1, 2, 3, value - 1, value + 1, 2 * value, 10 * value, 10, 1_000, 10**6, 10**9, 2**40, 10**18)
        if value in (0, 1) and guarded and dice.randrange(4):
            values[name] = 1 - value  # probably a switch
        else:
            values[name] = dice.choice((*less, *more) if guarded else less)
    for value in (0, 1):  # what the others say no to now is set to something harmless
        for _ in values:
            complaint = module.validate(module.Params(**values)) if guarded else None
            if complaint is None:
                return Rule(rule.name, module, module.Params(**values))
            if values[complaint[0]] == value:
                break
            values[complaint[0]] = value
    return rule
