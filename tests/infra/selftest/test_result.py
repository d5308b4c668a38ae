"""Verify's exit code: what cannot be proved never passes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.infra.__main__ import Result

PASSED = SimpleNamespace(failed=False, skipped=False, when="call", nodeid="a")
FAILED = SimpleNamespace(failed=True, skipped=False, when="call", nodeid="b")
OPEN = SimpleNamespace(
    failed=False,
    skipped=True,
    when="setup",
    nodeid="c",
    longrepr=("file", 1, "Skipped: NOT PROVED: isolation: no vantage point"),
)


@pytest.mark.parametrize(
    ("reports", "status", "code"),
    [
        pytest.param([PASSED], 0, 0, id="all proved"),
        pytest.param([PASSED, FAILED], 1, 1, id="something wrong"),
        pytest.param([PASSED, OPEN], 0, 3, id="something not proved"),
        pytest.param([PASSED, OPEN, FAILED], 1, 1, id="wrong counts before not proved"),
        pytest.param([], 5, 1, id="no test was found"),
        pytest.param([PASSED], 2, 1, id="interrupted"),
        pytest.param([], 0, 3, id="nothing was tried"),
    ],
)
def test_exit_code(reports, status, code):
    result = Result()
    for report in reports:
        result.pytest_runtest_logreport(report)
    assert result.exit_code(status) == code


def test_what_is_not_proved_is_named():
    result = Result()
    result.pytest_runtest_logreport(OPEN)
    assert result.open == ["isolation: no vantage point"]
