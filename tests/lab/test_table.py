import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from proofyard.lab import table
from proofyard.lab.metrics import summary
from proofyard.lab.words import digits

GWEI = 10**9


def printed(what: Any, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None, legacy_windows=False)
    console.print(what)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    return text


@pytest.mark.parametrize(
    ("gwei", "said"),
    [(0, "0"), (GWEI, "1"), (12_345_000_000, "12.3"), (72_000 * GWEI, "72,000"), (89_928_000 * GWEI, "89.9 M"),
     (4_200_000, "0.0042"), (1, "0.000000001"), (-1_500 * GWEI, "-1,500"), (999_960_000, "1")],
)  # fmt: skip
def test_tokens(gwei: int, said: str) -> None:
    assert table.tokens(gwei) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0 ms"), (350, "350 ms"), (1_999, "1,999 ms"), (57_400, "57.4 s"), (250_000, "4.17 min"),
     (4 * 3_600_000, "4 h"), (30 * 86_400_000, "30 days")],
)  # fmt: skip
def test_duration(ms: int, said: str) -> None:
    assert table.duration(ms) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (1, "100 %"), (0.98, "98 %"), (0.726, "72.6 %"), (0.9992, "99.92 %"), (0.0008, "0.08 %"),
     (0.000012, "0.0012 %"), (2.5, "250 %"), (-1.266, "-126.6 %")],
)  # fmt: skip
def test_percent(share: float, said: str) -> None:
    assert table.percent(share) == said


@given(st.floats(0, 1))
def test_percent_never_rounds_to_nothing_or_all(share: float) -> None:
    said = table.percent(share)
    if 1e-9 < share < 1 - 1e-9:
        assert said not in {"0 %", "100 %"}
    assert float(said.removesuffix(" %")) == pytest.approx(100 * share, abs=0.06)


@given(st.floats(-1e12, 1e12).filter(lambda v: abs(v) > 1e-9))
def test_digits_keep_three(value: float) -> None:
    assert float(digits(value).replace(",", "")) == pytest.approx(value, rel=0.006)


def a_race(make: Any, **changes: Any) -> dict[str, Any]:
    """98 of 100 proofs by one of five, the others below cost."""
    jobs = make.jobs_of(100, paid_gwei=np.full(100, 2 * GWEI), cost_gwei=np.full(100, GWEI))
    provers = make.provers_of(
        5, wins=[98, 2, 0, 0, 0], income_gwei=[196 * GWEI, 4 * GWEI, 0, 0, 0], cost_gwei=[100 * GWEI] * 5,
        busy_ms=[100] * 5, wasted_ms=[0, 98, 100, 100, 100], **changes,
    )  # fmt: skip
    return summary([make.run_of(jobs, provers)])


def test_one_line_says_what_happened(make: Any) -> None:
    assert table.in_words(a_race(make)) == (
        "One prover, prover-1, made 98 % of the proofs; 4 of 5 worked at a loss; 79.6 % of the work was in vain."
    )


def test_one_line_without_monopoly_or_proofs(make: Any) -> None:
    fair = make.provers_of(4, wins=[3, 3, 2, 2], income_gwei=[5] * 4, slashed_gwei=[2 * GWEI, 0, 0, 0])
    jobs = make.jobs_of(12, phase=[6] * 10 + [7, 0])
    assert table.in_words(summary([make.run_of(jobs, fair)])) == (
        "2 of 4 provers made more than half of the proofs; 1 of 4 worked at a loss; "
        "16.7 % of the requests got no proof; 2 tokens were slashed."
    )
    nothing = make.run_of(make.jobs_of(0), make.provers_of(2))
    assert table.in_words(summary([nothing])) == "No proof was asked for."
    refused = make.run_of(make.jobs_of(3, phase=[0] * 3), make.provers_of(2))
    assert table.in_words(summary([refused])) == "No proof was settled: of 3 requests 3 refused."
    ends = make.run_of(make.jobs_of(4, phase=[0, 7, 7, 1]), make.provers_of(2))
    assert table.in_words(summary([ends])) == "No proof was settled: of 4 requests 1 refused, 2 lost, 1 unfinished."


