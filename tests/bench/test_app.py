"""A small run of `make bench-app`: it works. What it measures is judged by the bench alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.app import CHUNK_ROWS

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[2]
FIGURES = [
    r"agenda page of 50 tasks, beside a signed-in empty view .* [\d.]+ times",
    r"agenda page of 500 tasks, .* [\d.]+ times",
    r"a task's sound, local voice, .* [\d.]+ times",
    r"pages a second as deployed, beside runserver, 1 clients .*; 0\) .*; 0\) \| [\d.]+ times",
    r"pages a second as deployed, beside runserver, 2 clients .*; 0\) .* [\d.]+ times",
    r"that page with 600 tasks in the table, beside 1,000 .* [\d.]+",
    r"purge of 120 expired of 720 rows, .* rows/s \| [\d.]+",
    r"an INSERT during that purge, .* ms \| [\d.]+",
    r"the same INSERT during the mariadb client's purge, .* ms \| [\d.]+",
]


@pytest.mark.timeout(180)
def test_a_small_bench_of_the_agenda_measures_everything() -> None:
    command = [sys.executable, "-m", "tests.bench.app", "--small", "--rows", "600", "--rounds", "1"]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False
    )
    told = ended.stdout
    assert [figure for figure in FIGURES if not re.search(figure, told)] == [], told + ended.stderr
    assert f"bench-app: {len(FIGURES)} figures" in told, told + ended.stderr


def test_the_mariadb_client_deletes_in_chunks_as_large_as_ours() -> None:
    source = (ROOT / "app/agenda/pace.py").read_text("utf-8")
    assert f"\nCHUNK_ROWS = {CHUNK_ROWS}\n" in source
