"""Why the market said no: one short name, where, what was wanted, what came; the HTTP status follows from the name."""

from proofyard.core.errors import MarketError
from proofyard.core.event import Verdict

STATUS = {
    "MALFORMED": 422,
    "TOO_LARGE": 413,
    "WRONG_MARKET": 403,
    "BAD_SIGNATURE": 403,
    "EXPIRED": 403,
    "TOO_FAR": 403,
    "REPLAYED": 409,
    "CANCELLED": 409,
    "UNKNOWN_SENDER": 404,
    "UNKNOWN_ACTOR": 404,
    "UNKNOWN_JOB": 404,
    "NOT_FOUND": 404,
    "MARKET_FULL": 409,
    "UNCOVERED": 409,
    "BAD_PAYLOAD": 422,
    "BAD_PROOF": 422,
    "BUSY": 503,
    "STANDBY": 503,
    "JOURNAL": 503,
    **{verdict.name: 409 for verdict in Verdict if verdict != Verdict.OK},
}


class Refused(MarketError):
    """A command was not taken; nothing has changed.

    Attributes
    ----------
    reason : a key of STATUS
    field, wanted, got : as in BadInput
    seq : of the row that holds the first copy of a REPLAYED message, else -1
    """

    def __init__(self, reason: str, field: str, wanted: str, got: object, seq: int = -1) -> None:
        self.reason = reason
        self.field, self.wanted, self.got, self.seq = field, wanted, str(got), seq
        super().__init__(f"{reason}: {field}: wanted {wanted}, got {got}.")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.reason]


MEANING = {
    Verdict.POOR: ("amount", "no more than the sender has"),
    Verdict.NOT_YOURS: ("job", "a job that is the sender's to act on"),
    Verdict.EARLY: ("time", "a later moment"),
    Verdict.LATE: ("time", "a moment before the deadline"),
    Verdict.WRONG_PHASE: ("job", "a job at a point of its life where this can happen"),
    Verdict.NO_PROVER: ("request", "a prover the job can be given to"),
    Verdict.UNKNOWN: ("verb", "something this rule knows"),
    Verdict.BAD_AMOUNT: ("amount", "an amount the rule allows"),
    Verdict.BAD_DETAIL: ("message", "a capacity, size, tier or peer the rule allows"),
    Verdict.FULL: ("request", "a free seat or place"),
    Verdict.TOO_DEAR: ("amount", "a price within what is allowed"),
}


def refused(verdict: Verdict, got: object) -> Refused:
    """Say what a verdict means."""
    field, wanted = MEANING[verdict]
    return Refused(verdict.name, field, wanted, got)
