"""What an operator sees of a market: Prometheus metrics, OpenTelemetry traces, logs as JSON lines."""

import json
import logging
import sys
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from proofyard.network.records import Row, name_of

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_tracer = trace.get_tracer("proofyard")
_tracing = False  # whether anybody keeps the spans: each costs as much as the rule's answer


class MarketMetrics:
    """Of a coordinator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry, "namespace": "proofyard"}
        self.rows = Counter("rows", "Rows written", ["kind"], **own)
        self.refusals = Counter("refusals", "Commands refused", ["reason"], **own)
        self.commit = Histogram("commit_seconds", "Time of a durable group commit", buckets=SECONDS, **own)
        self.group = Histogram("group_rows", "Rows in a group", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256), **own)
        self.verify = Histogram("verify_seconds", "Time to verify a proof", buckets=SECONDS, **own)
        self.accept = Histogram(
            "accept_seconds",
            "Time from a message's, or a sheet's, arrival to its rows",
            ["verb"],
            buckets=SECONDS,
            **own,
        )
        self.waiting = Gauge("commands_waiting", "Commands not yet decided", **own)
        self.listeners = Gauge("listeners", "Open event streams", **own)
        self.open_jobs = Gauge("open_jobs", "Jobs that are not final", **own)
        self.seq = Gauge("journal_seq", "Number of the newest row", **own)
        self.writing = Gauge("writing", "1 while this process holds the journal's lock", **own)
        self.uncovered = Gauge("uncovered_gwei", "Held by the rule and no longer in the vault", **own)
        self.owed = Gauge("owed_gwei", "Not paid by who should have, in batches so far", **own)
        self.failures = Counter("journal_failures", "Groups the database did not take", **own)
        self._rows_of = cache(self._find_rows_of)  # to find a label costs as much as to count
        self._accept_of = cache(self.accept.labels)

    def _find_rows_of(self, kind: int) -> Counter:
        return self.rows.labels(name_of(kind))

    def kept(self, rows: Sequence[Row], seconds: float) -> None:
        """Count rows that became durable together, in so many seconds."""
        self.commit.observe(seconds)
        for kind, count in Tally(row.kind for row in rows).items() if len(rows) > 1 else ((rows[0].kind, 1),):
            self._rows_of(kind).inc(count)
        self.group.observe(len(rows))
        self.seq.set(rows[-1].seq)

    def accepted(self, verb: str, seconds: float) -> None:
        """Count a message, or a sheet, whose rows are durable so long after it came."""
        self._accept_of(verb).observe(seconds)


class ProverMetrics:
    """Of a prover node."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry, "namespace": "proofyard_prover"}
        self.proofs = Counter("proofs", "Proofs by what became of them", ["result"], **own)
        self.skips = Counter("skips", "Requests skipped", ["reason"], **own)
        self.proving = Histogram("proving_seconds", "Time of a proof", buckets=(*SECONDS, 30, 60, 300), **own)
        self.queue = Gauge("queue", "Jobs taken on and not handed in", **own)
        self.ready = Gauge("ready", "1 while it takes jobs, 0 while it waits for its market or drains", **own)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "what": record.getMessage(),
        }
        more = getattr(record, "told", None)
        if isinstance(more, Mapping):
            told |= more
        if record.exc_info and record.exc_info[1]:
            told["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        return json.dumps(told, default=str, ensure_ascii=False)


def log_to_stderr(level: str = "INFO") -> None:
    """Write the package's log as JSON lines, one an event."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logger = logging.getLogger("proofyard")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def tell(logger: logging.Logger, what: str, level: int = logging.INFO, **told: object) -> None:
    """Log a sentence with values beside it."""
    logger.log(level, what, extra={"told": told})


def span(name: str, **told: str | int) -> AbstractContextManager[object]:
    """Measure the block as a span of that name."""
    return _tracer.start_as_current_span(name, attributes=told) if _tracing else _NOTHING


_NOTHING = nullcontext()


def trace_to(path: Path, role: str) -> TracerProvider:
    """Write the spans of this process to a file, one JSON object a line."""
    global _tracing  # noqa: PLW0603 - one a process, as OpenTelemetry's own provider
    _tracing = True
    provider = TracerProvider(resource=Resource.create({"service.name": f"proofyard-{role}"}))
    file = path.open("a", encoding="utf-8")
    exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider
