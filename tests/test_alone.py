"""setup/alone: one run at a time, and what a killed one leaves is in nobody's way for long."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ALONE = Path(__file__).parents[1] / "setup/alone"


def alone(lock, *command, orphans_s=1):
    environment = {**os.environ, "CTLV_ORPHANS_S": str(orphans_s)}
    return subprocess.Popen(
        [ALONE, lock, *command], env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "state" / "busy.lock"


def began(file):
    limit_s = time.monotonic() + 20
    while not (file.exists() and file.read_text()) and time.monotonic() < limit_s:
        time.sleep(0.02)
    return file.read_text()


def test_the_command_runs_and_its_status_is_ours(lock):
    assert alone(lock, "sh", "-c", "exit 7").wait(20) == 7


def test_a_state_folder_that_it_makes_is_its_users_alone(lock):
    """The lab keeps its containers' disks in there."""
    assert alone(lock, "true").wait(20) == 0
    assert lock.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_run_waits_for_one_that_works_however_long(lock, tmp_path):
    mark = tmp_path / "mark"
    script = f"echo begun > {mark}; sleep 3; echo ended > {mark}"
    first = alone(lock, "sh", "-c", script)
    began(mark)
    second = alone(lock, "cat", mark)
    assert (second.wait(20), first.wait(20)) == (0, 0)
    assert mark.read_text() == "ended\n"
    said = second.stderr.read()
    assert "waiting for it" in said
    assert "Ending" not in said


def test_an_orphan_of_a_killed_run_is_ended_after_a_while(lock, tmp_path):
    mark = tmp_path / "mark"
    orphan = f"setsid sh -c 'echo $$ > {mark}; exec sleep 300' & wait"
    first = alone(lock, "sh", "-c", orphan)
    process = int(began(mark))
    first.send_signal(signal.SIGKILL)
    first.wait(20)
    second = alone(lock, "true")
    assert second.wait(20) == 0
    assert f"left behind: process {process}" in second.stderr.read()


@pytest.mark.parametrize("word", ["soon", "-1", "601", "1.5", "6; true"])
def test_a_patience_that_is_no_number_of_seconds_is_refused(word, lock, tmp_path):
    mark = tmp_path / "mark"
    refused = alone(lock, "touch", mark, orphans_s=word)
    assert refused.wait(20) == 1
    assert f"CTLV_ORPHANS_S is '{word}'" in (said := refused.stderr.read())
    assert "Next: " in said
    assert not mark.exists()


@pytest.mark.xdist_group("workers")
def test_a_group_of_tests_is_one_workers(request):
    """What xdist goes by stands behind the @."""
    is_a_worker = hasattr(request.config, "workerinput")
    assert request.node.nodeid.endswith("@workers") is is_a_worker
