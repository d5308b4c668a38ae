"""Any value of another type, anywhere in any answer: a problem and a next step, no traceback."""

from __future__ import annotations

import copy
import math
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provision import cli, creation, power, proxmox
from provision.proxmox import Proxmox
from tests.provision.conftest import SECRET

VERBS = {
    "plan": ("plan", "--json"),
    "status": ("status",),
    "doctor": ("doctor",),
    "snapshot-list": ("snapshot-list",),
    "snapshot": ("snapshot", "--yes"),
    "adopt": ("adopt", "web", "--yes"),
    "destroy": ("destroy", "web", "--yes", "--stop"),
    "apply a change": ("apply", "--yes", "--wait", "running", "--wait-timeout", "0.01"),
    "apply from nothing": ("apply", "--yes", "--wait", "running", "--wait-timeout", "0.01"),
}
MISSING = object()
TEXTS = ("", "x", "-1", "9" * 40, "é\x00\n", "a/b", "../..", "UPID:x", "1,2=3,=", "a" * 5000)
NUMBERS = (0, -1, 1, True, False, 1.5, math.inf, math.nan, 2**70, -(2**70))
NESTED = ([], {}, [None], [[]], [{}], {"a": []}, {"a": {"b": None}})
JUNK = st.sampled_from([MISSING, None, *TEXTS, *NUMBERS, *NESTED])
# What `make test-fast` has time for; say EXAMPLES=2000 to look for longer.
EXAMPLES = int(os.environ.get("EXAMPLES", "12"))


class Played:
    """Stands for proxmoxer: the answers of a recording, whatever is written."""

    def __init__(self, world):
        self.world = world

    def __call__(self, path):
        return Call(self.world, path)


class Call:
    def __init__(self, world, path):
        self.world, self.path = world, path

    def _answer(self, method, **params):
        return copy.deepcopy(self.world.get(key_of(method, self.path, params)))

    def get(self, **params):
        return self._answer("GET", **params)

    def post(self, **_):
        return self._answer("POST")

    def put(self, **_):
        return self._answer("PUT")

    def delete(self, **_):
        return self._answer("DELETE")


def key_of(method, path, params):
    """Only of rights is asked with what a path does not say."""
    return method, path, params.get("path", "") if path == "access/permissions" else ""


RECORDED = {}


@pytest.fixture
def worlds(cluster, able, monkeypatch):
    """Every answer of a cluster's whole life, as it was before and after the containers came."""
    if not RECORDED:
        RECORDED.update(record(cluster, monkeypatch))
    return RECORDED


def record(cluster, monkeypatch):
    seen = {}
    send = Proxmox._send

    def recorded(self, method, path, params):
        answer = send(self, method, path, params)
        seen[key_of(method, path, params)] = answer
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Proxmox, "_send", recorded)
        cluster.run("doctor")
        empty = {key: value for key, value in seen.items() if key[1] == "cluster/resources"}
        assert cluster.apply("--wait", "running") == 0
        for argv in (*list(VERBS.values())[:6], VERBS["plan"]):
            cluster.run(*argv)
        full = dict(seen)
        cluster.change("web", lxc_cores=3, lxc_disk_gib=9)
        assert cluster.apply("--wait", "running") == 0
        cluster.run(*VERBS["destroy"])
    assert len({path for _, path, _ in seen}) > 25
    # The configuration of before the change, so that there is something to do.
    return {"full": seen | full, "empty": seen | full | empty}


@pytest.mark.parametrize("verb", VERBS)
def test_no_answer_of_any_shape_is_a_traceback(cluster, worlds, verb, monkeypatch):
    world = worlds["empty" if verb == "apply from nothing" else "full"]
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    def quick(endpoint, **options):
        return Proxmox(endpoint, **(options | {"clock": lambda: now[0], "sleep": sleep}))

    monkeypatch.setattr(cli, "Proxmox", quick)
    monkeypatch.setattr(creation, "SETTLE_S", 0.5)
    # The clock is the test's own: a container that is never up is asked a dozen times, not 120,000.
    monkeypatch.setattr(power, "POLL_S", 10)
    playing = {}
    monkeypatch.setattr(proxmox, "ProxmoxResource", lambda *_, **__: Played(playing))
    paths = sorted(world)

    @settings(
        max_examples=EXAMPLES, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(paths), st.data())
    def fuzzed(key, data):
        playing.clear()
        playing.update(world | {key: spoilt(copy.deepcopy(world[key]), data)})
        code = cluster.run(*VERBS[verb])
        said = cluster.out + cluster.err
        assert code in (0, 1, 2)
        assert code != 1 or "Next: " in said or '"next_step"' in said or "to do" in said
        assert SECRET not in said

    fuzzed()


def spoilt(answer, data):
    """The answer with one value, at any depth, replaced or taken away."""
    if isinstance(answer, dict) and answer and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(answer)))
        changed = spoilt(answer[key], data)
        rest = {name: value for name, value in answer.items() if name != key}
        return rest if changed is MISSING else rest | {key: changed}
    if isinstance(answer, list) and answer and data.draw(st.integers(0, 9)):
        place = data.draw(st.integers(0, len(answer) - 1))
        changed = spoilt(answer[place], data)
        return answer[:place] + ([] if changed is MISSING else [changed]) + answer[place + 1 :]
    return data.draw(JUNK)
