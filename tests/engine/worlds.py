"""Small scenarios that several tests share."""

from typing import Any

from proofyard.scenario import Scenario, check

STEADY = "speed(setup='30s', per_mgas='0s', noise=0)"


def scenario(mechanism: str = "race", **changes: Any) -> Scenario:
    """Make a small scenario: ten jobs a minute apart, one prover that needs 30 s each."""
    tree: dict[str, Any] = {
        "mechanism": mechanism,
        "horizon": "1h",
        "workload": {"arrivals": "fixed", "every": "60s", "requests": 10, "size": "fixed(1)", "max_fee": "1"},
        "provers": [{"name": "prover", "hardware": STEADY, "cost": {"per_hour": "1 usd", "energy": "0 kW"}}],
    }
    for key, value in changes.items():
        tree[key] = {**tree[key], **value} if isinstance(tree.get(key), dict) else value
    return check(tree)


def prover(name: str = "prover", setup: str = "30s", **more: Any) -> dict[str, Any]:
    """Make one [[provers]] table with a constant proving time."""
    cost = {"per_hour": "1 usd", "energy": "0 kW"}
    return {"name": name, "hardware": f"speed(setup='{setup}', per_mgas='0s', noise=0)", "cost": cost, **more}
