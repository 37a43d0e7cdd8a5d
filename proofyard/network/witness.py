"""What the chain says about a journal: every deposit, withdrawal, batch, payment and block that the journal names.

The money each batch moved is computed again from the journal and compared with what the vault says it moved.
"""

from typing import Any

from proofyard.chain import Chain, ChainEvent, Deployment, Indexer, profiles, signing
from proofyard.core.errors import BadInput
from proofyard.network.books import Books, Part, Places, asked_in
from proofyard.network.journal import Journal
from proofyard.network.market import Market
from proofyard.network.orders import order_in
from proofyard.network.owned import owned
from proofyard.network.records import FIRST, Record, Row
from proofyard.network.work import Task


class Witness:
    """The chain of one market, for whoever audits its journal.

    Parameters
    ----------
    url : of the chain's node
    deployment : the market's contracts
    profile : of the chain

    Raises
    ------
    BadInput : another chain than the deployment's, or other contracts.
    Fault : nobody answers.
    """

    def __init__(self, url: str, deployment: Deployment, profile: str = "anvil") -> None:
        self._chain = Chain(profiles.read(profile), url)
        deployment.check(self._chain)
        self._deployment = deployment
        self._came: dict[str, ChainEvent] = {}  # deposits and leavings, by place
        self._out: dict[str, ChainEvent] = {}  # money that left the vault, by place
        self._open: dict[str, int] = {}  # gwei by address that batches have left open
        self._settled: dict[str, ChainEvent] = {}  # by transaction
        self._by_head: dict[str, list[ChainEvent]] = {}
        self._roots: list[ChainEvent] = []  # of the sample rollup, in order
        self._proven: set[str] = set()  # roots that paid proofs lead to
        self._within: dict[str, list[ChainEvent]] = {}  # what else happened, by transaction
        places = Places()
        for event in Indexer(self._chain, deployment, confirmations=0).poll():
            place = places.of(event)
            if event.name in ("Deposited", "Leaving"):
                self._came[place] = event
            elif event.name == "Withdrawn":
                self._out[place] = event
            elif event.name == "Advanced":
                self._roots.append(event)
            elif event.name == "Settled":
                self._settled[event.transaction] = event
                self._by_head.setdefault(event.arguments["head"][2:], []).append(event)
            else:
                self._within.setdefault(event.transaction, []).append(event)
        self._books: Books | None = None
        self._journal: Journal | None = None
        self._jobs: list[int] = []
        self._last: dict[int, int] = {}  # row that says so, by batch
        self.counts = {"deposits": 0, "withdrawals": 0, "uncovered": 0, "batches": 0, "payments": 0, "open": 0,
                       "blocks": 0, "roots": 0}  # fmt: skip

    def begin(self, journal: Journal) -> str:
        """Begin with a journal; say why it is not this chain's, "" if it is."""
        self._journal = journal
        self._books = Books(journal, FIRST)
        # A batch that the chain took back, and that came again by another transaction, has another row then.
        self._last = {row.amount: row.seq for row in journal.rows() if row.kind == Record.SETTLEMENT}
        genesis, contract = self._books.market.genesis, self._deployment.addresses["Settlement"].lower()
        if (genesis.chain_id, genesis.contract) != (self._deployment.chain_id, contract):
            return f"its money is in contract {genesis.contract} on chain {genesis.chain_id}, not in {contract}"
        return ""

    @property
    def market(self) -> Market:
        """The market, as far as it was followed. Raises BadInput before `begin`."""
        if self._books is None:
            raise BadInput("witness", "a journal to begin with", "none")
        return self._books.market

    def check_block(self, number: int, found: str) -> str:
        """Say whether the block in a word is the chain's, "" if it is."""
        header: dict[str, Any] | None = self._chain.rpc("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003
        self.counts["blocks"] += 1
        return "" if header is not None and header["hash"] == found else f"block {number} has another hash on the chain"

    def follow(self, row: Row, body: dict[str, Any]) -> str:
        """Go on by a row that holds by itself; say what the chain has against it, "" nothing."""
        books = self._books
        if books is None:
            raise BadInput("witness", "a journal to begin with", "none")
        jobs = books.follow(row)
        self._jobs += jobs
        wrong = self._record(row, body) if row.kind < 0 else ""
        found = [self._by_head.pop(head.hex(), []) for head in Part(row, jobs, {}).heads]
        events = [event for each in found for event in each]
        return wrong or (self._part(books, row, events) if found[-1] else "")  # else it is under way

    def _record(self, row: Row, body: dict[str, Any]) -> str:
        if row.kind == Record.DEPOSIT:
            return self._came_in(row, body, "Deposited", "deposits")
        if row.kind == Record.WITHDRAWAL and "verb" not in body:
            return self._came_in(row, body, "Leaving", "withdrawals")
        if row.kind == Record.UNCOVERED:
            return self._went_out(row, body)
        if row.kind == Record.SETTLEMENT and self._last.get(row.amount) == row.seq:
            event = self._settled.pop(str(body["transaction"]), None)
            if event is None:
                return f"transaction {body['transaction']} settled nothing on the chain, or stands in two rows"
            told = event.arguments
            if (told["batch"], told["head"][2:]) != (row.amount, body["head"]):
                return f"the chain's batch {told['batch']} with head {told['head']} is another than the row's"
        return ""

    def _went_out(self, row: Row, body: dict[str, Any]) -> str:
        """Compare what left the vault uncovered with what left it and what the journal had let go."""
        self.counts["uncovered"] += 1
        event, market = self._out.get(str(body["place"])), self.market
        address = market.addresses[row.actor]
        if event is None or event.arguments["account"].lower() != address:
            return f"no withdrawal of {address} from the vault stands behind it"
        left = self._left(address, event)
        let_go = market.let_go.get(row.actor, 0) + market.lost[row.actor]
        return "" if left == let_go else f"{left} gwei of {address} had left the vault, by the journal {let_go}"

    def _left(self, address: str, until: ChainEvent | None = None) -> int:
        """Add up what an account has taken out of the vault, gwei, up to an event."""
        mine = [event for event in self._out.values() if event.arguments["account"].lower() == address]
        return sum(event.arguments["amount"] for event in mine if until is None or event[:2] <= until[:2])

    def _came_in(self, row: Row, body: dict[str, Any], name: str, count: str) -> str:
        amount, event = asked_in(row, body), self._came.pop(str(body.get("place")), None)
        if event is None or event.name != name:
            return f"no {name} of the vault stands behind it, or the same one behind another row"
        owner = self.market.addresses[row.actor]
        self.counts[count] += 1
        if (event.arguments["account"].lower(), event.arguments["amount"]) != (owner, amount):
            return f"the vault says {event.arguments['amount']} gwei of {event.arguments['account']}"
        return ""

    def _part(self, books: Books, row: Row, events: list[ChainEvent]) -> str:
        """Compare what batches that end at a row moved and paid with what follows from the journal."""
        part = Part(row, self._jobs, owned(books.market))
        wanted = {a: v for a in part.owned if (v := part.owned[a] - books.base.get(a, 0) - books.flows.get(a, 0))}
        within = [event for each in events for event in self._within.get(each.transaction, [])]
        moved: dict[str, int] = {}
        for event in within:
            if event.name == "Moved":
                for name, sign in (("from", -1), ("to", 1)):
                    address = event.arguments[name].lower()
                    moved[address] = moved.get(address, 0) + sign * event.arguments["amount"]
        for event in within:
            if event.name == "Open":  # what was left open before, and is now, is no lie of the coordinator's
                address, still = event.arguments["account"].lower(), int(event.arguments["amount"])
                wanted[address] = wanted.get(address, 0) + self._open.get(address, 0) - still
                self._open[address] = still
                self.counts["open"] += 1
        moved, wanted = ({a: amount for a, amount in sums.items() if amount} for sums in (moved, wanted))
        if moved != wanted:
            other = min(a for a in {*moved, *wanted} if moved.get(a) != wanted.get(a))
            return f"its batch moved {moved.get(other, 0)} gwei of {other}, by the journal it is {wanted.get(other, 0)}"
        paid = sorted(tuple(str(v).lower() for v in e.arguments.values()) for e in within if e.name == "Paid")
        due = sorted(self._due(books, job) for job in self._jobs)
        if paid != due:
            return f"the chain paid {len(paid)} proofs by its batch that are not the {len(due)} of the journal"
        self.counts["batches"] += len(events)
        self.counts["payments"] += len(paid)
        books.close(part)
        self._jobs = []
        return ""

    def _due(self, books: Books, job: int) -> tuple[str, ...]:
        """Write a payment as the chain's event has it: order, requester, prover, price."""
        payload = self._journal.blob(books.asked[job]) if self._journal is not None else None
        order = order_in(payload or b"").order
        self._proven.add("0x" + Task.from_bytes(payload or b"").batch.new_root.to_bytes(32).hex())
        named = signing.hash_of(order, self._deployment.chain_id, self._deployment.addresses["Settlement"])
        return "0x" + named.hex(), *books.parties(job), str(books.price(job))

    def end(self) -> str:
        """Say what the chain knows that the journal does not, "" nothing."""
        if self._by_head:
            return f"the chain has settled {next(iter(self._by_head))}, which is no row of the journal"
        if self._settled:
            event = next(iter(self._settled.values()))
            return f"batch {event.arguments['batch']} of the chain, {event.transaction}, is in no row of the journal"
        for event in self._roots:
            if event.arguments["root"] not in self._proven:
                return f"step {event.arguments['height']} of the rollup leads to a root that no paid proof leads to"
            self.counts["roots"] += 1
        return ""
