"""The drill of kills knows the tasks in which a release gets the traffic."""

from __future__ import annotations

import pytest
import yaml

from tests.drills import killed
from tests.infra.site import ROOT


def names(tasks: list[dict]) -> list[str]:
    return [
        name
        for task in tasks
        for name in (task["name"], *names(task.get("block", [])), *names(task.get("rescue", [])))
    ]


@pytest.mark.parametrize("named", killed.TRAFFIC)
def test_each_task_is_one_of_the_role(named):
    files = (ROOT / "ansible/roles").glob("agenda*/tasks/*.yml")
    known = [name for path in files for name in names(yaml.safe_load(path.read_text("utf-8")))]
    assert len([name for name in known if named in name]) == 1


@pytest.mark.parametrize(
    ("kill_at", "name", "tasks", "is_there"),
    [
        (3, "base : files", 3, True),
        (3, "base : files", 2, False),
        (0, "base : files", 1, False),
        ("Ask it", "agenda : hand_over | Ask it what", 40, True),
        ("Ask it", "agenda : hand_over | Start it", 39, False),
    ],
)
def test_a_run_is_killed_at_its_task_by_number_or_name(kill_at, name, tasks, is_there):
    assert killed.is_there(kill_at, name, tasks) is is_there
