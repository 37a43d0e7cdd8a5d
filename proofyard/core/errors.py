"""Errors a user can meet. Anything else that is raised is a bug."""


class MarketError(Exception):
    """Root of every error Proofyard raises on purpose."""


class BadInput(MarketError):
    """Something a user wrote cannot be used: one sentence with the place, what was wanted, what came.

    Attributes
    ----------
    field : where, e.g. `provers[0].stake`
    wanted : what would have been accepted
    got : what came
    """

    def __init__(self, field: str, wanted: str, got: object) -> None:
        self.field = field
        self.wanted = wanted
        self.got = got
        super().__init__(f"{field}: wanted {wanted}, got {got}.")

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, str]]:
        """Travel whole from a worker process."""
        return BadInput, (self.field, self.wanted, str(self.got))


class Fault(MarketError):
    """Our own failure (a compiled run that differs from plain Python, a broken file of ours): stop and report."""
