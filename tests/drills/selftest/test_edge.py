"""What the drill of edges lets pass."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.drills import edge
from tests.drills.edge import FAULTS, MEMBERS, beyond
from tests.drills.load import Outcome

OF_AN_EDGE = next(fault for fault in FAULTS.values() if fault.group == "edge" and fault.failed)
OF_A_WEB_HOST = next(fault for fault in FAULTS.values() if fault.group == "web")


def outcome(*failures, pause_s=0.2):
    return Outcome(failures=[(1.0, kind) for kind in failures], answers_at=[1.0, 1.0 + pause_s])


@pytest.mark.parametrize(
    ("fault", "seen", "found"),
    [
        pytest.param(OF_AN_EDGE, outcome("GET: ConnectionResetError"), "", id="under way"),
        pytest.param(OF_AN_EDGE, outcome(pause_s=9), "nobody was answered for 9.0 s", id="pause"),
        pytest.param(OF_AN_EDGE, outcome(*["POST: HTTP 502"] * 17), "17 requests", id="too many"),
        pytest.param(OF_A_WEB_HOST, outcome("POST: HTTP 502"), "", id="sent once"),
        pytest.param(OF_A_WEB_HOST, outcome("GET: HTTP 502"), "1 x GET: HTTP 502", id="not again"),
    ],
)
def test_each_fault_has_its_limits(fault, seen, found):
    wrong = beyond(seen, fault, slack=1.0)
    assert [line.startswith(found) for line in wrong] == [True] * bool(found)


def test_a_slow_machine_has_more_time_and_more_under_way():
    seen = outcome(*["POST: HTTP 502"] * (3 * OF_AN_EDGE.failed), pause_s=3 * OF_AN_EDGE.pause_s)
    assert beyond(seen, OF_AN_EDGE, slack=3.0) == []
    assert len(beyond(seen, OF_AN_EDGE, slack=2.9)) == 2


@pytest.mark.parametrize(
    ("answered", "is_wrong"),
    [("ERROR 1047\nERROR 1047\n", False), ("ERROR 1047\n41\n", True), ("", True)],
    ids=["refused both", "answered a question", "was not asked"],
)
def test_a_database_that_is_cut_off_must_refuse_what_it_is_asked(answered, is_wrong, monkeypatch):
    cut = next(fault for name, fault in MEMBERS.items() if "cut off" in name)
    host = SimpleNamespace(name="database")
    monkeypatch.setattr(edge, "on", lambda _site, _host, _command: answered)
    assert bool(cut.unproved(SimpleNamespace(site=None), host)) is is_wrong
