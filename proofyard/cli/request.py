"""`proofyard request`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from proofyard.cli.shared import Json, print_json

if TYPE_CHECKING:
    from proofyard.network.client import AsyncMarket
    from proofyard.network.messages import Signer
    from proofyard.network.requester import Again


def request(
    *,
    market: str = "http://127.0.0.1:8700",
    key: Path | None = None,
    ceiling: str = "2.0",
    size: int = 1_000_000,
    transfers: int = 16,
    batches: int = 1,
    again: int = 5,
    raise_percent: int = 20,
    most: str = "100",
    seed: int = 1,
    cancel: int | None = None,
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
    json
        Print what became of each request as JSON.
    """
    import asyncio
    from itertools import islice

    from proofyard.core.errors import BadInput, Fault
    from proofyard.network.keystore import signer_from
    from proofyard.network.requester import Again, Rollup
    from proofyard.scenario import amount

    if batches < 1:
        raise BadInput("--batches", "a whole number from 1", batches)
    signer = signer_from(key)
    how = Again(again, raise_percent, int(amount(most) * 10**9))
    tasks = list(islice(Rollup(seed, transfers).tasks(), batches))
    wanted = [(task.to_bytes(), int(amount(ceiling) * 10**9), size) for task in tasks]

    told = asyncio.run(_run(market, signer, wanted, how, cancel, quiet=json))
    if json:
        print_json(told)
    else:
        for each in told:
            print(", ".join(f"{name} {value}" for name, value in each.items() if value not in ("", None)))
    if any(each.get("phase") == "LOST" or ("job" in each and each["job"] is None) for each in told):
        raise Fault(
            f"{sum(1 for each in told if each.get('phase') != 'SETTLED')} of {len(told)} requests were not proven."
        )


async def _run(
    url: str, signer: "Signer", wanted: list[tuple[bytes, int, int]], how: "Again", cancel: int | None, *, quiet: bool
) -> list[dict[str, Any]]:
    """Ask for all that is wanted, one after the other, or cancel."""
    from proofyard.network.client import AsyncMarket

    async with AsyncMarket(url, signer) as client:
        await client.join("requester")
        if cancel is not None:
            return [{"cancelled": cancel, "seq": (await client.cancel(cancel)).seq}]
        return [await _one(client, *each, how, quiet=quiet) for each in wanted]


async def _one(
    client: "AsyncMarket", payload: bytes, ceiling: int, size: int, how: "Again", *, quiet: bool
) -> dict[str, Any]:
    """Ask once, watch to the end, say what became of it."""
    from proofyard.network.requester import ask, watch, why_untaken

    asked = await ask(client, payload, ceiling, size, how)
    if asked.accepted is None:
        return {"job": None, "ceiling_gwei": asked.ceiling, "why": asked.why}
    job = asked.accepted.job
    async for step in watch(client, job):
        if not quiet:
            print(f"job {job}: {step['kind']} at {step['time'] / 1000:.1f} s", flush=True)
    view = await client.job(job)
    why = why_untaken(view) if view["phase"] == "LOST" else ""
    return {"job": job, "phase": view["phase"], "paid_gwei": view["paid_gwei"], "why": why}
