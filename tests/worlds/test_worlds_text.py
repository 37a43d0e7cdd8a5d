import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proofyard.core.errors import BadInput
from proofyard.worlds import hardware, schedule, sizes
from proofyard.worlds.text import duration_ms, duration_ps, parse_call


@pytest.mark.parametrize(
    ("text", "ms"),
    [("2s", 2_000), ("0.5s", 500), ("90 min", 5_400_000), ("1_000ms", 1_000), ("1.0005s", 1_000), ("7d", 604_800_000)],
)
def test_durations(text: str, ms: int) -> None:
    assert duration_ms(text, "x") == ms


def test_durations_are_exact() -> None:
    assert duration_ps("0.123456789012s", "x") == 123_456_789_012


@pytest.mark.parametrize("text", ["", "2", "s", "-2s", "2 weeks", "1_s", "1__0s", "2s 3s", "nan s", "1e3s"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(BadInput, match="x: wanted a duration such as"):
        duration_ms(text, "x")


def test_calls() -> None:
    assert parse_call("nights", "x") == ("nights", {})
    assert parse_call(" f( 3 ) ", "x") == ("f", {"": "3"})
    assert parse_call("f(a='1, 2', b=us-east-1f)", "x") == ("f", {"a": "1, 2", "b": "us-east-1f"})


@given(st.text(max_size=60) | st.from_regex(r"(speed|idle_gpu|nights|fixed|8x5090)(/[a-z0-9.-]+)*\([a-z=,0-9.]*\)"))
@example("speed(per_mgas='1_s')")
@example("fixed(" + "9" * 5_000 + ")")
@example("speed(per_mgas='99999999999999999999999d')")
@example("speed(per_mgas='1s', startup='9999999d')")
@example("nights(tz=1e999)")
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (hardware, schedule, sizes):
        try:
            read(text)
        except BadInput as refusal:
            assert str(refusal)  # noqa: PT017  # either outcome is right, any other error is not
