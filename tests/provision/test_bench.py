"""The bench's own arithmetic and its document; the bench itself is `make bench-provision`."""

from __future__ import annotations

import pytest

from tests.bench.document import replace_section
from tests.bench.provision import MANY, Bench, report, report_many


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# B\n", "# B\n\n## Provision\n\nnew\n"),
        ("# B\n\n## Provision\n\nold\n", "# B\n\n## Provision\n\nnew\n"),
        (
            "# B\n\n## App\n\na\n\n## Provision\n\nold\n\n## Rest\n\nr\n",
            "# B\n\n## App\n\na\n\n## Provision\n\nnew\n\n## Rest\n\nr\n",
        ),
        ("# B\n\n## Provisioning\n\nx\n", "# B\n\n## Provisioning\n\nx\n\n## Provision\n\nnew\n"),
    ],
    ids=["first", "again", "between others", "beside a longer name"],
)
def test_a_section_is_replaced_and_others_stay(tmp_path, before, after):
    file = tmp_path / "bench.md"
    file.write_text(before)

    replace_section(file, "Provision", "new")

    assert file.read_text() == after


def test_a_missing_document_is_begun(tmp_path):
    replace_section(tmp_path / "bench.md", "Provision", "a \\1 b")

    assert (tmp_path / "bench.md").read_text().startswith("# Benchmarks\n")
    assert "## Provision\n\na \\1 b\n" in (tmp_path / "bench.md").read_text()


def test_ratios_are_of_the_best_rounds(tmp_path):
    bench = Bench(state=tmp_path, work=tmp_path)
    for name, times in {
        "floor, overlay": [2.0, 2.0, 9.0], "floor, unpacking": [4.0],
        "ours, create": [2.5, 2.6, 30.0], "ours, no-op": [1.0], "ours, change": [2.0],
        "ours, plan": [1.0], "playbook, create": [10.0], "playbook, no-op": [6.0],
        "playbook, change": [5.0],
    }.items():  # fmt: skip
        bench.times[name] = times
        bench.cpu[name] = [time / 2 for time in times]

    text = report(bench, rounds=3)

    assert "ours is **1.25 x** that (aim: at most 1.3)" in text
    assert "the playbook takes **6.0 x** ours" in text
    assert "| create three, until SSH | 2.50 s | 10.00 s | 4.0 | 4.0 |" in text


def test_what_a_plan_of_many_costs_is_a_formula(tmp_path):
    bench = Bench(state=tmp_path, work=tmp_path)
    for count in MANY:
        bench.requests[count] = count + 2
        bench.cpu[f"plan {count}"] = [9.0, 0.5 + 0.0025 * count]

    text = report_many(bench, loop=0.5)

    assert "Requests: **1 n + 2**. CPU seconds: **0.50 + 2.50 n / 1000**" in text
    assert "| 1,000 | 1,002 | 3.00 s | 6.0 |" in text
