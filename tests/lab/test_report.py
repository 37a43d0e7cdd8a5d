"""Pages as text, and their charts compiled by the same library that draws them in the browser."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import vl_convert

from proofyard.engine.result import Slashes
from proofyard.lab import report
from proofyard.lab.metrics import summary

BUNDLE = "/* chart library */"


@pytest.fixture
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "bundle", lambda: BUNDLE)


class Page(HTMLParser):
    """What a browser would load, show and find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.places: list[str] = []
        self.said = ""
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        named = dict(attrs)
        self.loads += [str(named[key]) for key in ("src", "href", "srcset", "data", "action") if key in named]
        if named.get("class") == "chart":
            self.places.append(str(named["id"]))
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts[-1] += data
        elif self._open[-1:] != ["style"]:
            self.said += data


def specs(page: Page) -> dict[str, Any]:
    found = re.search(r"const charts = (\{.*\});\n", page.scripts[-1])
    assert found
    return json.loads(found[1])


def points(spec: Any) -> int:
    """The largest data set of a chart."""
    if isinstance(spec, dict):
        here = len(spec["values"]) if isinstance(spec.get("values"), list) else 0
        return max([here, *map(points, spec.values())])
    return max(map(points, spec)) if isinstance(spec, list) and spec else 0


@pytest.mark.usefixtures("_no_bundle")
def test_page_holds_everything_and_loads_nothing(make: Any) -> None:
    runs = [make.drawn_run(k, 40, staked=True, mechanism="staked_pool(window_ms=60000)") for k in range(2)]
    s = summary(runs)
    text = report.report(runs, s, "Seats churn without end.")
    page = Page(text)
    assert page.loads == []
    assert "Content-Security-Policy" in text
    assert page.scripts[0] == BUNDLE
    assert page.places == list(specs(page))
    assert len(page.places) == 7
    for said in ("drawn", "staked_pool(window_ms=60000)", "Seats churn without end.", "2 seeds (0, 1)", "prover-40"):
        assert said in page.said


@pytest.mark.parametrize(("provers", "theme"), [(5, "light"), (40, "dark")])  # a row for each, or a point
def test_every_chart_compiles(make: Any, provers: int, theme: str) -> None:
    config = json.loads(report.template("themes.json"))[theme]
    runs = [make.drawn_run(1, provers, staked=True)]
    for figure in report.figures(runs, summary(runs)):
        assert figure.chart is not None, figure.title
        svg = vl_convert.vegalite_to_svg(figure.chart.to_dict(), config=config)  # to_dict validates
        assert svg.count("<path") > 5, figure.title
        assert "NaN" not in svg


def test_theme_colours_are_as_many_as_named_provers_and_others() -> None:
    for config in json.loads(report.template("themes.json")).values():
        assert len(set(config["range"]["category"])) == report.NAMED + 1


@pytest.mark.usefixtures("_no_bundle")
def test_an_empty_market_is_told_in_sentences(make: Any) -> None:
    runs = [make.run_of(make.jobs_of(3, phase=[0] * 3, proven_ms=[0] * 3, prover=[-1] * 3), make.provers_of(2))]
    page = Page(report.report(runs, summary(runs)))
    assert page.places == []
    for sentence in (
        "No proof was settled.",
        "No prover held a stake.",
        "Nobody was slashed.",
        "Nothing was delegated.",
    ):
        assert sentence in page.said


@pytest.mark.usefixtures("_no_bundle")
def test_names_and_claims_cannot_break_the_page(make: Any) -> None:
    nasty = "</script><script>alert(1)</script><!--&amp;"
    runs = [make.run_of(make.jobs_of(2), make.provers_of(2, wins=[2, 0], income_gwei=[5, 5]),
                        names=(nasty, "plain"), scenario=nasty, mechanism=nasty)]  # fmt: skip
    page = Page(report.report(runs, summary(runs), nasty))
    assert len(page.scripts) == 2
    assert page.tags.count("script") == 2
    assert page.said.count(nasty) >= 4  # title, heading, rule, claim, table
    assert nasty in json.dumps(specs(page))


@pytest.mark.usefixtures("_no_bundle")
def test_long_runs_are_thinned(make: Any) -> None:
    run = make.drawn_run(1, 60, count=30_000, staked=True)
    many = 20_000
    dice = np.random.default_rng(1)
    slashes = Slashes(np.arange(many), dice.integers(0, 60, many), dice.integers(1, 10**12, many))
    samples = make.samples_of(5_000, 60, run.horizon_ms, stake_gwei=dice.integers(1, 10**15, (5_000, 60)))
    runs = [make.run_of(run.jobs, run.provers, slashes=slashes, slashes_total=50_000, samples=samples)]
    text = report.report(runs, summary(runs))
    found = specs(Page(text))
    assert max(points(spec) for spec in found.values()) <= 5_000
    assert "50,000 in all, 5,000 of them shown." in text
    assert len(text) < 2_000_000  # and 0.9 MB for the library: below 3


