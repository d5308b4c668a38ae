"""`make mutants` in small, and that it can tell the living from the dead."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.mutants.mutations import KINDS, SUBJECTS, mutants
from tests.mutants.put import Stillborn, put

pytestmark = pytest.mark.tools

ROOT = Path(__file__).resolve().parents[1]


def test_a_mistake_at_the_deadlines_own_instant_is_noticed():
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--sample"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 live" in done.stdout, done.stdout
    assert done.stdout.count(" dies ") >= 7, done.stdout


def test_every_module_that_speaks_or_forgets_is_among_the_subjects():
    written = {path.stem for path in (ROOT / "app/speech").glob("*.py")}
    without_decisions = {"__init__", "errors", "wordlists"}
    asked = {subject.name for subject in SUBJECTS}
    assert {f"speech.{name}" for name in written - without_decisions} <= asked
    assert {"agenda.clock", "agenda.forgetting", "agenda.models", "agenda.pace"} <= asked
    assert not [
        test for subject in SUBJECTS for test in subject.tests if not (ROOT / test).exists()
    ]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_every_mutant_differs_from_the_code(subject):
    made = mutants(subject)
    assert made
    assert {mutant.kind for mutant in made} <= {*KINDS}
    for mutant in made[:: max(1, len(made) // 8)]:
        before, after = mutant.change()
        assert before != after


CODE = """
    from dataclasses import dataclass
    LIMIT = 5
    TABLE = {"a": 1}

    def above(limit):
        return lambda number: number > limit

    RULES = (above(5),)

    def is_over(number, *, limit=LIMIT):
        return number > limit

    class Counter:
        step = 1
        def count(self, number):
            return number + self.step

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Told:
        is_elsewhere: bool = False
"""
USER = "from mutated import RULES, TABLE, Counter, Told, is_over\nmine = Counter()\n"


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A module that has imported names of another one already."""
    (tmp_path / "mutated.py").write_text(textwrap.dedent(CODE))
    (tmp_path / "mutated_user.py").write_text(USER)
    monkeypatch.syspath_prepend(tmp_path)
    import mutated_user  # noqa: PLC0415 - written just above

    yield mutated_user
    del sys.modules["mutated"], sys.modules["mutated_user"]


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        ("number > limit", "number >= limit", "is_over(5)"),
        ("limit=LIMIT", "limit=0", "is_over(3)"),
        ('"a": 1', '"a": 2', "TABLE['a']"),
        ("step = 1", "step = 2", "mine.count(1)"),
        ("bool = False", "bool = True", "Told().is_elsewhere"),
        ("number + self", "number - self", "mine.count(1)"),
        ("lambda number: number > limit", "lambda number: number >= limit", "RULES[0](5)"),
    ],
)
def test_a_change_is_felt_by_those_who_imported_the_name_before(user, before, after, asked):
    was = eval(asked, vars(user))  # noqa: S307 - of the table above
    put("mutated", textwrap.dedent(CODE).replace(before, after))
    assert eval(asked, vars(user)) != was  # noqa: S307 - likewise


def test_what_cannot_be_imported_is_said_to_be_so(user):
    with pytest.raises(Stillborn):
        put("mutated", "LIMIT = 1 // 0\n")
