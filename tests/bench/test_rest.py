"""A small run of `make bench-rest`: it works. What it measures is judged by the bench alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(180)
def test_a_small_bench_of_the_api_measures_everything():
    command = [sys.executable, "-m", "tests.bench.rest", "--rows", "5000", "--turns", "2"]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    table = ended.stdout
    assert re.search(r"GET of 50 tasks.*ratio [\d.]+", table), table + ended.stderr
    assert re.search(r"dump of \d+,\d+ tasks", table), table
