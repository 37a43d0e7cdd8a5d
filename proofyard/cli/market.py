"""`proofyard market`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from proofyard.cli.shared import Json, Whole, gwei, print_json

if TYPE_CHECKING:
    from proofyard.network.messages import Signer
    from proofyard.network.settlement import Settler


def market(
    journal: str,
    *,
    mechanism: Annotated[str | None, Parameter(name=["--mechanism", "-m"])] = None,
    host: str = "127.0.0.1",
    port: Whole = 8700,
    key: Path | None = None,
    actors: Whole = 256,
    grant: str = "1000",
    backend: Literal["calibrated", "noir", "groth16"] | None = None,
    traces: Path | None = None,
    name: str = "market",
    scenario: Path | None = None,
    chain: str = "",
    deployment: Path | None = None,
    profile: str = "anvil",
    json: Json = False,
) -> None:
    """Run a market's coordinator: the one writer of a journal, behind an HTTP API.

    Example: proofyard market build/market.db -m 'staked_pool(min_capacity=1)' --key build/coordinator.json

    Started twice on one journal with one key, the second stands by and takes over when the first is gone.

    Parameters
    ----------
    journal
        Path of an SQLite file, or postgresql://USER@HOST/DATABASE.
    mechanism
        Rule of a new journal; an old one keeps its own.
    host
        Address to listen on.
    port
        Port to listen on.
    key
        Keystore of the coordinator, made if there is none; its password is in PROOFYARD_PASSWORD. Or PROOFYARD_KEY.
    actors
        How many can ever join, for a new journal; at most 400 where the money is on a chain.
    grant
        Tokens of play money for everybody who joins, for a new journal.
    backend
        Whose proofs count, for a new journal (calibrated by default); an old one keeps its own.
    traces
        File for OpenTelemetry spans, a JSON object a line.
    name
        Of a new journal, for people.
    scenario
        What the explorer's pages compare with: a scenario, or the scenario.json of a live run.
    chain
        URL of a chain's node: the money is there, in the contracts of --deployment; play money without it.
    deployment
        File that `proofyard chain deploy` wrote; its coordinator has to be ours.
    profile
        Of the chain.
    json
        Print what was started as JSON.
    """
    import sys

    from proofyard.core.errors import BadInput
    from proofyard.explorer.app import Explorer, create_app
    from proofyard.explorer.source import JournalSource, scenario_from
    from proofyard.network.coordinator import Coordinator
    from proofyard.network.journal import connect
    from proofyard.network.keystore import signer_from
    from proofyard.network.market import source_of
    from proofyard.network.server import backend_of, run, serve
    from proofyard.network.watching import log_to_stderr, trace_to

    genesis, chosen = None, backend or _backend_in(journal)
    if mechanism is not None:
        from proofyard import mechanisms

        rule = mechanisms.rule(mechanism)
        grant_gwei = gwei(grant, "--grant")
        source = source_of(rule.module.__file__)
        genesis = {"mechanism": rule.call, "actors": actors, "grant_gwei": grant_gwei, "backend": chosen}
        genesis |= {"source": source, "scenario": name}
        if chain:
            from proofyard.network.bank import MOST_ACTORS

            if actors > MOST_ACTORS:
                raise BadInput("--actors", f"at most {MOST_ACTORS} where the money is on a chain", actors)
            genesis |= {"grant_gwei": 0}
    elif "://" not in journal and not Path(journal).exists():
        raise BadInput("--mechanism", "a rule for a new journal, e.g. -m race", f"none, and no journal at {journal}")
    told = scenario_from(scenario)
    pages = create_app(Explorer(lambda: JournalSource(journal, told)))
    signer = signer_from(key)
    log_to_stderr()
    settler = _settler(chain, deployment, profile, signer, journal) if chain else None
    if genesis is not None and settler is not None:
        genesis |= {"chain_id": settler.bank.deployment.chain_id, "contract": settler.bank.contract}
    spans = trace_to(traces, "market") if traces is not None else None
    verifier = backend_of(chosen, lambda line: print(line, file=sys.stderr))

    def begun() -> None:
        url = f"http://{host}:{port}"
        if json:
            print_json({"url": url, "coordinator": signer.address, "journal": journal})
        else:
            print(f"market: {url} (pages at /explorer/, documentation at /docs), coordinator {signer.address}")
        sys.stdout.flush()

    coordinator = Coordinator(connect(journal), signer, verifier, genesis, settler=settler)
    run(serve(coordinator, host, port, pages, begun=begun))
    if spans is not None:
        spans.shutdown()


def _backend_in(journal: str) -> str:
    """Say whose proofs count in a journal; the default for one that is not there now: its writer looks again."""
    from proofyard.core.errors import BadInput
    from proofyard.network.journal import JournalError, connect
    from proofyard.network.market import Genesis

    opened = connect(journal)
    try:
        first = next(iter(opened.rows(until=0)), None)
    except (BadInput, JournalError):
        first = None
    finally:
        opened.close()
    return "calibrated" if first is None else Genesis.model_validate_json(first.body).backend


def _settler(chain: str, deployment: Path | None, profile: str, signer: "Signer", journal: str) -> "Settler":
    """Go to the counter of the chain."""
    from proofyard.chain import Deployment
    from proofyard.core.errors import BadInput
    from proofyard.network.bank import Bank
    from proofyard.network.settlement import Settler

    if deployment is None:
        raise BadInput("--deployment", "the file with the market's contracts", "none")
    outbox = Path("build/market-outbox.db") if "://" in journal else Path(journal).with_suffix(".outbox.db")
    return Settler(Bank(chain, Deployment.read(deployment), signer, outbox, profile))
