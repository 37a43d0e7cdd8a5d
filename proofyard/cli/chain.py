"""`proofyard chain`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from proofyard.cli.shared import Json, Whole, print_json

if TYPE_CHECKING:
    from proofyard.chain import Client
    from proofyard.chain.cost import Cost

TOKEN = 10**9  # gwei


def chain(
    action: Literal["cost", "profiles", "income", "deploy", "balance", "deposit", "leave", "withdraw", "watch"],
    *,
    profile: str = "",
    url: str | None = None,
    market: Path = Path("market.json"),
    key: Path | None = None,
    verifier: Path | None = None,
    amount: float = 0.0,
    seconds: float | None = None,
    own: float = 10e6,
    delegated: float = 0.0,
    commission: Whole = 1_000,
    proofs: float = 1_000.0,
    fee: float = 1.0,
    cost: float = 0.2,
    json: Json = False,
) -> None:
    """Costs on chain, chains by name, a market's contracts: deploy, deposit, withdraw, watch.

    Example: proofyard chain cost --profile monad

    Parameters
    ----------
    action
        cost: what settling one proof costs, per way of settling; all profiles unless one is named.
        profiles: the chains that are known by name. income: blocks and proofs of a validator that proves, a day.
        deploy, balance, deposit, leave, withdraw, watch: a market's contracts.
    profile
        Chain, by name or TOML file; anvil for what needs a node.
    url
        Of its node, instead of the profile's.
    market
        File with the market's addresses: deploy writes it, the others read it.
    key
        File with a private key; on a development chain, the first well-known account without one.
    verifier
        deploy: Solidity file of a verifier, as `proofyard prove --out` writes it.
    amount
        deposit, leave: tokens.
    seconds
        watch: for so long; for ever without it.
    own
        income: tokens of its own that a validator stakes.
    delegated
        income: tokens that others stake with it.
    commission
        income: bips of the rewards of what is delegated.
    proofs
        income: how many a day.
    fee
        income: tokens that a proof earns.
    cost
        income: tokens that making a proof costs.
    json
        Print as JSON.
    """
    _check(amount=amount, seconds=seconds or 0.0, own=own, delegated=delegated, proofs=proofs, fee=fee, cost=cost)
    if action in ("cost", "profiles", "income"):
        _tables(action, profile, json=json, own=own, delegated=delegated, commission_bips=commission, proofs=proofs,
                fee=fee, cost=cost)  # fmt: skip
    elif action == "deploy":
        _deploy(profile or "anvil", url, market, key, verifier, json=json)
    elif action == "watch":
        _watch(_client(profile or "anvil", url, market, key), seconds, json=json)
    else:
        client = _client(profile or "anvil", url, market, key)
        _move(client, action, round(amount * TOKEN), json=json)


def _check(**terms: float) -> None:
    """Refuse what is no amount. Raises BadInput."""
    from math import isfinite

    from proofyard.core.errors import BadInput

    for name, value in terms.items():
        if not isfinite(value) or value < 0:
            raise BadInput(f"--{name}", "a number that is not negative", value)


def _tables(action: str, profile: str, *, json: bool, **terms: Any) -> None:
    from proofyard.chain import cost, profiles

    if action == "income":
        chosen = profiles.read(profile or "monad")
        found = cost.income(chosen, **terms)
        rows = [{name: round(value, 4) for name, value in found._asdict().items()}]
        shown = [{f"{chosen.token} a day": chosen.name} | {name.replace("_", " "): v for name, v in rows[0].items()}]
    elif action == "profiles":
        rows = [profiles.read(name).model_dump() for name in profiles.names()]
        names = ("name", "chain_id", "block_s", "confirmations", "token", "charges_limit")
        shown = [{key: row[key] for key in names} for row in rows]
    else:
        lines = cost.table([profile] if profile else None)
        rows = [line._asdict() for line in lines]
        shown = [_costs(line) for line in lines]
    if json:
        print_json(rows)
    else:
        _print_rows(shown)


def _costs(line: "Cost") -> dict[str, Any]:
    """Write a line of the table of costs for people."""
    from proofyard.chain import profiles

    token, free = profiles.read(line.profile).token, "\N{EN DASH}"  # free: nobody sells this token
    tokens, usd = f"{line.tokens:,.3g} {token}", f"{line.usd:,.3g}" if line.usd else free
    return {"chain": line.profile, "way of settling": line.scenario, "gas, paid for": line.charged, "tokens": tokens,
            "USD": usd}  # fmt: skip


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for name, value in rows[0].items():
        said = name in ("tokens", "USD") or not isinstance(value, str)
        table.add_column(name, overflow="fold", no_wrap=said, justify="right" if said else "left")
    for row in rows:
        table.add_row(*map(_tell, row.values()))
    Console().print(table)


def _tell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _account(key: Path | None, chain_id: int) -> Any:
    from eth_account import Account

    from proofyard.chain import devchain
    from proofyard.core.errors import BadInput

    if key is None:
        if chain_id != devchain.CHAIN_ID:
            raise BadInput("--key", "a file with a private key on a chain that is not for development", "none")
        return devchain.account(0)
    try:
        return Account.from_key(key.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise BadInput("--key", f"a file with a private key in {key}", type(error).__name__) from None


def _client(profile: str, url: str | None, market: Path, key: Path | None) -> "Client":
    from proofyard.chain import Chain, Client, Deployment, profiles

    node = Chain(profiles.read(profile), url)
    account = _account(key, node.profile.chain_id)
    return Client(node, Deployment.read(market), account, market.with_suffix(f".{account.address[2:10]}.outbox"))


def _deploy(
    profile: str, url: str | None, market: Path, key: Path | None, verifier: Path | None, *, json: bool
) -> None:
    from proofyard.chain import Chain, Circuit, Kind, Outbox, deploy, profiles
    from proofyard.chain.build import compile_sources
    from proofyard.core.errors import BadInput
    from proofyard.tools.cache import digest

    if verifier is None or not verifier.is_file():
        raise BadInput("--verifier", "a Solidity file of a verifier, as `proofyard prove --out` writes it", verifier)
    node = Chain(profiles.read(profile), url)
    account = _account(key, node.profile.chain_id)
    built = compile_sources({verifier.name: verifier.read_text(encoding="utf-8")})
    code = max(built.values(), key=lambda artifact: artifact.runtime_bytes)
    circuit = verifier.stem.encode()[:32].ljust(32, b"\0")
    outbox = Outbox(node, account, market.with_suffix(f".{account.address[2:10]}.outbox"))
    label = f"deploy {digest(code.bytecode)}"
    found = deploy(outbox, account.address, {circuit: Circuit(code.bytecode, 3_000_000, Kind.ROLLUP)}, label=label)
    found.save(market)
    if json:
        print_json(vars(found))
    else:
        _print_rows([{"contract": name, "address": address} for name, address in found.addresses.items()])
        print(f"wrote {market}")


def _move(client: "Client", action: str, gwei: int, *, json: bool) -> None:
    if action == "deposit":
        client.deposit(gwei)
    elif action == "leave":
        client.leave(gwei)
    elif action == "withdraw":
        client.withdraw()
    free, leaving, ready = client.read("Vault", "accounts", client.address)
    found = {"account": client.address, "free_gwei": free, "leaving_gwei": leaving, "ready_s": ready}
    if json:
        print_json(found)
    else:
        _print_rows([found])


def _watch(client: "Client", seconds: float | None, *, json: bool) -> None:
    from proofyard.chain import Indexer

    for event in Indexer(client.chain, client.deployment).follow(seconds=seconds):
        if json:
            print_json(event._asdict())
        else:
            words = " ".join(f"{name}={value}" for name, value in event.arguments.items())
            print(
                f"{event.block} {'taken back: ' if event.gone else ''}{event.contract}.{event.name} {words}", flush=True
            )
