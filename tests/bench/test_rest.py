"""A small run of `make bench-rest`: it works, and nothing has become much dearer.

Wide of the targets on purpose: this runs beside other tests. The bench itself holds the targets.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CPU_RATIO_MAX = 4.0


@pytest.mark.timeout(180)
def test_reading_fifty_tasks_and_dumping_many_stays_cheap():
    command = [sys.executable, "-m", "tests.bench.rest", "--rows", "5000", "--turns", "2"]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    table = ended.stdout
    ratio = re.search(r"GET of 50 tasks.*ratio ([\d.]+)", table)
    assert ratio, table + ended.stderr
    assert float(ratio[1]) <= CPU_RATIO_MAX, table
    assert re.search(r"dump of \d+,\d+ tasks", table), table
    assert "memory" not in table.rpartition("missed:")[2], table
