"""A mechanism as a value: a module with `Params`, `State` and `apply`, checked, with its parameters filled in."""

import ast
import difflib
import importlib.util
import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from proofyard.core import shape
from proofyard.core.book import Book
from proofyard.core.errors import BadInput
from proofyard.core.event import Event, Verdict

PER_ACTOR = (
    "stake", "exiting", "seat", "earned", "pool", "leaving", "shares", "commission", "pool_slashed", "leaving_slashed",
)  # fmt: skip
PER_JOB = ("may_prove", "ballot", "choice", "pool_paid")
# Fields of a State that simulator, live market and pages look for by name, and how many values they take them to have.
READ = dict.fromkeys(PER_ACTOR, "actor") | dict.fromkeys(PER_JOB, "job") | {"woken": "once", "churn": "once"}

_CALL = re.compile(r"^\s*(?P<name>[^()]+?)\s*(?:\((?P<args>.*)\))?\s*$", re.DOTALL)


@dataclass(frozen=True)
class Rule:
    """A mechanism with its parameters."""

    name: str
    module: ModuleType
    params: Any  # the module's Params

    def apply(self, state: Any, event: Event) -> Verdict:
        """One event in, one verdict out, in plain Python."""
        return self.module.apply(self.params, state, event)

    def genesis(self, actors: int, jobs: int) -> Any:
        """Build the state before the first event; the caller then fills `book.cash`."""
        state = shape.zeros(self.module.State, actors, jobs)
        setup: Callable[[Any, Any], None] | None = getattr(self.module, "genesis", None)
        if setup is not None:
            setup(self.params, state)
        return state

    @property
    def text(self) -> str:
        """The rule as a page names it: `name(key=value, …)` with every value that is not the default."""
        return self._written(self.name)

    @property
    def call(self) -> str:
        """The rule as any process on this machine reads it again: a user's file by its whole path."""
        shipped = self.module.__name__.startswith("proofyard.")
        return self._written(self.name if shipped else str(Path(str(self.module.__file__)).resolve()))

    @property
    def price_units(self) -> int:
        """Units of size that OFFER and BID name the price of; 0: that of a whole proof."""
        return int(getattr(self.module, "PRICE_PER_UNIT", 0))

    def _written(self, name: str) -> str:
        defaults = type(self.params)()
        pairs = zip(self.params._fields, self.params, defaults, strict=True)
        changed = ", ".join(f"{key}={value}" for key, value, default in pairs if value != default)
        return f"{name}({changed})" if changed else name


def nearest(word: str, known: list[str]) -> str:
    """End a sentence with the nearest known name, or with all of them."""
    longer = sorted((name for name in known if name.startswith(f"{word}_")), key=len)  # without its unit, say
    close = longer or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"


def parse_call(text: str, field: str) -> tuple[str, dict[str, Any]]:
    """Split `name(key = value, …)` into the name and its literal arguments. Raises BadInput."""
    match = _CALL.match(text)
    if match is None:
        raise BadInput(field, "a name or name(key=value, …)", repr(text))
    try:
        call = ast.parse(f"f({match['args'] or ''})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise BadInput(field, "arguments written key=value", repr(text))
        names = [str(k.arg) for k in call.keywords]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BadInput(f"{field}.{twice}", "one value", names.count(twice))
        values = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise BadInput(field, "a name or name(key=value, …)", repr(text)) from None
    return match["name"], values


def with_params(name: str, module: ModuleType, values: dict[str, Any], field: str = "mechanism") -> Rule:
    """Fill in the parameters of `module` and let its own `validate` look at them. Raises BadInput."""
    known = list(module.Params._fields)
    for key, value in values.items():
        if key not in known:
            raise BadInput(field, f"a parameter of {name} ({nearest(key, known)})", key)
        if type(value) is not int:
            raise BadInput(f"{field}.{key}", "an integer", repr(value))
        if abs(value) >= 2**62:
            raise BadInput(f"{field}.{key}", "an integer below 2**62", value)
    params = module.Params(**values)
    complaint = module.validate(params) if hasattr(module, "validate") else None
    if complaint:
        key, wanted = complaint
        raise BadInput(f"{field}.{key}", wanted, getattr(params, key))
    return Rule(name, module, params)


def load(path: Path, field: str = "mechanism") -> ModuleType:
    """Import a rule from a file anywhere on disk and check its form. Raises BadInput, never a traceback."""
    module = load_file(path, field, "rule")
    check_form(module, str(path))
    return module


def load_file(path: Path, field: str, what: str) -> ModuleType:
    """Import a user's file, a `what`: a rule or a policy. Raises BadInput, never a traceback."""
    _check_source(path, field, what)
    place = zlib.crc32(str(path.resolve()).encode())  # two files of one name are two rules
    loader = importlib.util.spec_from_file_location(f"proofyard_rule_{path.stem}_{place:08x}", path)
    if loader is None or loader.loader is None:
        raise BadInput(field, "a file that ends in .py", path)
    module = importlib.util.module_from_spec(loader)
    sys.modules[loader.name] = module
    try:
        loader.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a file raises on import is its user's to read
        raise BadInput(str(path), f"a {what} that can be imported", f"{type(error).__name__}: {error}") from None
    return module


def _check_source(path: Path, field: str, what: str) -> None:
    """Refuse a file that is no Python before it is imported. Raises BadInput."""
    try:
        source = path.read_bytes()
        compile(source.decode("utf-8-sig"), str(path), "exec")
    except OSError as error:
        why: dict[type[OSError], str] = {
            FileNotFoundError: ", which does not exist",
            IsADirectoryError: ", which is a folder",
        }
        raise BadInput(field, f"a {what} file", f"{path}{why.get(type(error), f' ({error.strerror})')}") from None
    except UnicodeDecodeError as error:
        raise BadInput(str(path), "text in UTF-8", f"byte {error.start + 1} of it, which is none") from None
    except SyntaxError as error:
        place = f"{path}, line {error.lineno}" if error.lineno else str(path)
        raise BadInput(place, "valid Python", error.msg) from None


def check_form(module: ModuleType, where: str) -> None:
    """Refuse a module that is not a rule: Params, State and apply, integers only. Raises BadInput."""
    for name in ("Params", "State", "apply"):
        if not hasattr(module, name):
            raise BadInput(where, f"a rule with {name}", "a module without it")
    for key, value in getattr(module.Params, "_field_defaults", {}).items():
        if not isinstance(value, int):
            raise BadInput(f"{where}: Params.{key}", "an integer default", repr(value))
    missing = set(module.Params._fields) - set(module.Params._field_defaults)
    if missing:
        raise BadInput(f"{where}: Params.{min(missing)}", "a default", "none")
    try:
        _check_names(shape.fields(module.State))
    except BadInput as error:
        raise BadInput(f"{where}: {error.field}", error.wanted, error.got) from None
    first = next(iter(module.State.__annotations__.values()), None)
    if first is not Book:
        raise BadInput(f"{where}: State", "`book: Book` as its first field", first)


def _check_names(found: list[shape.Field]) -> None:
    """Refuse a field that is not what simulator and pages take it for by its name. Raises BadInput."""
    for field in found:
        wanted = READ.get(field.path, field.size)
        if field.size != wanted:
            much = "one value in all" if wanted == "once" else f"one value per {wanted}"
            got = {"once": "one value in all", "tree": "a sum tree"}.get(str(field.size), f"one per {field.size}")
            raise BadInput(f"State.{field.path}", f"{much}, as which this name is read, or another name", got)
