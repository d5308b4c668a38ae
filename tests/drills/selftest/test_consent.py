"""A drill disturbs nobody who did not ask for it."""

from __future__ import annotations

import argparse
import io

import pytest

from provision.errors import OperatorError
from tests.drills.consent import ask


def given(*, env="lab", yes=False, confirm=""):
    return argparse.Namespace(env=env, yes=yes, confirm=confirm)


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(given(), id="lab, nobody to ask"),
        pytest.param(given(env="srv-px5", yes=True), id="elsewhere YES is not enough"),
        pytest.param(given(env="srv-px5", yes=True, confirm="lab"), id="another name"),
    ],
)
def test_a_drill_refuses(answer):
    with pytest.raises(OperatorError, match=r"\n  Next: "):
        ask(answer, drill="drill-reboot", what="restarts every container")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(given(yes=True), id="YES in the lab"),
        pytest.param(given(env="srv-px5", confirm="srv-px5"), id="its name elsewhere"),
    ],
)
def test_a_drill_goes_on(answer):
    ask(answer, drill="drill-reboot", what="restarts every container")
