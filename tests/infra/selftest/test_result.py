"""Verify's exit code: what cannot be proved never passes."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from provision.desired import desired
from provision.model import Actual
from tests.infra import __main__ as verify
from tests.infra.__main__ import Result, told_to
from tests.provision.test_placement import webs

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


def test_what_is_wrong_is_said_at_once_with_its_reason():
    screen = io.StringIO()
    result = Result(screen)
    report = SimpleNamespace(**vars(FAILED), longreprtext="a\nE   assert 502 == 200\ntest_web.py:7")
    result.pytest_runtest_logstart("b")
    result.pytest_runtest_logreport(PASSED)
    result.pytest_runtest_logreport(report)
    assert screen.getvalue() == "wrong: b\n    a\n    E   assert 502 == 200\n    test_web.py:7\n"


def test_a_terminal_shows_how_far_it_is(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    result = Result(screen)
    result.pytest_collection_finish(SimpleNamespace(items=[1, 2]))
    result.pytest_runtest_logreport(PASSED)
    result.pytest_runtest_logstart("tests/infra/test_web.py::test_it")
    assert screen.getvalue().endswith("[2/2] 0 s  test_it")


def test_what_pytest_says_goes_to_the_log(tmp_path, capsys):
    with told_to(tmp_path / "log"):
        print("told")
    assert (tmp_path / "log").read_text() == "told\n"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("nodes", "skip", "lines"),
    [
        (("a", "b"), [], [
            "verify: ct001: it lies on b, which is offline",
            "  Next: bring the node back; or leave web and REST hosts out: SKIP='ct001'",
        ]),
        (("a", "b"), ["ct001"], []),
        (("b", "b"), [], []),
    ],
    ids=["a node is off", "left out", "one node"],
)  # fmt: skip
def test_who_lies_on_a_node_that_is_off_is_said_first(monkeypatch, capsys, nodes, skip, lines):
    inventory = webs(*nodes)
    actual = Actual(unread={3001: "it lies on b, which is offline"})
    monkeypatch.setattr(verify, "load", lambda *_, **__: inventory)
    monkeypatch.setattr(verify, "read_cluster", lambda _: (desired(inventory), actual))

    verify.name_lost("lab", skip)

    assert capsys.readouterr().err.splitlines() == lines
