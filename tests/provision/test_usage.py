"""Wrong input is two lines and exit 1: never a traceback, and never 2, which means "changes"."""

from __future__ import annotations

import pytest

from provision import cli
from provision.errors import OperatorError
from provision.inventory import load

WRONG = [
    ([], "the following arguments are required: VERB"),
    (["nosuch", "--env", "lab"], "invalid choice: 'nosuch'"),
    (["plan"], "the following arguments are required: --env"),
    (["apply", "--env", "lab", "--wait", "forever"], "invalid choice: 'forever'"),
    (["apply", "--env", "lab", "--parallel", "0"], "is '0', not a whole number from 1 to 100"),
    (
        ["apply", "--env", "lab", "--parallel", "many"],
        "--parallel is 'many', not a whole number from 1 to 100",
    ),
    (["apply", "--env", "lab", "--wait-timeout", "-5"], "-5 is not above 0"),
    (["apply", "--env", "lab", "--wait-timeout", "nan"], "nan is not above 0"),
    (["status", "--env", "lab", "--watch", "0"], "0 is not above 0"),
    (["snapshot", "--env", "lab", "--keep", "0"], "is '0', not a whole number from 1 to 100"),
]


@pytest.mark.parametrize(("argv", "text"), WRONG, ids=[" ".join(argv) for argv, _ in WRONG])
def test_wrong_usage_is_two_lines_and_1(argv, text, capsys):
    assert cli.main(argv) == 1

    first, second = capsys.readouterr().err.splitlines()
    assert text in first
    assert second.startswith("  Next: python -m provision")


@pytest.mark.parametrize("environment", ["", "..", "../lab", "lab/", "/etc", "a b", "-x"])
def test_an_environment_is_a_name_below_inventory(tmp_path, environment):
    (tmp_path / "inventory/lab").mkdir(parents=True)
    (tmp_path / "inventory/lab/hosts.yml").touch()

    with pytest.raises(OperatorError, match=r"there is no inventory .* \(found: lab\)"):
        load(environment, root=tmp_path)


@pytest.mark.parametrize("place", ["missing/plan.json", "."])
def test_a_plan_that_cannot_be_written_is_said(cluster, tmp_path, place):
    assert cluster.run("plan", "--out", str(tmp_path / place)) == 1
    assert "the plan cannot be written to" in cluster.err


def test_a_plan_file_that_is_not_there_is_said_before_any_call(cluster, tmp_path):
    assert cluster.run("apply", str(tmp_path / "none.json")) == 1
    assert "cannot be read as a plan" in cluster.err
    assert "-m provision plan --env lab --out FILE" in cluster.err
    assert cluster.calls() == []


def test_what_is_no_fingerprint_is_said_before_anything_is_waited_for(cluster):
    assert cluster.run("trust", "web", "--fingerprint", "ab:cd") == 1
    assert "'ab:cd' is not a fingerprint" in cluster.err


@pytest.mark.parametrize(
    ("answer", "code"), [("y", 0), ("OUI", 0), ("n", 1), ("", 1)], ids=["y", "OUI", "n", "enter"]
)
def test_a_question_is_answered_by_yes_only(cluster, monkeypatch, answer, code):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)

    assert cluster.run("apply") == code
    assert len(cluster.pve.cts) == (0 if code else 2)


@pytest.mark.parametrize("closed", [EOFError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")])
def test_a_terminal_that_is_closed_is_a_no(cluster, monkeypatch, closed):
    def fail(_):
        raise closed

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", fail)

    assert cluster.run("apply") == 1
    assert "not confirmed, nothing was changed" in cluster.err
    assert cluster.pve.cts == []


def test_a_failure_is_named_once_a_line(cluster):
    cluster.pve.fail("POST", "/nodes/pve1/lxc", 500, "web: out of luck", times=1)

    assert cluster.apply() == 1
    assert "web: web:" not in cluster.out
    assert "db: db:" not in cluster.out


def test_a_bug_that_argparse_cannot_know_keeps_its_traceback(monkeypatch):
    """Tracebacks are for bugs: they are not swallowed."""
    monkeypatch.setattr(cli, "load", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["plan", "--env", "lab"])
