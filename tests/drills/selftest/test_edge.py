"""What the drill of edges lets pass."""

from __future__ import annotations

import pytest

from tests.drills.edge import FAULTS, beyond
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
