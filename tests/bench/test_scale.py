"""The bench of scale works, and docs/scale.md says what its kept figures say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.needs import KINDS, PLANNED, Cost, kept_costs, needs, rates

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| ([\d,]+) \| ([\d.,]+) \| (\d+) \| (\d+) \| ([\d.]+) \|$", re.MULTILINE)
ONE_MS = {kind: Cost(serving_ms=1.0, database_ms=0.5) for kind in KINDS}


@pytest.mark.tools
@pytest.mark.timeout(180)
def test_a_small_bench_of_scale_measures_everything():
    command = [sys.executable, "-m", "tests.bench.scale", "--small"]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False
    )
    told = ended.stdout
    for kind in KINDS:
        assert re.search(rf"^\| {kind}, CPU a request \| [\d.]+ ms \|", told, re.MULTILINE), told
    assert "20 open pages, CPU a minute" in told, told + ended.stderr
    assert re.search(r"busiest hour, slowed \d+ times", told), told
    assert f"bench-scale: {len(KINDS) + 3} figures" in told, told + ended.stderr


def test_a_million_accounts_ask_what_the_model_says():
    asked = rates(1_000_000)
    assert {name: round(rate) for name, rate in asked.items()} == {
        "page": 185,
        "poll": 1667,
        "announcement": 167,
        "write": 93,
        "REST GET": 19,
        "REST POST": 9,
    }


def test_cores_are_requests_times_their_cost_and_containers_leave_room():
    million = needs(1_000_000, ONE_MS)
    assert million.web == pytest.approx(2.11, abs=0.01)
    assert million.rest == pytest.approx(0.028, abs=0.001)
    assert million.database == pytest.approx(1.07, abs=0.01)
    assert million.containers() == {"web": 4, "rest": 2}
    assert million.web / million.containers()["web"] <= PLANNED


def test_of_each_kind_of_container_there_are_two():
    assert needs(10, ONE_MS).containers() == {"web": 2, "rest": 2}


def test_a_bench_that_lacks_a_kind_is_none():
    with pytest.raises(KeyError, match="poll"):
        kept_costs("| page, CPU a request | 6.20 ms | 1.00 ms | 3.0 statements |")


def test_the_page_says_what_the_kept_figures_say():
    costs = kept_costs((ROOT / "docs/bench.md").read_text("utf-8"))
    rows = ROW.findall((ROOT / "docs/scale.md").read_text("utf-8"))
    assert len(rows) >= 4
    for accounts, *told in rows:
        number = int(accounts.replace(",", ""))
        found = needs(number, costs)
        requests = sum(rates(number).values())
        counts = found.containers()
        said = [
            f"{requests:,.0f}",
            str(counts["web"]),
            str(counts["rest"]),
            f"{found.database:.1f}",
        ]
        assert said == told, accounts
