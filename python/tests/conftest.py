"""What all tests share: real cgroups to enter, interpreters to start, and a line for whatever could not be done."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`cargo xtask test` collects lines of this form and repeats them at the end."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        name = report.nodeid.rpartition("::")[2]
        terminalreporter.write_line(f"skipped: {name}: {reason.removeprefix('Skipped: ')}")
