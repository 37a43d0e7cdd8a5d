"""What the shipped scenarios show about a rule: their claims, as its page tells them."""

from functools import cache
from pathlib import Path

from proofyard import scenario
from proofyard.core.rule import parse_call

SCENARIOS = Path(__file__).parents[2] / "scenarios"
MANY = "one-rollup-many-rules"  # has next to every rule; its page is the one with the picture
MEASURED = {"workload.trace": "measured.csv"}  # where the data are the user's


def shown(name: str) -> str:
    """List the scenarios that run under the rule `name` and what each shows, as Markdown. Raises BadInput."""
    own = [
        f"- `{path}` ({'as it is' if first == name else 'as a variant'}): {claim}"
        for path, first, rules, claim in _scenarios()
        if name in rules and claim and MANY not in path
    ]
    beside = next((path for path, _, rules, _ in _scenarios() if MANY in path and name in rules), "")
    if beside:
        own.append(f"- `{beside}`: the same rollup under this rule and many others, in one table.")
    return "\n".join(own) or "No scenario of its own is shipped."


@cache
def _scenarios() -> tuple[tuple[str, str, frozenset[str], str], ...]:
    """Read every shipped scenario: where it is, its rule, all rules of its variants, and its claim."""
    found: list[tuple[str, str, frozenset[str], str]] = []
    for path in sorted(SCENARIOS.rglob("*.toml")):
        tree = scenario.tree_of(path)
        traced = tree["workload"].get("arrivals") == "trace"
        chosen = scenario.read(path, MEASURED if traced else {})
        texts = [chosen.mechanism, *(variant.mechanism for variant in chosen.variants if variant.mechanism)]
        rules = [parse_call(text, "mechanism")[0] for text in texts]
        found.append((f"scenarios/{path.relative_to(SCENARIOS).as_posix()}", rules[0], frozenset(rules), chosen.claim))
    return tuple(found)