def test_shares_over_time_add_up_and_follow_the_winner(make: Any) -> None:
    """Prover 1 makes the first half, prover 2 the second."""
    jobs = make.jobs_of(1_000, prover=[0] * 500 + [1] * 500)
    run = make.run_of(jobs, make.provers_of(3, wins=[500, 500, 0]), horizon_ms=1_000_000)
    figure = report.share_over_time(run, [0, 1])
    assert figure.chart is not None
    rows = figure.chart.to_dict()["layer"][0]["data"]["values"]
    assert {(row["prover"], row["t"] * 60_000 < 499_000) for row in rows} == {("prover-1", True), ("prover-2", False)}
    assert sum(row["proofs"] for row in rows) == 1_000
    assert {(row["low"], row["high"]) for row in rows} >= {(0, 1)}


def test_a_prover_has_one_colour_in_all_charts(make: Any) -> None:
    """Also where the first of them holds no stake."""
    stake = np.array([[0, 5, 6], [0, 7, 5]], np.int64) * 10**9
    run = make.run_of(
        make.jobs_of(6, prover=[0, 0, 0, 1, 1, 2]), make.provers_of(3, wins=[3, 2, 1], income_gwei=[3, 2, 1]),
        samples=make.samples_of(2, 3, 10_000, stake_gwei=stake), horizon_ms=10_000,
    )  # fmt: skip
    shares, *_, own, _, _, _ = report.figures([run], summary([run]))
    assert shares.chart is not None
    assert own.chart is not None
    domains = [
        chart.to_dict()["layer"][0]["encoding"]["color"]["scale"]["domain"] for chart in (shares.chart, own.chart)
    ]
    assert domains == [[report.OTHERS, "prover-1", "prover-2", "prover-3"]] * 2
    assert {row["prover"] for row in own.chart.to_dict()["layer"][0]["data"]["values"]} == {"prover-2", "prover-3"}


def test_stake_that_only_the_unnamed_hold_is_drawn(make: Any) -> None:
    stake = np.zeros((3, 9), np.int64)
    stake[:, 8] = 10**12
    samples = make.samples_of(3, 9, 9_000, stake_gwei=stake)
    run = make.run_of(make.jobs_of(8, prover=range(8)), make.provers_of(9, wins=[1] * 8 + [0]), samples=samples)
    own = next(figure for figure in report.figures([run], summary([run])) if figure.title == "Own stake")
    assert own.chart is not None
    assert {row["prover"] for row in own.chart.to_dict()["layer"][0]["data"]["values"]} == {"prover-9"}


def test_labels_keep_their_order_and_distance() -> None:
    placed = report._apart([0.5, 0.5, 0.5, 0.99], 1.0)
    assert placed == sorted(placed)
    assert min(np.diff(placed)) >= 17 / report.HEIGHT - 1e-9
    assert placed[-1] <= 1
    assert report._apart([0.0, 0.0], 1.0)[0] == 0


@pytest.mark.usefixtures("_no_bundle")
def test_comparison_shows_every_rule(make: Any) -> None:
    rules = ("race", "staked_pool(window_ms=60000)", "bonded")
    rows = [summary([make.drawn_run(k, mechanism=name, skew=k) for k in range(2)]) for name in rules]
    page = Page(report.compare_report(rows, "One world."))
    assert page.loads == []
    assert page.places == list(specs(page)) == ["chart-0", "chart-1"]
    assert all(page.said.count(name) >= 2 for name in rules)
    for spec in specs(page).values():
        svg = vl_convert.vegalite_to_svg(spec | {"width": 600})
        assert all(f">{name}<" in svg for name in ("race", "bonded"))


@pytest.mark.usefixtures("_no_bundle")
def test_comparison_of_rules_that_settled_nothing(make: Any) -> None:
    none = summary([make.run_of(make.jobs_of(2, phase=[0, 0], proven_ms=[0, 0]), make.provers_of(2))])
    assert "No rule settled a proof." in Page(report.compare_report([none, none])).said


def test_bundle_is_kept_and_can_stand_in_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    made: list[str] = []

    def bundling(snippet: str) -> str:
        made.append(snippet)
        return "library;" + snippet

    monkeypatch.setenv("PROOFYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(vl_convert, "javascript_bundle", bundling)
    try:
        report.bundle.cache_clear()
        first = report.bundle()
        report.bundle.cache_clear()
        assert report.bundle() == first == "library;window.vegaEmbed = vegaEmbed;"
    finally:
        report.bundle.cache_clear()
    assert len(made) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_library_itself(make: Any) -> None:
    library = report.bundle()
    assert "window.vegaEmbed" in library
    assert "</script" not in library.lower()
    assert "<!--" not in library
    runs = [make.drawn_run(1)]
    assert len(report.report(runs, summary(runs))) < 3_000_000
