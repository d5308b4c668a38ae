"""Every expected failure is two lines: what, and what to do next."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from provision import errors

SOURCES = sorted(Path(errors.__file__).parent.glob("*.py"))
CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.OperatorError)
]
NAMES = {error.__name__ for error in CLASSES}


def calls():
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in NAMES:
                yield pytest.param(node, id=f"{source.name}:{node.lineno}")


@pytest.mark.parametrize("call", list(calls()))
def test_each_place_that_fails_says_what_and_what_next(call):
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}

    assert len(call.args) == 1
    assert "next_step" in keywords
    for text in (call.args[0], keywords["next_step"]):
        assert not (isinstance(text, ast.Constant) and not str(text.value).strip())


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_each_error_prints_two_parts(error):
    more = {"ApiError": {"status": 500, "message": "m"}, "TaskError": {"exit_status": None}}
    made = error("it broke", next_step="mend it", **more.get(error.__name__, {}))

    assert (made.problem, made.next_step) == ("it broke", "mend it")
    assert str(made) == "it broke\n  Next: mend it"


def test_there_are_places_to_check():
    assert len(list(calls())) > 40