def test_alone(make: Any) -> None:
    alone = make.run_of(make.jobs_of(1), make.provers_of(1, wins=[1], income_gwei=[5]))
    assert table.in_words(summary([alone])) == "The only prover, prover-1, made all proofs; nobody worked at a loss."


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("seeds", [1, 3])
def test_result_fits_and_cuts_nothing(make: Any, width: int, seeds: int) -> None:
    runs = [make.drawn_run(k, 40, staked=True, mechanism="staked_pool(window_ms=60000)") for k in range(seeds)]
    s = summary(runs)
    text = printed(table.result_table(s, width), width)
    assert "…" not in text
    for line in table.lines(s):
        assert line.title in text
        for name, value in line.items:
            assert f"{name} {value}".strip() in text
    assert "28 others" in text


def test_every_figure_of_a_table_is_there_where_a_run_defines_it(make: Any) -> None:
    """A name that no summary has would read as undefined, in every table and for ever."""
    s = summary([make.drawn_run(1, staked=True)])
    undefined = {name for line in table.lines(s) for name, value in line.items if value == table.NONE}
    assert undefined <= {"before slashes", "after"}  # nobody delegated
    settled = summary([make.run_of(make.jobs_of(3, paid_gwei=[30, 20, 10], cheapest_gwei=[10, 5, 5]),
                                   make.provers_of(1, wins=[3]))])  # fmt: skip
    assert ("overpaid", "200 %") in [item for line in table.lines(settled) for item in line.items]
    assert "200 %" in printed(table.compare_table([settled], 100), 100)


def test_rows_of_provers_add_up(make: Any) -> None:
    s = summary([make.drawn_run(3, 40)])
    columns, rows = table.prover_rows(s)
    wins = next(k for k, column in enumerate(columns, 1) if column.key == "wins")
    assert len(rows) == table.SHOWN + 1
    assert sum(int(row[wins].replace(",", "")) for row in rows) == s["proofs"]["settled"]
    _, thirteen = table.prover_rows(summary([make.drawn_run(3, 13)]))
    assert {row[0] for row in thirteen} == {f"prover-{k}" for k in range(1, 14)}  # no row for "1 others"


def test_columns_without_content_are_left_out(make: Any) -> None:
    titles = {column.title for column in table.prover_rows(a_race(make))[0]}
    assert titles == {"proofs", "share", "earned", "spent", "profit"}
    assert "slashed" in {c.title for c in table.prover_rows(a_race(make, slashed_gwei=[1, 0, 0, 0, 0]))[0]}
    assert "stake, tokens" not in {line.title for line in table.lines(a_race(make))}


def test_names_from_files_are_no_markup(make: Any) -> None:
    run = make.run_of(make.jobs_of(1), make.provers_of(2, wins=[1, 0]), names=("[red]a[/red]", "a" * 70))
    text = printed(table.result_table(summary([run])), 80)
    assert "[red]a[/red]" in text
    assert "a" * 19 + "…" in text


def test_standard_error_is_in_the_unit_of_its_value() -> None:
    figures = {"time": {"p50": 60_700.0}, "spread": {"time": {"p50": 512.3}}}
    assert table.say(figures, "time.p50", table.duration) == "60.7 ± 0.51 s"
    assert table.say(figures, "time.p99", table.duration) == table.NONE


@pytest.mark.parametrize("width", [80, 120])
def test_comparison_has_one_row_per_rule(make: Any, width: int) -> None:
    rules = ("race", "staked_pool(window_ms=60000)", "bonded")
    rows = [summary([make.drawn_run(k, staked=k == 1, mechanism=name)]) for k, name in enumerate(rules)]
    text = printed(table.compare_table(rows, width), width)
    assert "…" not in text
    assert "delegators" in text
    assert all(table.index(row["concentration"]["hhi"]) in text for row in rows)
    plain = printed(table.compare_table([rows[0], rows[2]], width), width)
    assert "delegators" not in plain
