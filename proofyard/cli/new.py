"""`proofyard new`."""

from pathlib import Path


def new(name: str, *, folder: Path = Path()) -> None:
    """Write a rule of your own to start from: the rule, a scenario for it and a test.

    Example: proofyard new my_rule

    Parameters
    ----------
    name
        Of the rule: lower-case letters, digits and _.
    folder
        Where to write.
    """
    from proofyard.lab import skeleton

    for path in skeleton.write(name, folder):
        print(f"wrote {path}")
