"""Profiles of hypothesis, and how many malformed inputs were tried."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("malformed-long", max_examples=1000)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    report = outcome.get_result()
    counted = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    if report.when == "call" and counted and "malformed" in item.nodeid:
        function = item.obj
        chosen = getattr(function, "_hypothesis_internal_use_settings", None)
        if chosen is not None:
            report.user_properties.append(("malformed_cases", chosen.max_examples))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    total = sum(
        number
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, number in getattr(report, "user_properties", ())
        if name == "malformed_cases"
    )
    if total:
        terminalreporter.write_line(f"malformed inputs tried: {total:,}")
