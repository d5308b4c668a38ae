"""What verify gathers before it is asked for belongs to modules that exist, and to one host."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.infra import evidence

HERE = Path(evidence.__file__).parent


def test_pieces_are_wanted_by_modules_that_exist():
    named = {*evidence.WANTED_BY, *evidence.COSTLY_FACTS}

    assert {name for name in named if not (HERE / f"{name}.py").is_file()} == set()


@pytest.mark.parametrize(
    ("account_took_s", "lives_s"),
    [
        pytest.param(1.0, (5, 15), id="idle"),
        pytest.param(7.2, (15, 45), id="busy"),
        pytest.param(60.0, (20, 60), id="very busy"),
    ],
)
def test_task_lives_as_long_as_the_machines_pace_asks(account_took_s, lives_s):
    assert evidence.lifetimes_s_of(account_took_s) == lives_s


@pytest.fixture
def gathered(monkeypatch):
    """Evidence of a host that makes probes named after their number; `ran` is what it was told."""
    ran = []

    def run(command, **_):
        ran.append(command[-1])
        name = f"probe-{len(ran)}"
        says = {"username": name, "remove": ["remove", f"--username={name}"]}
        return SimpleNamespace(stdout=json.dumps(says))

    monkeypatch.setattr(evidence.Evidence, "_begin", lambda *_: None)
    monkeypatch.setattr(evidence, "vantage", lambda _site: None)
    place = SimpleNamespace(run=run)
    connections = SimpleNamespace(place=lambda _name: place)
    made = evidence.Evidence(SimpleNamespace(), connections, modules=())
    yield SimpleNamespace(evidence=made, ran=ran)
    made.close()


def test_a_host_that_ends_first_leaves_the_probes_of_others(gathered):
    host = SimpleNamespace(name="web")
    with gathered.evidence._probe(host) as first, gathered.evidence._probe(host) as second:
        assert "remove" not in first | second, "they are sent as a form"
    assert gathered.ran == ["create", "create", "--username=probe-2", "--username=probe-1"]


def test_each_life_has_words_of_its_own_in_which_those_of_the_run_are_found(gathered):
    one, other = (gathered.evidence._needle_of_a_life() for _ in range(2))
    assert one not in other
    assert other not in one
    assert all(gathered.evidence.needle in needle for needle in (one, other))
