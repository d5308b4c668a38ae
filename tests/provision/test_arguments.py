"""Flags, and behind them what make was given."""

from __future__ import annotations

import os

import pytest

from provision.arguments import Parser, given, one_of, whole
from provision.errors import OperatorError


@pytest.fixture
def by_make(monkeypatch):
    # readline, which pytest may load, exports LINES too.
    for name in ("STATE", "LINES", "NAMES", "FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAKELEVEL", "1")
    return monkeypatch.setenv


def parser() -> Parser:
    made = Parser(prog="python -m rollout.reach", next_step="make reach STATE=on")
    made.add("state", make="STATE", type=one_of("on", "off"))
    made.add("--lines", make="LINES", type=whole(1, 9), default=5)
    made.add("--names", make="NAMES", nargs="*", default=[])
    made.add("--force", make="FORCE", action="store_true")
    return made


def test_what_make_was_given_is_what_the_program_knows(by_make):
    for name, text in {"STATE": "on", "LINES": " 7\n", "NAMES": "a --b", "FORCE": "1"}.items():
        by_make(name, text)
    found = parser().parse_args([])
    assert vars(found) == {"state": "on", "lines": 7, "names": ["a", "--b"], "force": True}


def test_the_command_line_wins(by_make):
    by_make("STATE", "on")
    by_make("LINES", "7")
    found = parser().parse_args(["off", "--lines", "2"])
    assert (found.state, found.lines) == ("off", 2)


def test_what_a_shell_exports_counts_only_behind_make(monkeypatch):
    monkeypatch.delenv("MAKELEVEL", raising=False)
    monkeypatch.setenv("LINES", "7")
    monkeypatch.setenv("FORCE", "1")
    found = parser().parse_args(["on"])
    assert (found.lines, found.force) == (5, False)


def test_a_program_that_this_one_starts_was_not_given_it(by_make):
    by_make("STATE", "on")
    parser().parse_args([])
    assert given("STATE") is None
    assert os.environ["STATE"] == "on"


@pytest.mark.parametrize(
    ("variables", "argv", "said"),
    [
        ({"STATE": "up"}, [], "STATE= is 'up', none of on, off"),
        ({}, [], "the following arguments are required: STATE="),
        ({"STATE": "on", "LINES": "10"}, [], "LINES= is '10', not a whole number from 1 to 9"),
        ({"STATE": "on", "LINES": "٣"}, [], "LINES= is '٣', not a whole number from 1 to 9"),
        ({}, ["on", "--lines"], "LINES=: expected one argument"),
        ({"STATE": "on\nNext: x"}, [], "STATE= is 'on\nNext: x', none of on, off"),
    ],
)
def test_wrong_usage_names_the_variable_and_the_way_out(by_make, variables, argv, said):
    for name, text in variables.items():
        by_make(name, text)
    with pytest.raises(OperatorError) as raised:
        parser().parse_args(argv)
    assert str(raised.value) == f"{said}\n  Next: make reach STATE=on"


def test_without_make_the_flag_is_named(monkeypatch):
    monkeypatch.delenv("MAKELEVEL", raising=False)
    with pytest.raises(OperatorError, match=r"^--lines is 'x', not a whole number from 1 to 9\n"):
        parser().parse_args(["on", "--lines", "x"])


def test_a_process_ends_with_1_and_two_lines(monkeypatch, capsys):
    monkeypatch.delenv("MAKELEVEL", raising=False)
    monkeypatch.setattr("sys.argv", ["reach", "sideways"])
    with pytest.raises(SystemExit) as ended:
        parser().parse()
    assert ended.value.code == (
        "rollout.reach: state is 'sideways', none of on, off\n  Next: make reach STATE=on"
    )
