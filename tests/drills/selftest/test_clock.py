"""The drill's wrong clock: off by what its file says, and nobody waits longer for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.drills import clock

TOLD = """
import datetime, threading, time
began = time.monotonic()
time.sleep(0.05)
threading.Event().wait(0.05)
print(time.time(), datetime.datetime.now().timestamp(), time.clock_gettime(time.CLOCK_BOOTTIME))
print(time.monotonic() - began)
"""


@pytest.mark.parametrize("ahead_s", [0, 7200])
def test_wall_clock_alone_is_ahead(tmp_path, ahead_s):
    made, off = tmp_path / "wrong_clock.so", tmp_path / "off"
    made.write_bytes(clock.library())
    off.write_text(f"{ahead_s:07d}\n")
    told = subprocess.run(
        [sys.executable, "-c", TOLD],
        env={**os.environ, "LD_PRELOAD": str(made), "WRONG_CLOCK": str(off)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.split()
    wall_s, date_s, up_s, took_s = map(float, told)
    assert wall_s == pytest.approx(time.time() + ahead_s, abs=20)
    assert date_s == pytest.approx(wall_s, abs=1)
    assert up_s == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=20)
    assert 0.1 <= took_s < 20


@pytest.mark.parametrize("group", clock.UNITS)
def test_host_takes_the_clock_away_again(group):
    script = clock.script(group, b"library")
    end = script.partition("cat > end")[2]
    for unit in clock.UNITS[group]:
        assert clock.DROP_IN.format(unit=unit) in end
    assert f"rm -rf {clock.FOLDER}" in end
    assert "ExecStopPost" in script
    assert not clock.UNIT.startswith("ctlv-")  # those run in a sandbox
