"""Reading what users write: TOML files, `name(key=value)`, durations, and names that are nearly right."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from proofyard.core.errors import BadInput

if TYPE_CHECKING:
    from pydantic import ValidationError

PS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12, "min": 60 * 10**12, "h": 3600 * 10**12}
PS["m"], PS["d"] = PS["min"], 24 * PS["h"]
PS_PER_MS = 10**9

_CALL = re.compile(r"\s*([^()]*[^()\s])\s*(?:\((.*)\))?\s*", re.DOTALL)
_ITEM = re.compile(r"""\s*(?:([A-Za-z_]\w*)\s*=\s*)?('[^']*'|"[^"]*"|[^,'"=]+?)\s*(?:,|$)""")
_TABLE = re.compile("a valid dictionary( or instance of .*)?")
_DURATION = re.compile(r"(\d+(?:_\d+)*)(?:\.(\d+))?\s*([a-z]+)")


class Call(NamedTuple):
    """A parsed `name(value, key=value)`; values are texts without quotes, `""` names a positional one."""

    name: str
    values: dict[str, str]


_piped: dict[Path, str] = {}  # what came through a pipe, which gives it once


def _text_of(path: Path) -> str:
    if path not in _piped:
        text = path.read_text(encoding="utf-8-sig")
        if path.is_file():
            return text
        _piped[path] = text
    return _piped[path]


