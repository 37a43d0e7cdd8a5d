"""What a node decides, by any policy of the library: it is shown what it may see, as in the engine."""

import secrets
from typing import Any

import numpy as np

from proofyard.network.settings import Watched
from proofyard.policies import Policy
from proofyard.policies.view import MEMORY, Moment, View
from proofyard.scenario import policy

BLANK = View(*[0] * len(View._fields))
WORD = 2**62
TERMS = (Moment.PRICE, Moment.CAPACITY)


class Mind:
    """The policy of one node with its memory."""

    def __init__(self, settings: Watched) -> None:
        self._settings = settings
        self._memory = np.zeros(MEMORY, np.int64)
        self._actor = -1
        self._rival = 0
        self._price = settings.now.price_gwei
        self._earned = 0
        self._text = settings.now.policy
        self._policy: Policy = policy(self._text)
        self._per_unit = False

    @property
    def does(self) -> Policy:
        """The policy, as the settings have it now."""
        if self._settings.now.policy != self._text:
            self._text = self._settings.now.policy
            self._policy = policy(self._text)
            self._memory[:] = 0
        return self._policy

    @property
    def watches_rivals(self) -> bool:
        """Whether prices of others matter."""
        return Moment.PRICE in self.does.moments

    @property
    def moves_terms(self) -> bool:
        """Whether price or capacity may change."""
        return any(moment in self.does.moments for moment in TERMS) or self._price != self._settings.now.price_gwei

    def meet(self, told: dict[str, Any], actor: int) -> None:
        """Learn about the market."""
        self._actor = actor
        self._per_unit = bool(told["price_per_unit"])

    def look_at(self, actors: list[dict[str, Any]]) -> None:
        """Look at what others offer."""
        prices = [each["price"] for each in actors if each["actor"] != self._actor and each.get("price", 0) > 0]
        self._rival = min(prices, default=0)

    def size_of(self, view: dict[str, Any]) -> int:
        """Return the size of a job in the rule's unit."""
        return int(view["size"])

    def terms(self, now: int, actor: dict[str, Any]) -> tuple[int, int]:
        """Decide price and capacity."""
        profit = int(actor.get("cash", 0)) - self._earned
        self._earned = int(actor.get("cash", 0))
        shown = self._shown(now, actor)._replace(profit=profit)
        capacity = max(1, self.does.decide(self._memory, shown._replace(moment=int(Moment.CAPACITY))))
        self._price = max(1, self.does.decide(self._memory, shown._replace(moment=int(Moment.PRICE))))
        return self._price, capacity

    def stake(self, now: int, actor: dict[str, Any]) -> int:
        """Decide how many gwei to stake, or, negative, to take out."""
        if Moment.STAKE not in self.does.moments:
            return 0
        return self.does.decide(self._memory, self._shown(now, actor)._replace(moment=int(Moment.STAKE)))

    def bid(self, now: int, view: dict[str, Any], ready: int) -> int:
        """Decide what to bid for a job, 0 nothing."""
        return self._about(Moment.BID, now, view, ready)

    def accepts(self, now: int, view: dict[str, Any], ready: int) -> int:
        """Decide whether to keep a job that was assigned: 1 or 0."""
        return self._about(Moment.ACCEPT, now, view, ready)

    def submits(self, now: int, view: dict[str, Any], ready: int) -> int:
        """Decide when to hand a proof in, ms; NEVER: don't make it."""
        return self._about(Moment.SUBMIT, now, view, ready)

    def _about(self, moment: Moment, now: int, view: dict[str, Any], ready: int) -> int:
        settings = self._settings.now
        work = settings.work_ms(self.size_of(view))
        shown = self._shown(now, {})._replace(
            moment=int(moment),
            job=view["job"],
            size=self.size_of(view),
            ceiling=view["ceiling_gwei"],
            paid=view["paid_gwei"],
            deadline=view["deadline"],
            ready=ready,
            work=work,
            cost=settings.cost_gwei(self.size_of(view)),
        )
        return self.does.decide(self._memory, shown)

    def _shown(self, now: int, actor: dict[str, Any]) -> View:
        settings = self._settings.now
        return BLANK._replace(
            now=now,
            actor=self._actor,
            word=secrets.randbelow(WORD),
            cash=int(actor.get("cash", 0)),
            stake=int(actor.get("stake", 0)),
            ask=settings.price_gwei,
            price=self._price,
            rival=self._rival,
            capacity=settings.capacity,
            place=0,
            peers=1,
        )
