"""What a proof says, and the proof: plain values that travel between processes, machines and chains."""

import json
from dataclasses import dataclass
from typing import NamedTuple

from proofyard.core.errors import BadInput
from proofyard.rollup.batch import Batch, commit_joined
from proofyard.rollup.field import FR

ADDRESS_BITS = 160
LONGEST = 65_536  # bytes of a file with a proof; ours have under 30,000


class Statement(NamedTuple):
    """The public inputs of every circuit, in this order.

    Attributes
    ----------
    old_root, new_root : of the tree of accounts, before and after
    commitment : to the transfers, in order
    fee_gwei : sum of their fees
    chain_id : for which they were signed
    payout : address that the proof pays, as a number
    node_key : hash of the key of the joining circuit; 0 in a proof that is not to be joined
    """

    old_root: int
    new_root: int
    commitment: int
    fee_gwei: int
    chain_id: int
    payout: int
    node_key: int

    def to_bytes(self) -> bytes:
        """Write the numbers, 32 bytes each, big-endian: Barretenberg's file of public inputs."""
        return b"".join(number.to_bytes(32, "big") for number in self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Statement":
        """Read what `to_bytes` wrote. Raises BadInput for another length or a number that is none of the field."""
        if len(data) != 32 * len(cls._fields):
            raise BadInput("public inputs", f"{32 * len(cls._fields)} bytes", len(data))
        numbers = [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32)]
        if max(numbers) >= FR:
            raise BadInput("public inputs", "numbers below the prime of the field", hex(max(numbers)))
        return cls(*numbers)


def state_of(batch: Batch, payout: int, node_key: int) -> Statement:
    """Say what a proof of a batch proves."""
    if not 0 <= payout < 1 << ADDRESS_BITS:
        raise BadInput("payout", "an address of 20 bytes", hex(payout))
    return Statement(batch.old_root, batch.new_root, batch.commitment, batch.fee_gwei, batch.chain_id, payout, node_key)


def state_joined(left: Statement, right: Statement) -> Statement:
    """Say what the join of two proofs proves.

    Raises
    ------
    BadInput : the second doesn't follow the first, or they are of another chain, payee or joining circuit.
    """
    if left.new_root != right.old_root:
        raise BadInput("join", f"a proof that starts at root {left.new_root:#x}", f"one from {right.old_root:#x}")
    for name in ("chain_id", "payout", "node_key"):
        if getattr(left, name) != getattr(right, name):
            raise BadInput(f"join.{name}", hex(getattr(left, name)), hex(getattr(right, name)))
    commitment = commit_joined(left.commitment, right.commitment)
    fees = left.fee_gwei + right.fee_gwei
    return left._replace(new_root=right.new_root, commitment=commitment, fee_gwei=fees)


def written(statement: Statement) -> dict[str, str]:
    """Write each number as people do: amounts and the chain in decimals, the address with all its digits."""
    digits = {"fee_gwei": "d", "chain_id": "d", "payout": f"#0{2 + ADDRESS_BITS // 4}x"}
    return {name: format(number, digits.get(name, "#x")) for name, number in statement._asdict().items()}


def difference(wanted: Statement, given: Statement) -> str:
    """Say in which number two statements differ, "" if in none."""
    mine, theirs = written(wanted), written(given)
    return next((f"{name} is {theirs[name]}, not {mine[name]}" for name in mine if mine[name] != theirs[name]), "")


@dataclass(frozen=True)
class Proof:
    """A proof with what it proves.

    Attributes
    ----------
    backend : which made it
    circuit : name with size, depth and target, e.g. `leaf16-d16/recursive`
    version : digest of the circuit's key; another circuit has another
    secure : False if anybody could have forged it
    statement : what it proves
    data : the proof itself
    """

    backend: str
    circuit: str
    version: str
    secure: bool
    statement: Statement
    data: bytes

    def to_json(self) -> str:
        """Write for a file or the wire."""
        return json.dumps(
            {**vars(self), "statement": [hex(number) for number in self.statement], "data": self.data.hex()}
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "Proof":
        """Read what `to_json` wrote. Raises BadInput for anything else."""
        if len(text) > LONGEST:
            raise BadInput("proof", f"at most {LONGEST} bytes", len(text))
        try:
            read = json.loads(text)
            numbers = b"".join(int(number, 16).to_bytes(32, "big") for number in read["statement"])
            backend, circuit, version = (str(read[name]) for name in ("backend", "circuit", "version"))
            statement, data = Statement.from_bytes(numbers), bytes.fromhex(read["data"])
            return cls(backend, circuit, version, read["secure"] is True, statement, data)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            lacks = (
                f"a file without {error}" if isinstance(error, KeyError) else f"a file with another content: {error}"
            )
            raise BadInput("proof", "a proof as `proofyard prove` writes it", lacks) from None
