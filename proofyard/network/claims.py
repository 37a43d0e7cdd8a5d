"""What the rule counts on and the vault may not have: called back before it leaves, written down when it has left.

Money that the rule holds and its owner asks the vault for is called back, by the mandate, before the vault's delay is
over. If that comes too late, or the mandate has ended, the money is uncovered: the journal says so in a row, its owner
may do nothing but prove, and what it puts in later fills the gap first. What a batch cannot take from somebody stays
open in the contract, on both sides, and is tried again when there is something to take or to give.
"""

import logging
from typing import Any

from proofyard.chain import ChainEvent, Reverted
from proofyard.chain.client import BURNT
from proofyard.core.rule import Rule
from proofyard.network.bank import Bank
from proofyard.network.market import Market
from proofyard.network.messages import Signed
from proofyard.network.refusals import Refused
from proofyard.network.watching import MarketMetrics, tell

FREE_VERBS = ("join", "prove", "skip", "cancel")  # of who has taken money out that the rule holds
log = logging.getLogger("proofyard.settlement")


class Claims:
    """Of one coordinator's market.

    Attributes
    ----------
    open : gwei by address that batches have left open: below zero owed to others, else waited for

    Parameters
    ----------
    bank : its counter at the chain
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.open: dict[str, int] = {}
        self._events: dict[str, dict[str, ChainEvent]] = {name: {} for name in ("Withdrawn", "Recalled", "Open")}
        self._tried: set[str] = set()  # names of recalls

    def look_at_delay(self, market: Market) -> None:
        """Warn where the vault lets money go while the rule still holds it, should no coordinator call it back."""
        holds = holds_s(market.rule)
        if self._bank.delay < holds:
            sentence = "the vault's delay is shorter than the rule can hold money: what is staked can leave meanwhile"
            tell(log, f"{sentence} if no coordinator runs for so long", logging.WARNING, delay_s=self._bank.delay,
                 rule_holds_s=holds)  # fmt: skip

    def count(self, place: str, event: ChainEvent) -> None:
        """Note an event of the chain that counts from now on, or no longer."""
        there = self._events.get(event.name)
        if there is None:
            return
        if event.gone:
            there.pop(place, None)
        else:
            there[place] = event
        if event.name == "Open":
            newest = {_whose(each): int(each.arguments["amount"]) for each in there.values()}
            self.open = {address: gwei for address, gwei in newest.items() if gwei}

    def opened(self, transaction: str) -> dict[str, int]:
        """Say what is open since a batch of those it left something open of, or closed, gwei by address."""
        found = [event for event in self._events["Open"].values() if event.transaction == transaction]
        return {_whose(event): int(event.arguments["amount"]) for event in found}

    def uncovered(self, market: Market, actor: int, event: ChainEvent) -> int:
        """Return how many gwei of a withdrawal from the vault no row has let go."""
        told = [each for each in self._events["Withdrawn"].values() if _whose(each) == market.addresses[actor]]
        out = sum(int(each.arguments["amount"]) for each in told if each[:2] <= event[:2])
        return max(0, out - market.let_go.get(actor, 0) - market.lost.get(actor, 0))

    def recall(self, market: Market) -> None:
        """Call back, once, each sum that was asked of the vault while the rule holds it. Raises Fault, BadInput."""
        for actor, sums in list(market.kept_in.items()):
            address = market.addresses[actor]
            back = sum(_whose(event) == address for event in self._events["Recalled"].values())
            for number, gwei in enumerate(sums[back:], back):
                name = f"recall {address} {number}"
                if name in self._tried or self._bank.client.outbox.knows(name):
                    continue
                try:
                    self._bank.recall(address, gwei, name)
                except Reverted as error:
                    tell(log, "money the rule holds cannot be called back", logging.ERROR, address=address, gwei=gwei,
                         why=error.error)  # fmt: skip
                self._tried.add(name)

    def to_try(self) -> list[str]:
        """List whose open sums to try again: all, if somebody who owes has something, or the coordinator can help."""
        house = self._bank.client.address.lower()
        owing = [address for address, gwei in self.open.items() if gwei < 0]
        waiting = any(gwei > 0 and address not in (house, BURNT) for address, gwei in self.open.items())
        able = any(self._bank.held(address) and self._bank.mandate_left(address) for address in owing)
        return list(self.open) if able or (waiting and self._bank.held(house)) else []

    def check(self, market: Market, signed: Signed) -> None:
        """Let who has taken money out that the rule holds do nothing but prove. Raises Refused."""
        missing = market.uncovered.get(market.numbers.get(signed.sender, -1), 0)
        if missing and signed.verb not in FREE_VERBS:
            wanted = "somebody whose money is in the vault as far as the rule holds it"
            raise Refused("UNCOVERED", "message.sender", wanted, f"{missing} gwei less; they are to be put in again")

    def measure(self, market: Market, metrics: MarketMetrics) -> None:
        """Show what is not covered, and what is owed."""
        metrics.uncovered.set(sum(market.uncovered.values()))
        metrics.owed.set(-sum(gwei for gwei in self.open.values() if gwei < 0))

    def told(self, market: Market | None) -> dict[str, Any]:
        """Say what is not covered, and what is open."""
        uncovered = market.uncovered if market is not None else dict[int, int]()
        named = {market.addresses[actor]: gwei for actor, gwei in uncovered.items()} if market is not None else {}
        return {"uncovered_gwei": named, "open_gwei": self.open}


def holds_s(rule: Rule) -> int:
    """Return how long a rule can hold money, s: all times among its parameters, one after the other."""
    named = zip(rule.params._fields, rule.params, strict=True)
    times = [int(value) for name, value in named if name.endswith(("_ms", "_window", "_cooldown"))]
    return -(-sum(times) // 1_000)


def _whose(event: ChainEvent) -> str:
    return str(event.arguments["account"]).lower()
