"""`proofyard prover`."""

from pathlib import Path

from proofyard.cli.shared import Json, Whole, print_json


def prover(
    *,
    config: Path,
    key: Path | None = None,
    state: Path = Path("build/prover"),
    size: Whole = 16,
    metrics: Whole = 0,
    traces: Path | None = None,
    json: Json = False,
) -> None:
    """Run a prover node: it takes what it can finish, proves it, says why it skips the rest.

    Example: proofyard prover --config prover.toml --key build/prover/key.json

    It waits for a market that is away. SIGTERM lets it finish what it has. The configuration is read again whenever it
    changes.

    Parameters
    ----------
    config
        TOML file: market, name, policy, price_gwei, profile or capacity, stake_gwei, backend, … (docs/live.md).
    key
        Keystore, made if there is none; its password is in PROOFYARD_PASSWORD. Or PROOFYARD_KEY.
    state
        Folder for what it has on its hands.
    size
        Transfers its circuit has room for.
    metrics
        Port for Prometheus metrics, 0 none.
    traces
        File for OpenTelemetry spans, a JSON object a line.
    json
        Print what it did as JSON at the end.
    """
    import sys

    from proofyard.network.keystore import signer_from
    from proofyard.network.server import backend_of, prove_until_told, run, speed_for
    from proofyard.network.settings import Watched
    from proofyard.network.watching import log_to_stderr, trace_to

    settings = Watched(config, transfers=size)
    signer = signer_from(key)
    log_to_stderr()
    spans = trace_to(traces, "prover") if traces is not None else None
    now = settings.now
    speed = speed_for(now.setup_ms, size) if now.setup_ms else 1.0
    parts = state / f"{signer.address}-parts"
    backend = backend_of(now.backend, lambda line: print(line, file=sys.stderr), speed=speed, size=size, parts=parts)
    running = prove_until_told(
        signer, settings, backend, state, transfers=_fixed(now.backend, size), metrics_port=metrics
    )
    node = run(running)
    backend.close()
    if spans is not None:
        spans.shutdown()
    if json:
        print_json({"name": now.name, "address": signer.address, "busy_ms": node.busy_ms if node is not None else 0})


def _fixed(backend: str, size: int) -> int:
    """Transfers a node's circuit has room for; a stand-in has none."""
    return 0 if backend == "calibrated" else size
