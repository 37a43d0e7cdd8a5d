"""What holds for every test: in CI nothing is skipped, and Hypothesis draws the same examples."""

import os
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

CI = os.environ.get("PROOFYARD_CI") == "1"

# Compiling takes seconds, so no test has a deadline, and the first example of a compiled property is slow to draw.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("ci" if CI else "dev")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed: nobody would miss it otherwise."""
    return refuse_skip((yield), item)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself."""
    return refuse_skip((yield), collector)


def refuse_skip(report: Report, node: pytest.Collector | pytest.Item) -> Report:
    """Turn a skip into a failure that names the test and its reason; an expected failure stays what it is."""
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{node.nodeid} was skipped, and PROOFYARD_CI=1 allows no skip: {reason}"
    return report