def read_toml(path: Path, field: str) -> dict[str, Any]:
    """Read a TOML file or pipe, with or without a byte order mark; `field` asks for it. Raises BadInput."""
    try:
        return tomllib.loads(_text_of(path))
    except FileNotFoundError:
        raise BadInput(field, "a TOML file", f"{path}, which does not exist") from None
    except IsADirectoryError:
        raise BadInput(field, "a TOML file", f"{path}, which is a folder") from None
    except OSError as error:
        raise BadInput(field, "a TOML file", f"{path} ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise BadInput(str(path), "text in UTF-8", f"byte {error.start + 1} of it, which is none") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(str(path), "valid TOML", error) from None


def wanted(error: Mapping[str, Any]) -> str:
    """Say what pydantic would have taken, without how it looked for it."""
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = _TABLE.sub("a table", message).replace("a valid list", "a list")
    return message.split(", unable to parse")[0].split(", got a number")[0]


def first_fault(path: Path, error: "ValidationError", keys: Iterable[str]) -> BadInput:
    """Turn pydantic's errors about a file into one sentence; a misspelt key before what is missing without it."""
    found = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place = f"{path}: {'.'.join(map(str, found['loc']))}"
    if found["type"] == "extra_forbidden":
        return unknown(place, str(found["loc"][-1]), keys, kind="key")
    if found["type"] == "missing":
        return BadInput(place, "a value", "none")
    return BadInput(place, wanted(found), repr(found["input"]))


def parse_call(text: str, field: str) -> Call:
    """Split `name(value, key=value, …)`; at most one positional value. Raises BadInput when it has another form."""
    wanted = "a name or name(key=value, …)"
    whole = _CALL.fullmatch(text)
    if whole is None:
        raise BadInput(field, wanted, repr(text))
    inside = (whole[2] or "").strip()
    values: dict[str, str] = {}
    at = 0
    while at < len(inside):
        item = _ITEM.match(inside, at)
        if item is None or (item[1] or "") in values:
            raise BadInput(field, wanted, repr(text))
        values[item[1] or ""] = item[2].strip("'\"")
        at = item.end()
    return Call(whole[1], values)


def with_values_set(text: str, values: dict[str, str]) -> str:
    """Set parameters in the text of a rule, `values` by `mechanism.KEY`. Raises BadInput.

    >>> with_values_set("race(window_ms=1)", {"mechanism.window_ms": "5", "mechanism.open": "1"})
    'race(window_ms=5, open=1)'
    """
    call = parse_call(text, "mechanism")
    merged = call.values | {key.partition(".")[2]: value for key, value in values.items()}
    return f"{call.name}({', '.join(f'{key}={value}' for key, value in merged.items())})"


def only(call: Call, field: str, valid: Sequence[str]) -> None:
    """Raise BadInput when `call` has a key outside `valid`, naming the nearest valid one."""
    for key in call.values:
        if key not in valid:
            shown = f"{call.name}({key}=…)" if key else f"{call.name}({call.values[key]})"
            if not valid:
                raise BadInput(field, f"{call.name} without parameters", shown)
            raise unknown(field, shown, valid, looks_like=key, kind=f"parameter of {call.name}")


def unknown(
    field: str, got: str, valid: Iterable[str], *, looks_like: str | None = None, kind: str = "name"
) -> BadInput:
    """Error for a name that is not among `valid`, with the nearest one and, when they are few, all of them."""
    import difflib  # noqa: PLC0415  # only needed on the way out

    names = sorted(set(valid))
    sought = got if looks_like is None else looks_like
    close = difflib.get_close_matches(sought.casefold(), [name.casefold() for name in names], n=1, cutoff=0.0)
    best = next((name for name in names if close and name.casefold() == close[0]), "none")
    few = 6
    listed = f"one of {', '.join(name or '(a value)' for name in names)}" if len(names) <= few else f"a known {kind}"
    return BadInput(field, f"{listed} (nearest: {best})", got)


def number(text: str, field: str, low: float, high: float) -> float:
    """Float in [low, high] read from `text`. Raises BadInput."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadInput(field, f"a number from {low:g} to {high:g}", repr(text))
    return value


def whole(text: str, field: str, low: int, high: int) -> int:
    """Integer in [low, high] read from `text`; `22_000_000` is fine. Raises BadInput."""
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise BadInput(field, f"a whole number from {low:_} to {high:_}", repr(text))
    return value


def duration_ps(text: str, field: str) -> int:
    """Picoseconds in a duration such as `2s`, `0.5s`, `90 min`; exact, no floats. Raises BadInput."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or found[3] not in PS:
        raise BadInput(field, "a duration such as 500ms, 2s, 10m, 1.5h or 7d", repr(text))
    part = found[2] or ""
    return int(found[1] + part) * PS[found[3]] // 10 ** len(part)


def duration_ms(text: str, field: str) -> int:
    """Whole milliseconds in a duration, rounded down. Raises BadInput."""
    return duration_ps(text, field) // PS_PER_MS


def match_setup(text: str, names: Sequence[str], field: str) -> str:
    """Full name of the set-up `hardware/client/zkvm` that `text` means.

    Besides the full name: the client may be left out (then the reth guest is meant) or given without its version, and
    the zkVM may be given without the `v` and without the end of its version: `8x5090/zisk-0.16`.

    Raises
    ------
    BadInput : no name matches (the nearest is named), or several do.
    """
    same = [name for name in names if name.casefold() == text.casefold()]
    if same:
        return same[0]
    hits = [name for name in names if _means(text, name)]
    client = text.split("/")[1] if text.count("/") > 1 else "reth"
    exact = [name for name in hits if name.split("/")[1] == client]
    same_zkvm = len({name.split("/")[-1] for name in hits}) == 1
    if same_zkvm and len(hits) > 1:
        hits = exact or [name for name in hits if _is_version_of(name.split("/")[1], client)] or hits
    if len(hits) > 1:
        raise BadInput(field, f"one set-up out of {', '.join(hits)}", repr(text))
    if not hits:
        short = [f"{name.split('/')[0]}/{name.split('/')[-1].replace('-v', '-')}" for name in names]
        alike = short if text.count("/") == 1 else []
        raise unknown(field, repr(text), [*names, *alike], looks_like=text, kind="set-up")
    return hits[0]


def _means(text: str, name: str) -> bool:
    asked, has = text.casefold().split("/"), name.casefold().split("/")
    if len(asked) not in {2, 3} or len(has) != 3 or asked[0] != has[0]:  # noqa: PLR2004  # hardware/[client/]zkvm
        return False
    client_fits = len(asked) == 2 or _is_version_of(has[1], asked[1])  # noqa: PLR2004
    return client_fits and _is_version_of(has[-1].replace("-v", "-"), asked[-1].replace("-v", "-"))


def _is_version_of(name: str, short: str) -> bool:
    return name == short or name.startswith((short + "-", short + "."))
