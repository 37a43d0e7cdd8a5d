"""What fuzzing must have reached before its silence means anything."""

from collections.abc import Iterator

from proofyard.conformance.fuzz import Fuzzed
from proofyard.conformance.script import kind_name
from proofyard.core.event import Kind, Phase, Verdict

JOB_KINDS = (Kind.REQUEST, *(kind for kind in Kind if kind >= Kind.BID))
PAYMENTS = (Kind.STAKE, Kind.DELEGATE, Kind.TRANSFER, Kind.UNSTAKE, Kind.WITHDRAW)  # must move money at least once


def missing(found: Fuzzed) -> list[str]:
    """Say what every rule must reach and this one did not."""
    return list(_missing(found))


def _missing(found: Fuzzed) -> Iterator[str]:
    """Go through the kinds the rule has a use for, then through what every market is there for."""
    for kind in sorted(found.used):
        verdicts = {verdict for k, verdict in found.pairs if k == kind}
        name = kind_name(kind)
        if Verdict.OK not in verdicts:
            yield f"{name} was never accepted"
        elif len(verdicts) == 1:
            yield f"{name} was never refused"
        elif kind in PAYMENTS and not any(f[0] == "moved" and f[1] == kind for f in found.features):
            yield f"{name} never moved money"
    if not any(f[0] == "life" and f[-1] == Phase.SETTLED for f in found.features):
        yield "no job was ever SETTLED"
    if not any(f[0] == "moved" and f[1] in JOB_KINDS for f in found.features):
        yield "no event about a job ever moved money"
