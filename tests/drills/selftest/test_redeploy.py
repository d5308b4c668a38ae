"""What the drill of releases makes of what it saw: it must be able to fail."""

from __future__ import annotations

import ast
import shutil

import pytest

from tests.bench import rollout as bench
from tests.drills import faults, redeploy, result
from tests.drills.broken import BROKEN
from tests.drills.load import Outcome
from tests.infra.site import ROOT

SHOWN = """\
TASK [agenda : release | Refuse] ***
[ERROR]: Task failed: Module failed: first
Origin: /x/a.yml:1:1

[ERROR]: Task failed: Action failed: release x failed before it had any traffic: why
  Next: y serves as before
Origin: /x/b.yml:1:1
"""


def outcome(*, failures=(), requests=1000, acknowledged=("a", "b")):
    return Outcome(
        requests=requests,
        failures=list(failures),
        acknowledged=set(acknowledged),
        latencies_s=[0.1],
        answers_at=[1.0, 1.5, 4.0],
    )


@pytest.mark.parametrize("name", BROKEN)
def test_broken_release_is_valid_python_that_differs_from_ours(name, tmp_path):
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("*.pyc"))
    before = {path: path.read_text("utf-8") for path in tmp_path.rglob("*.py")}

    BROKEN[name].breaks(tmp_path)

    after = {path: path.read_text("utf-8") for path in tmp_path.rglob("*.py")}
    assert after != before
    for text in after.values():
        ast.parse(text)


def test_refusal_tells_every_error_that_was_shown():
    assert redeploy.refusal(SHOWN).endswith("had any traffic: why Next: y serves as before")
    assert len(redeploy.VERDICT.findall(redeploy.refusal(SHOWN))) == 1
    assert redeploy.refusal("[ERROR]: a\nOrigin: x\n[ERROR]: b\n c\nOrigin: y") == "a / b c"


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        pytest.param(redeploy.Result(outcome()), [], id="all well"),
        pytest.param(
            redeploy.Result(outcome(failures=[(1.0, "GET: HTTP 502")])),
            ["1 requests failed"],
            id="a request failed",
        ),
        pytest.param(
            redeploy.Result(outcome(), lost={"a"}), ["1 acknowledged writes are lost"], id="lost"
        ),
        pytest.param(
            redeploy.Result(outcome(requests=10)), ["only 10 requests were made"], id="idle"
        ),
        pytest.param(
            redeploy.Result(outcome(), wrong=["500: another release serves"]),
            ["500: another release serves"],
            id="a broken release served",
        ),
    ],
)
def test_drill_fails_on_each_thing_that_is_wrong(seen, found):
    assert redeploy.faults(seen, switches=2) == found


def test_trouble_lasts_from_the_fault_to_the_last_failure():
    seen = outcome(failures=[(11.0, "GET: HTTP 503"), (12.5, "GET: HTTP 503")])
    found = faults.columns(seen, began=10.0, lasts_s=0.0, lost=0)
    assert found == ["at once", "2 x GET: HTTP 503", "2.5 s", "2.5 s", "2", "0"]


def test_lost_write_and_a_silent_drill_are_wrong():
    assert faults.verdict(outcome(), 0) == []
    assert faults.verdict(outcome(), 1) == ["1 acknowledged writes are lost"]
    assert faults.verdict(outcome(acknowledged=()), 0) == ["nobody wrote anything"]


def test_spread_names_number_shortest_longest_and_middle():
    assert result.spread([3.0, 1.0, 2.0]) == "3, 1 to 3 s, middle 2 s"
    assert result.spread([]) == "none"


@pytest.mark.parametrize(
    ("told", "count"),
    [
        pytest.param({"action": "ansible.builtin.stat"}, 1, id="a module"),
        pytest.param({"action": "ansible.builtin.set_fact"}, 0, id="on the controller"),
        pytest.param({"action": "host_files", "skipped": True}, 0, id="skipped"),
        pytest.param(
            {"action": "ansible.builtin.file", "results": [{}, {"skipped": True}, {}]}, 2, id="loop"
        ),
    ],
)
def test_bench_counts_calls_on_hosts(told, count):
    assert bench.count_of(told) == count


def test_quiet_begins_only_after_the_fault(monkeypatch):
    """A fault whose first failure has not come yet is not over."""
    seen = outcome()
    monkeypatch.setattr(faults.time, "monotonic", lambda: 4.5)
    assert not faults.is_quiet(seen, since=4.0)
    monkeypatch.setattr(faults.time, "monotonic", lambda: 6.5)
    assert faults.is_quiet(seen, since=1.0)
    seen.failures.append((6.0, "GET: HTTP 503"))
    assert not faults.is_quiet(seen, since=1.0)
