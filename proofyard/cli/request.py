"""`proofyard request`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from proofyard.cli.shared import Json, Whole, check_seed, gwei, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from proofyard.network.client import AsyncMarket
    from proofyard.network.purse import Purse
    from proofyard.network.requester import Again
    from proofyard.network.work import Task


def request(
    *,
    market: str = "http://127.0.0.1:8700",
    key: Path | None = None,
    ceiling: str = "2.0",
    size: Whole = 1_000_000,
    transfers: Whole = 16,
    batches: Whole = 1,
    again: Whole = 5,
    raise_percent: Whole = 20,
    most: str = "100",
    seed: Whole = 1,
    cancel: Whole | None = None,
    chain: str = "",
    deployment: Path | None = None,
    profile: str = "anvil",
    deposit: str = "0",
    json: Json = False,
) -> None:
    """Ask for proofs of batches of the sample rollup, and watch them to the end.

    Example: proofyard request --market http://127.0.0.1:8700 --key build/rollup.json --ceiling 2.0

    Where nobody takes a request it is asked again at a higher ceiling, and told why.

    Parameters
    ----------
    market
        URL; several, separated by commas, are tried in turn.
    key
        Keystore, made if there is none; its password is in PROOFYARD_PASSWORD. Or PROOFYARD_KEY.
    ceiling
        Tokens, the most a proof may cost.
    size
        Of each job, in the rule's unit, e.g. gas.
    transfers
        To a batch.
    batches
        How many, one after the other.
    again
        How often to ask again.
    raise_percent
        By how much the ceiling rises each time.
    most
        Tokens, the highest ceiling.
    seed
        Of the load.
    cancel
        Make a signed message with this nonce void instead, if it has not been accepted yet.
    chain
        URL of the chain's node, where the market's money is on a chain: a request then carries an order that pays.
    deployment
        File with the market's contracts there.
    profile
        Of the chain.
    deposit
        Tokens to put into the vault first, test tokens.
    json
        Print what became of each request as JSON.
    """
    import asyncio
    from itertools import islice

    from proofyard.core.errors import BadInput, Fault
    from proofyard.network.client import AsyncMarket
    from proofyard.network.keystore import signer_from
    from proofyard.network.requester import Again, Rollup

    if batches < 1:
        raise BadInput("--batches", "a whole number from 1", batches)
    if size < 1:
        raise BadInput("--size", "a whole number from 1", size)
    check_seed(seed)
    how = Again(again, raise_percent, gwei(most, "--most"))
    tasks = list(islice(Rollup(seed, transfers).tasks(), batches))
    wanted = Wanted(tasks, gwei(ceiling, "--ceiling"), size, gwei(deposit, "--deposit"))
    signer = signer_from(key)
    purse = None
    if chain:
        from proofyard.network.purse import Place, Purse

        if deployment is None:
            raise BadInput("--deployment", "the file with the market's contracts", "none")
        purse = Purse(Place(chain, deployment, profile), signer)

    told = asyncio.run(_run(AsyncMarket(market, signer), purse, wanted, how, cancel, quiet=json))
    if json:
        print_json(told)
    else:
        for each in told:
            print(", ".join(f"{name} {value}" for name, value in each.items() if value not in ("", None)))
    if any(each.get("phase") == "LOST" or ("job" in each and each["job"] is None) for each in told):
        raise Fault(
            f"{sum(1 for each in told if each.get('phase') != 'SETTLED')} of {len(told)} requests were not proven."
        )


class Wanted(NamedTuple):
    """What is asked for, one batch after the other."""

    tasks: "list[Task]"
    ceiling: int  # gwei
    size: int
    deposit: int  # gwei


async def _run(
    market: "AsyncMarket", purse: "Purse | None", wanted: Wanted, how: "Again", cancel: int | None, *, quiet: bool
) -> list[dict[str, Any]]:
    """Join, with money where that is on a chain; then ask for all that is wanted, or cancel."""
    from proofyard.network.purse import enter, kept

    async with market as client, kept(purse):
        if purse is None:
            await client.join("requester")
        else:
            await enter(client, purse, "requester", wanted.deposit)
        if cancel is not None:
            return [{"cancelled": cancel, "seq": (await client.cancel(cancel)).seq}]
        backend = (await client.market())["backend"]
        told: list[dict[str, Any]] = []
        for task in wanted.tasks:

            def payload(ceiling: int, task: "Task" = task) -> bytes:
                return task.to_bytes() if purse is None else purse.payload(task, ceiling, backend)

            told.append(await _one(client, payload, wanted, how, quiet=quiet))
        return told


async def _one(
    client: "AsyncMarket", payload: "Callable[[int], bytes]", wanted: Wanted, how: "Again", *, quiet: bool
) -> dict[str, Any]:
    """Ask once, watch to the end, say what became of it."""
    from proofyard.network.requester import ask, watch, why_untaken

    asked = await ask(client, payload, wanted.ceiling, wanted.size, how)
    if asked.accepted is None:
        return {"job": None, "ceiling_gwei": asked.ceiling, "why": asked.why}
    job = asked.accepted.job
    async for step in watch(client, job):
        if not quiet:
            print(f"job {job}: {step['kind']} at {step['time'] / 1000:.1f} s", flush=True)
    view = await client.job(job)
    why = why_untaken(view) if view["phase"] == "LOST" else ""
    return {"job": job, "phase": view["phase"], "paid_gwei": view["paid_gwei"], "why": why}
