"""What actors do, given what they may see: honest or hostile, each a module of its own. See `view`."""

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from proofyard.core.book import Ints
from proofyard.core.errors import BadInput
from proofyard.core.rule import load_file, nearest
from proofyard.policies.view import BIPS, Moment, View

NAMES = (
    "honest",
    "capacity_aware",
    "shade",
    "undercut",
    "learn",
    "overstate",
    "withhold",
    "hit_and_run",
    "last_moment",
    "recover",
    "grief",
    "ring",
    "hoard",
    "idle",
    "shill",
    "prefix",
    "last_look",
    "wrong_proof",
    "false_contest",
)
IN_THE_LOOP = (
    Moment.ACCEPT,
    Moment.SUBMIT,
    Moment.PART,
    Moment.COPY,
    Moment.CLAIM,
    Moment.CONTEST,
)  # asked by the compiled engine; so is BID, of who bids on each job


@dataclass(frozen=True)
class Policy:
    """A policy with its parameters."""

    name: str
    module: ModuleType
    params: Any  # the module's Params

    @property
    def moments(self) -> tuple[Moment, ...]:
        """What it decides itself; at all other moments the actor is honest."""
        return self.module.MOMENTS

    @property
    def compiled(self) -> bool:
        """Whether the engine has to call it in its loop."""
        return any(moment in IN_THE_LOOP for moment in self.moments)

    @property
    def learns(self) -> bool:
        """Whether it looks at what it has earned; who has not said so (`LEARNS`) and is not ours, may."""
        return getattr(self.module, "LEARNS", not self.module.__name__.startswith("proofyard."))

    @property
    def steady(self) -> bool:
        """Whether it says the same whenever it is asked about price, capacity or stake (`STEADY`)."""
        return getattr(self.module, "STEADY", False)

    def decide(self, memory: Ints, view: View) -> int:
        """Answer one question, in plain Python."""
        return int(self.module.decide(self.params, memory, view))

    @property
    def text(self) -> str:
        """The policy as a user writes it, with every parameter that is not the default."""
        defaults = type(self.params)()
        pairs = zip(self.params._fields, self.params, defaults, strict=True)
        changed = ", ".join(f"{key}={value}" for key, value, default in pairs if value != default)
        return f"{self.name}({changed})" if changed else self.name


@cache
def module_of(name: str, field: str = "policy") -> ModuleType:
    """Find a policy of the package, or import one from a file. Raises BadInput."""
    if name.endswith(".py"):
        module = load_file(Path(name), field, "policy")
        for part in ("Params", "decide", "MOMENTS"):
            if not hasattr(module, part):
                raise BadInput(name, "a policy with Params, MOMENTS and decide", f"a module without {part}")
        return module
    if name not in NAMES:
        raise BadInput(field, f"a policy ({nearest(name, list(NAMES))})", name)
    return importlib.import_module(f"proofyard.policies.{name}")


def with_values(name: str, values: dict[str, str], field: str) -> Policy:
    """Fill in the parameters from texts: `x_bips` is written `x=2.0` or `x_bips=20000`. Raises BadInput."""
    module = module_of(name, field)
    known: tuple[str, ...] = module.Params._fields
    limits: dict[str, tuple[int, int]] = getattr(module, "LIMITS", {})
    params: dict[str, int] = {}
    for written, text in values.items():
        key = written or getattr(module, "FIRST", "")
        if not key:
            raise BadInput(field, f"{name} without parameters", repr(text))
        short = key not in known and f"{key}_bips" in known
        if key not in known and not short:
            raise BadInput(field, f"a parameter of {name} ({nearest(key, list(known))})", key)
        scaled = short or (not written and key.endswith("_bips"))
        key = f"{key}_bips" if short else key
        params[key] = _number(
            text, f"{field}: {name}({(written or key).removesuffix('_bips')})", limits.get(key), scaled=scaled
        )
    return Policy(name, module, module.Params(**params))


def _number(text: str, field: str, limits: tuple[int, int] | None, *, scaled: bool) -> int:
    """Read a parameter; `scaled`: written as a decimal number, kept in bips."""
    low, high = limits or (-(2**61), 2**61)
    unit = BIPS if scaled else 1
    try:
        value = round(float(text) * unit) if scaled else int(text)
    except (ValueError, OverflowError):
        raise BadInput(field, "a number" if scaled else "a whole number", repr(text)) from None
    if not low <= value <= high:
        raise BadInput(field, f"a number from {low / unit:g} to {high / unit:g}", repr(text))
    return value
