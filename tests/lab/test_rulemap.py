"""The map of many rules: nothing stands on anything else, and nobody is left out unsaid."""

from typing import Any

import altair as alt
import pytest

from proofyard.lab import rulemap
from proofyard.lab.words import Figures


def named(name: str, p90_s: float, price: float, hhi: float, settled: int = 100) -> Figures:
    return {
        "variant": name,
        "time_to_proof_ms": {"p90": p90_s * 1_000},
        "price_gwei": {"mean": price * 1e9},
        "concentration": {"hhi": hhi},
        "proofs": {"requested": 100, "settled": settled},
    }


CROWD = [named(f"rule number {k}", 50 + k % 4, 0.2 + 0.001 * k, 0.1) for k in range(12)]


def boxes(rows: list[dict[str, Any]]) -> list[rulemap._Box]:
    wide, high = (rulemap._scale([row[key] for row in rows]) for key in "xy")
    found = []
    for row in rows:
        x = rulemap._pixel(row["tx"], wide, rulemap.WIDTH)
        y = rulemap.HEIGHT - rulemap._pixel(row["ty"], high, rulemap.HEIGHT)
        width = rulemap._LETTER * len(row["rule"])
        left = x if row["side"] == "right" else x - width
        found.append(rulemap._Box(left, y - rulemap._LINE / 2, left + width, y + rulemap._LINE / 2))
    return found


def values(figure: rulemap.Figure) -> list[dict[str, Any]]:
    assert isinstance(figure.chart, alt.LayerChart)
    return figure.chart.to_dict()["data"]["values"]


def test_no_name_covers_another_even_in_a_crowd() -> None:
    found = boxes(values(rulemap.rule_map([*CROWD, named("far away", 5_000, 9, 0.9)])))
    for k, one in enumerate(found):
        assert all(one.over(other) < 1 for other in found[k + 1 :])
        assert one.left > -1
        assert one.right < rulemap.WIDTH + 1


def test_what_settled_nothing_is_said_and_what_is_free_is_drawn() -> None:
    nothing = named("no proofs", 1, 1, 0.1)
    nothing["time_to_proof_ms"]["p90"] = None
    figure = rulemap.rule_map([named("gift", 9, 0, 0.2), named("sold", 10, 1, 0.3), nothing])
    assert "Settled nothing: no proofs." in figure.note
    assert "lower edge" in figure.note
    assert {row["rule"]: row["paid"] for row in values(figure)} == {"gift": 0, "sold": pytest.approx(1)}
    assert rulemap.rule_map([nothing]).chart is None


def test_a_rule_that_leaves_many_unproven_is_hollow() -> None:
    spec = rulemap.rule_map([named("whole", 9, 1, 0.2, 95), named("half", 10, 1, 0.3, 50)])
    assert {row["rule"]: row["settled"] for row in values(spec)} == {"whole": 0.95, "half": 0.5}
