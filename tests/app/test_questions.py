"""At most four questions to the database a screen, whatever the number of tasks."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agenda.models import Task
from tests.app.addresses import addresses

MOST = 4
WORDS = {"search": "?q=t"}


@pytest.fixture
def fifty(add, settings):
    settings.GRACE_S = 3600
    tasks = [
        add(f"t{n}", left=timedelta(minutes=n), tags=f" tag{n} ", priority=n % 3) for n in range(50)
    ]
    for n in range(10):
        add(f"old{n}", left=-timedelta(minutes=n))
        add(f"removed{n}", removed_at=tasks[0].created_at)
    return tasks


def test_every_screen_asks_few_questions(page, fifty):
    asked = {}
    for address in addresses():
        path = address.path(task_id=str(fifty[-1].id))
        with CaptureQueriesContext(connection) as questions:
            answer = page.get(path + WORDS.get(address.name, ""))
        assert answer.status_code < 500, path
        if answer.status_code == 200:
            asked[address.name] = len(questions)
    assert {"agenda", "month", "search", "recent", "task-edit", "task-hear"} <= asked.keys()
    assert not {name: count for name, count in asked.items() if count > MOST}
    assert Task.objects.count() == 70


@pytest.mark.parametrize(
    "path", ["/agenda", "/agenda/search/?q=t", "/agenda/month/", "/agenda/day/hear/"]
)
def test_a_page_of_many_tasks_reads_the_whole_notes_of_none(page, add, path):
    """A thousand times ten thousand letters are more than a process may hold."""
    add("t", left=timedelta(minutes=1), notes="x" * 10_000)
    with CaptureQueriesContext(connection) as questions:
        assert page.get(path).status_code == 200
    sql = [asked["sql"] for asked in questions]
    assert [one for one in sql if re.search(r"[^(]`task`\.`notes`,", one)] == []
