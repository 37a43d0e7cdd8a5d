"""Quantities as people write them, `"12s"`, `"2.0"` tokens, `"5.2 kW"`, read into integers or exact decimals."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from proofyard.core.errors import BadInput
from proofyard.worlds.text import duration_ms

HOURS_PER_KWH = 1_000  # W in a kW
MICRO = 1_000_000
STORED = "stored"  # context in which times, prices and powers are integers, as `model_dump` writes them
LONGEST_MS = 100 * 365 * 86_400_000  # a century: times stay far below 2**63


def _checked(read: Callable[[Any], Any]) -> BeforeValidator:
    """Let `read` turn what the user wrote into an integer; its BadInput becomes pydantic's error at that key."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        if info.context == STORED and isinstance(value, int):
            return value  # in the smallest unit already
        try:
            return read(value)
        except BadInput as error:
            raise ValueError(error.wanted) from None

    return BeforeValidator(validate)


def _text(value: Any, wanted: str) -> str:
    if not isinstance(value, str):
        raise BadInput("", wanted, value)
    return value


def _duration(value: Any) -> int:
    wanted = "a duration such as 500ms, 2s, 10m, 1.5h or 7d"
    time = duration_ms(_text(value, wanted), "")
    if time > LONGEST_MS:
        raise BadInput("", "at most a hundred years", value)
    return time


def _positive_duration(value: Any) -> int:
    time = _duration(value)
    if time <= 0:
        raise BadInput("", "a duration longer than nothing", value)
    return time


def amount(value: Any, wanted: str = "an amount of tokens such as 2.0, not negative") -> Decimal:
    """Read a decimal number that is not negative. Raises BadInput."""
    try:
        number = Decimal(str(value).replace("_", "").strip())
    except InvalidOperation:
        raise BadInput("", wanted, value) from None
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise BadInput("", wanted, value)
    return number


def _with_unit(unit: str, wanted: str) -> Callable[[Any], Decimal]:
    def read(value: Any) -> Decimal:
        text = str(value).strip()
        if isinstance(value, str) and not text.lower().endswith(unit.lower()):
            raise BadInput("", wanted, value)
        return amount(text[: -len(unit)] if isinstance(value, str) else text, wanted)

    return read


def _watts(value: Any) -> int:
    return int(_with_unit("kW", "a power such as 5.2 kW")(value) * HOURS_PER_KWH)


def _micro_usd(value: Any) -> int:
    return int(_with_unit("usd", "a price such as 4.00 usd")(value) * MICRO)


Duration = Annotated[int, _checked(_duration)]
PositiveDuration = Annotated[int, _checked(_positive_duration)]
Tokens = Annotated[Decimal, _checked(amount)]
Watts = Annotated[int, _checked(_watts)]
MicroUsd = Annotated[int, _checked(_micro_usd)]
