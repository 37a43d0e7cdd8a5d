"""Where messages come in: what needs no order is checked here, then they wait for the writer."""

import asyncio
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from proofyard.network.commands import Bell, Command, Receipt
from proofyard.network.messages import Signed, check_market, check_signer
from proofyard.network.records import pack
from proofyard.network.refusals import Refused
from proofyard.network.signatures import Checked, Signatures, check_one

if TYPE_CHECKING:
    from proofyard.network.coordinator import Coordinator

WAITING = 10_000  # messages that may wait: for their signature to be checked, for their place in the order
SLOW = frozenset(("request", "prove"))  # bring something to read or to verify


class Intake:
    """Takes messages for one coordinator.

    Attributes
    ----------
    waiting : commands that wait for their place
    bell : rings when one comes
    signatures : checks who signed
    """

    def __init__(self, coordinator: "Coordinator") -> None:
        self._coordinator = coordinator
        self.waiting: deque[Command] = deque()
        self.bell = Bell()
        self.signatures = Signatures()

    def hand_in(self, signed: Signed) -> "asyncio.Future[Receipt]":
        """Take a message in the order of these calls; the answer comes, or raises Refused, once it is durable."""
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        came = time.monotonic()
        try:
            self._look_at(signed)
        except Refused as refusal:
            self.refuse(answer, refusal)
            return answer
        draft = Command(signed, came, self._coordinator.clock.now(), pack(signed.body()), answer)
        if signed.verb in SLOW or signed.payload or self._coordinator.settler is not None:
            return asyncio.ensure_future(self._slowly(draft))
        self.signatures.check_then(signed, self._coordinator.ready().domain, partial(self._checked, draft))
        return answer

    def refuse(self, answer: "asyncio.Future[Receipt]", why: Refused) -> None:
        """Tell a sender why not."""
        self._coordinator.metrics.refusals.labels(why.reason).inc()
        if not answer.done():
            answer.set_exception(why)

    def refuse_waiting(self, reason: str) -> None:
        """Tell everybody who waits that there is no writer."""
        while self.waiting:
            refusal = Refused(reason, "coordinator", "a writer", self._coordinator.trouble)
            self.refuse(self.waiting.popleft().answer, refusal)

    def _look_at(self, signed: Signed) -> None:
        """Check all that is seen at once. Raises Refused."""
        trouble = self._coordinator.trouble
        if trouble:
            reason = "STANDBY" if trouble in ("standby", "starting") else "JOURNAL"
            raise Refused(reason, "coordinator", "the writer, with a journal that takes rows", trouble)
        self._coordinator.desk.check_form(signed)
        check_market(signed, self._coordinator.ready().domain)
        if self.signatures.waiting >= WAITING:
            raise Refused("BUSY", "coordinator", f"fewer than {WAITING} signatures to check", "more")

    def _checked(self, draft: Command, checked: Checked) -> None:
        """Go on with a message whose signature was looked at."""
        try:
            self._check_sender(draft, checked)
            self._queue(draft)
        except Refused as refusal:
            self.refuse(draft.answer, refusal)

    def _check_sender(self, draft: Command, checked: Checked) -> None:
        check_signer(draft.signed, checked.signer)
        draft.signed_hash = checked.signed_hash
        self._coordinator.desk.check_sender(draft.signed)

    async def _slowly(self, draft: Command) -> Receipt:
        """Take a message that brings something to read, to verify, or that the chain has a say in. Raises Refused.

        A proof has no time to wait in line for its signature: its deadline is looked at when it has been checked.
        """
        coordinator, signed = self._coordinator, draft.signed
        domain = coordinator.ready().domain
        with coordinator.desk.holding(signed):
            try:
                prompt = signed.verb == "prove"
                checked = check_one(signed, domain) if prompt else await self.signatures.check(signed, domain)
                self._check_sender(draft, checked)
                if coordinator.settler is not None:
                    await coordinator.settler.admit(signed)
                draft.word = await coordinator.desk.admit(signed)
                self._queue(draft)
            except Refused as refusal:
                self.refuse(draft.answer, refusal)
            return await draft.answer

    def _queue(self, command: Command) -> None:
        """Let it wait for its place. Raises Refused."""
        if len(self.waiting) >= WAITING:
            raise Refused("BUSY", "coordinator", f"fewer than {WAITING} commands waiting", "more")
        self.waiting.append(command)
        self.bell.ring()
