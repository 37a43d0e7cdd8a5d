"""Putting a market on a chain, and finding it there again: addresses, and a hash of the code at each."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from eth_abi.abi import encode
from web3 import Web3

from proofyard.chain.build import artifacts
from proofyard.chain.connection import Chain
from proofyard.chain.outbox import DEPLOY, Outbox
from proofyard.chain.signing import Kind
from proofyard.core.errors import BadInput

DAY = 86_400  # s
ZERO = bytes(32)
NOBODY = "0x" + 40 * "0"


class Circuit(NamedTuple):
    """A circuit to add to the verifier's registry."""

    single: str  # code that makes the generated verifier contract, with its constructor's arguments
    single_gas: int  # gas it may use, twice what a good proof takes
    kind: Kind = Kind.PLAIN
    version: int = 1
    joined: str = ""  # the same of the circuit that joins proofs
    joined_gas: int = 0
    joined_key: bytes = ZERO  # hash of the joining circuit's key


@dataclass(frozen=True)
class Terms:
    """What a market is deployed with. Times s, rates bips."""

    delay: int = DAY  # s from asking for money back to having it
    unbonding: int = 8 * DAY  # s that stake waits; longer than any job
    refund: int = 5_000  # bips of a lost bond for the requester
    rollup_circuit: bytes = ZERO
    rollup_chain: int = 0  # for which its transfers are signed
    rollup_genesis: bytes = ZERO


@dataclass(frozen=True)
class Deployment:
    """A market on a chain."""

    chain_id: int
    coordinator: str
    block: int  # first block worth looking at
    addresses: dict[str, str]  # by contract
    code: dict[str, str]  # hash of the code there, by contract

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Deployment":
        """Read what `save` wrote. Raises BadInput."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(str(path), "a deployment as `proofyard chain deploy` writes it", error) from None

    def check(self, chain: Chain) -> None:
        """Refuse another chain, or contracts that are not the ones deployed. Raises BadInput."""
        if chain.profile.chain_id != self.chain_id:
            raise BadInput("deployment", f"one on chain {chain.profile.chain_id} ({chain.profile.name})", self.chain_id)
        for name, address in self.addresses.items():
            found = code_hash(chain, address)
            if found != self.code[name]:
                raise BadInput(f"deployment.{name}", f"the code that was deployed at {address}", "other code or none")


def code_hash(chain: Chain, address: str) -> str:
    """Hash of the code at an address."""
    return Web3.to_hex(Web3.keccak(hexstr=chain.rpc("eth_getCode", address, "latest")))


def init_code(name: str, *arguments: Any) -> str:
    """Code that makes a contract, with its constructor's arguments."""
    artifact = artifacts()[name]
    types = [part["type"] for entry in artifact.abi if entry["type"] == "constructor" for part in entry["inputs"]]
    return artifact.bytecode + encode(types, arguments).hex()


def deploy(
    outbox: Outbox, coordinator: str, circuits: Mapping[bytes, Circuit], *, terms: Terms = Terms(),
    rules: Mapping[str, list[int]] | None = None, label: str = "deploy",
) -> Deployment:  # fmt: skip
    """Put everything on the chain of `outbox` and seal the vault.

    Parameters
    ----------
    outbox : of the owner, who can add circuits and pause, and nothing else
    coordinator : address that chooses offers and settles batches
    circuits : by name, 32 bytes
    rules : markets with a rule on chain to add, such as `ContestMarket`, with the rule's parameters in order
    label : begins the names of the transactions: the same label never deploys twice

    Raises
    ------
    Reverted, BadInput, Fault : as for `Outbox.send` and `wait`.
    """
    at: dict[str, str] = {}
    first = outbox.chain.block_number() + 1  # anvil makes its first block anew when it is started from its state

    def make(**codes: str) -> None:
        for name, code in codes.items():
            outbox.send(f"{label} {name}", DEPLOY, code)
        for name in codes:
            contract = outbox.wait(f"{label} {name}").contract
            at[name] = Web3.to_checksum_address(str(contract))

    generated = {f"single {name.hex()[:16]}": circuit.single for name, circuit in circuits.items()}
    generated |= {f"joined {name.hex()[:16]}": circuit.joined for name, circuit in circuits.items() if circuit.joined}
    make(Token=init_code("Token"), Verifier=init_code("Verifier"), **generated)
    make(Vault=init_code("Vault", at["Token"], terms.delay, terms.unbonding))
    shared = (at["Vault"], at["Verifier"])
    markets = {name: init_code(name, *shared, params) for name, params in (rules or {}).items()}
    make(
        Market=init_code("Market", *shared, coordinator, terms.refund),
        Settlement=init_code("Settlement", *shared, coordinator),
        **markets,
    )
    keepers = [at[name] for name in ("Market", "Settlement", *markets)]
    steps = [outbox.send(f"{label} seal", at["Vault"], calldata("Vault", "seal", keepers))]
    for name, circuit in circuits.items():
        data = calldata("Verifier", "add", name, _entry(at, name, circuit))
        steps.append(outbox.send(f"{label} add {name.hex()}", at["Verifier"], data))
    genesis = (terms.rollup_circuit, terms.rollup_chain, terms.rollup_genesis)
    make(Rollup=init_code("Rollup", at["Market"], at["Settlement"], *genesis))
    for step in steps:
        outbox.wait(step)
    code = {name: code_hash(outbox.chain, address) for name, address in at.items()}
    return Deployment(outbox.chain.profile.chain_id, coordinator, first, at, code)


def _entry(at: Mapping[str, str], name: bytes, circuit: Circuit) -> tuple[Any, ...]:
    """Write a circuit as the registry's contract does."""
    single = at[f"single {name.hex()[:16]}"]
    joined = at.get(f"joined {name.hex()[:16]}", NOBODY)
    kind, retired = int(circuit.kind), False
    return (single, circuit.single_gas, circuit.version, kind, retired, joined, circuit.joined_gas, circuit.joined_key)


def calldata(contract: str, function: str, *arguments: Any) -> str:
    """Encode a call."""
    entry = abi_of(contract, function)
    types = [type_of(part) for part in entry["inputs"]]
    selector = Web3.keccak(text=f"{function}({','.join(types)})")[:4]
    return Web3.to_hex(bytes(selector) + encode(types, arguments))


def abi_of(contract: str, function: str) -> dict[str, Any]:
    """Find a function of a contract."""
    return next(e for e in artifacts()[contract].abi if e["type"] == "function" and e["name"] == function)


def type_of(part: Mapping[str, Any]) -> str:
    """Write an ABI type, tuples spelled out."""
    if not part["type"].startswith("tuple"):
        return part["type"]
    inner = ",".join(type_of(component) for component in part["components"])
    return f"({inner}){part['type'].removeprefix('tuple')}"
