"""What a transaction spent its gas on, so that its price on another chain follows from what was measured here."""

from typing import Any

from proofyard.chain.connection import Chain
from proofyard.worlds.gas import ETHEREUM, NEW_SLOT, RESET_SLOT, Counts

PRECOMPILES = 0x11  # addresses up to it
ACCOUNT_OPS = {"BALANCE": 1, "EXTCODESIZE": 1, "EXTCODECOPY": 1, "EXTCODEHASH": 1,
               "CALL": 2, "STATICCALL": 2, "DELEGATECALL": 2, "CALLCODE": 2}  # fmt: skip
PAGE_BITS = 7  # Monad's pages have 128 slots
PAIR_BYTES = 192


class _Reader:
    """Follows a trace and counts."""

    def __init__(self, sender: str, target: str) -> None:
        self.counts = Counts()
        self.contexts = [target]  # whose storage each depth works on
        self.accounts = {sender, target}
        self.slots: set[tuple[str, int]] = set()
        self.pages: set[tuple[str, int]] = set()
        self.written: set[tuple[str, int]] = set()

    def step(self, log: dict[str, Any]) -> None:
        """Count one instruction."""
        op, depth = log["op"], log["depth"]
        del self.contexts[depth:]
        if op in ACCOUNT_OPS:
            place = int(log["stack"][-ACCOUNT_OPS[op]], 16)
            self._account(place)
            if ACCOUNT_OPS[op] == 2:  # noqa: PLR2004 - a call
                self._call(op, place, log["stack"])
        elif op in ("SLOAD", "SSTORE"):
            self._slot(op, int(log["stack"][-1], 16), int(log["gasCost"]))

    def _account(self, place: int) -> None:
        address = f"0x{place & (2**160 - 1):040x}"
        if place > PRECOMPILES and address not in self.accounts:
            self.accounts.add(address)
            self.counts.cold_accounts += 1

    def _call(self, op: str, place: int, stack: list[str]) -> None:
        counts = self.counts
        size = int(stack[-5 if op in ("CALL", "CALLCODE") else -4], 16)
        match place:
            case 1:
                counts.ec_recover += 1
            case 6:
                counts.ec_add += 1
            case 7:
                counts.ec_mul += 1
            case 8:
                counts.pairings += 1
                counts.pairs += size // PAIR_BYTES
            case _:
                keeps = op in ("DELEGATECALL", "CALLCODE")
                self.contexts.append(self.contexts[-1] if keeps else f"0x{place & (2**160 - 1):040x}")

    def _slot(self, op: str, slot: int, cost: int) -> None:
        here, counts = self.contexts[-1], self.counts
        page = (here, slot >> PAGE_BITS)
        if (here, slot) not in self.slots:
            self.slots.add((here, slot))
            counts.cold_slots += 1
            cost -= ETHEREUM.cold_slot
        if page not in self.pages:
            self.pages.add(page)
            counts.cold_pages += 1
        if op == "SLOAD" or cost < RESET_SLOT:
            return
        if cost >= NEW_SLOT:
            counts.new_slots += 1
        else:
            counts.reset_slots += 1
        if page not in self.written:
            self.written.add(page)
            counts.written_pages += 1


def count(chain: Chain, transaction: str) -> Counts:
    """Trace a mined transaction and count. Raises RpcError where the node cannot trace."""
    sent = chain.rpc("eth_getTransactionByHash", transaction)
    receipt = chain.rpc("eth_getTransactionReceipt", transaction)
    options = {"disableStorage": True, "disableMemory": True, "enableMemory": False}
    trace = chain.rpc("debug_traceTransaction", transaction, options)
    reader = _Reader(sent["from"].lower(), (sent["to"] or "0x").lower())
    refund = 0
    for log in trace["structLogs"]:
        reader.step(log)
        refund = max(refund, int(log.get("refund") or 0))
    used = int(receipt["gasUsed"], 16)
    # A refund is at most a fifth of the gas before it.
    reader.counts.refund = min(refund, used // 4)
    reader.counts.gas = used + reader.counts.refund
    return reader.counts
