"""What goes wrong, on purpose. Each test tells its figure; together they are the table that `make faults` prints.

CI runs a short version of each; REMORA_FAULTS=full the whole.
"""

import os
from collections.abc import Callable

import pytest

FULL = os.environ.get("REMORA_FAULTS") == "full"

Figure = Callable[[str, object], None]


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the whole is run."""
    return FULL


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Tell a figure: what was done, and what came of it."""
    return lambda fault, found: record_property("figure", (fault, str(found)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    rows = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "figure"
    ]
    if rows:
        terminalreporter.write_sep("-", "faults")
        terminalreporter.write_line("| fault | what came of it |\n|---|---|")
        for fault, found in rows:
            terminalreporter.write_line(f"| {fault} | {found} |")
