"""What pydantic found wrong in a scenario, as one sentence with the nearest valid key."""

from typing import Any, get_args

from pydantic import ValidationError

from proofyard.core.errors import BadInput
from proofyard.scenario.tables import Scenario, Table
from proofyard.worlds.text import unknown, wanted


def _place(location: tuple[int | str, ...]) -> str:
    """Write `provers[0].stake` from pydantic's location, without the names of alternatives."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
        elif part.islower() and "[" not in part and "-" not in part:
            place += f".{part}" if place else part
    return place


def _table_in(annotation: Any) -> type[Table] | None:
    """Find the table in a field's type, such as `list[ProverClass]` or `Exit | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _table_in(inner))), None)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Keys allowed in the table that `location` is in."""
    table: type[Table] = Scenario
    for part in location:
        if field := table.model_fields.get(str(part)):
            table = _table_in(field.annotation) or table
    return list(table.model_fields)


def bad_input(where: str, error: ValidationError) -> BadInput:
    """Turn the first of pydantic's errors into one sentence; of alternatives, the one that goes deepest.

    What is missing beside a key that is not known is that key, misspelt.
    """
    found = error.errors()
    place = _place(found[0]["loc"])
    first = max(found, key=lambda e: len(_place(e["loc"])) if _place(e["loc"]).startswith(place) else -1)
    if first["type"] == "missing":
        strange = (e for e in found if e["type"] == "extra_forbidden" and e["loc"][:-1] == first["loc"][:-1])
        first = next(strange, first)
    location = first["loc"]
    place = f"{where}: {_place(location)}"
    kind = first["type"]
    if kind == "extra_forbidden":
        key = str(location[-1])
        return unknown(place, key, _known_keys(location[:-1]), kind="key")
    if kind == "missing":
        return BadInput(place, "a value", "none")
    got: Any = first["input"]
    return BadInput(place, wanted(first), repr(got) if isinstance(got, str) else got)
