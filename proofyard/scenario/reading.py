"""Reading a scenario's file, with what the command line changes in it, and checking it."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from proofyard.core.errors import BadInput
from proofyard.scenario import files
from proofyard.scenario.people import delegator_policy, policy
from proofyard.scenario.quantities import STORED
from proofyard.scenario.sentences import bad_input
from proofyard.scenario.tables import ProverClass, Scenario
from proofyard.worlds.hardware import hardware
from proofyard.worlds.schedules import schedule
from proofyard.worlds.sizes import sizes
from proofyard.worlds.text import read_toml, unknown, whole, with_values_set


def _set(tree: dict[str, Any], key: str, value: str) -> None:
    """Put `value` (TOML, or plain text) at `key`, written `workload.every` or `provers[0].count`."""
    try:
        parsed: Any = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        parsed = value
    steps = key.replace("]", "").replace("[", ".").split(".")
    node: Any = tree
    for here, after in zip(steps, [*steps[1:], ""], strict=True):
        if isinstance(node, list):
            index = whole(here, f"--set {key}", 0, len(node) - 1)  # pyright: ignore[reportUnknownArgumentType]
            if not after:
                node[index] = parsed
            node = node[index]  # pyright: ignore[reportUnknownVariableType]
        elif not isinstance(node, dict):
            raise BadInput(f"--set {key}", "a key of the scenario", here)
        elif not after:
            node[here] = parsed
        else:
            node = node.setdefault(here, {})  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def read(path: Path, changes: dict[str, str] | None = None, mechanism: str | None = None) -> Scenario:
    """Read and check the scenario at `path`, with `--set` changes and another mechanism. Raises BadInput."""
    return check(tree_of(path, changes, mechanism), str(path))


def tree_of(path: Path, changes: dict[str, str] | None = None, mechanism: str | None = None) -> dict[str, Any]:
    """Read the scenario at `path` as nested dictionaries, not checked yet; its files are found from here.

    Raises BadInput.
    """
    tree = read_toml(path, "scenario")
    tree.setdefault("name", path.stem)
    files.found(tree, path.parent)
    of_rule = {key: value for key, value in (changes or {}).items() if key.startswith("mechanism.")}
    for key, value in (changes or {}).items():
        if key not in of_rule:
            _set(tree, key, value)
    if mechanism is not None:
        tree["mechanism"] = mechanism
    if of_rule and isinstance(tree.get("mechanism"), str):  # `--set mechanism.window_ms=60000` changes one parameter
        tree["mechanism"] = with_values_set(tree["mechanism"], of_rule)
    files.found_here(tree, path.parent)
    return tree


def read_variants(
    path: Path, changes: dict[str, str] | None = None, mechanisms: list[str] | None = None
) -> list[tuple[str, Scenario]]:
    """Read the scenario once for each of the rules given, else once as it is and once per variant of its own.

    Returns what each is called with it; "" where the rule says it all. Raises BadInput.
    """
    if mechanisms:
        return [("", read(path, changes, text)) for text in mechanisms]
    base = read(path, changes)
    if not base.variants:
        raise BadInput(str(path), "rules to compare (-m RULE, several times) or [[variants]] in the scenario", "none")
    others = [(v.name, read(path, {**(changes or {}), **v.set}, v.mechanism)) for v in base.variants]
    return [(base.called, base), *others]


def check(tree: dict[str, Any], where: str = "scenario") -> Scenario:
    """Check a scenario given as nested dictionaries. Raises BadInput."""
    try:
        scenario = Scenario.model_validate(tree)
    except ValidationError as error:
        raise bad_input(where, error) from None
    if scenario.workload.arrivals == "trace" and not scenario.workload.trace:
        raise BadInput(f"{where}: workload.trace", "a CSV of measured proofs (--set workload.trace=FILE)", "none")
    if scenario.workload.trace and scenario.workload.arrivals != "trace":
        given = f"{scenario.workload.arrivals}, which leaves {scenario.workload.trace} unread"
        raise BadInput(f"{where}: workload.arrivals", "trace, where workload.trace is given", given)
    if scenario.workload.arrivals == "after" and not scenario.workload.after:
        raise BadInput(f"{where}: workload.after", "the scenario of the layer before this one", "none")
    sizes(scenario.workload.size, f"{where}: workload.size")
    for k, group in enumerate(scenario.provers):
        if scenario.workload.arrivals != "trace":  # there it is a column of the trace
            hardware(group.hardware, f"{where}: provers[{k}].hardware")
        schedule(group.online, f"{where}: provers[{k}].online")
        policy(group.policy, f"{where}: provers[{k}].policy")
        if group.invest is not None and group.elsewhere is not None:
            raise BadInput(f"{where}: provers[{k}].invest", "a class that does not earn `elsewhere` too", "both")
        _check_twin(scenario, group, f"{where}: provers[{k}].twin")
    if scenario.workload.requester == "provers" and not any(group.proposes for group in scenario.provers):
        raise BadInput(
            f"{where}: provers.proposes", "true for at least one class: provers propose here", "false for all"
        )
    if scenario.delegators:
        delegator_policy(scenario.delegators.policy, f"{where}: delegators.policy")
    return scenario


def restored(tree: dict[str, Any]) -> Scenario:
    """Read a scenario as `model_dump(mode="json")` wrote it, e.g. in a trace. Raises BadInput."""
    try:
        return Scenario.model_validate(tree, context=STORED)
    except ValidationError as error:
        raise bad_input("scenario", error) from None


def _check_twin(scenario: Scenario, group: ProverClass, field: str) -> None:
    """Refuse a second identity that is not a class of as many provers. Raises BadInput."""
    counts = {g.name: g.count for g in scenario.provers if g.name}
    if group.twin and group.twin not in counts:
        raise unknown(field, group.twin, list(counts), kind="class")
    if group.twin and counts[group.twin] != group.count:
        raise BadInput(field, f"a class of {group.count} provers", f"{group.twin}, which has {counts[group.twin]}")
