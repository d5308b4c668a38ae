"""A run of a timer that failed before we asked says nothing of now: the next one does."""

from __future__ import annotations

import importlib.util

import pytest

from tests.infra.remote import ON_HOST

ASKED_S = 100.0


@pytest.fixture
def facts():
    found = importlib.util.spec_from_file_location("facts", ON_HOST / "facts.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def shown(result, state, began_s):
    return (
        f"Result={result}\nActiveState={state}\nExecMainStartTimestampMonotonic={began_s}000000\n"
    )


@pytest.mark.parametrize(
    ("unit", "is_answered"),
    [
        pytest.param(shown("success", "inactive", 95), True, id="the last run ended well"),
        pytest.param(shown("exec-condition", "inactive", 95), True, id="nothing was due"),
        pytest.param(shown("exit-code", "failed", 95), False, id="an older run failed"),
        pytest.param(shown("exit-code", "activating", 101), False, id="a new run is under way"),
        pytest.param(shown("exit-code", "failed", 101), True, id="a new run failed too"),
    ],
)
def test_what_the_last_run_says(facts, monkeypatch, unit, is_answered):
    monkeypatch.setattr(facts, "run", lambda *_command: unit)
    assert facts.is_answered("agenda-expiry.service", ASKED_S) is is_answered


def test_the_next_run_is_waited_for(facts, monkeypatch):
    seen = [shown("exit-code", "failed", 95), shown("success", "inactive", 101)]
    monkeypatch.setattr(facts, "run", lambda *_command: seen.pop(0))
    monkeypatch.setattr(facts.time, "sleep", lambda _s: None)
    facts.await_ticks(["agenda-expiry.service"], since_s=ASKED_S)
    assert seen == []


def test_a_timer_that_stands_still_is_not_waited_for_without_end(facts, monkeypatch):
    monkeypatch.setattr(facts, "run", lambda *_command: shown("exit-code", "failed", 95))
    facts.await_ticks(["agenda-expiry.service"], since_s=ASKED_S, limit_s=0.01)
