"""At most four questions to the database a screen, whatever the number of tasks."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agenda.models import Task
from agenda.services import (
    TaskInput,
    series_end,
    task_add,
    task_done,
    task_edit,
    task_keep,
    task_remove,
    task_restore,
)
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


def test_an_open_page_asks_one_indexed_question(page, fifty, alice):
    """Besides who asks; 304 while nothing changed, whatever was changed before."""
    now = timezone.now()
    Task.objects.update(changed_at=now - timedelta(minutes=1))
    seen = {"If-None-Match": f'"{now.isoformat()}"'}
    with CaptureQueriesContext(connection) as questions:
        answer = page.get("/agenda/changes/", headers=seen)
    assert (answer.status_code, answer.content) == (304, b"")
    asked = [one["sql"] for one in questions if "`task`" in one["sql"]]
    assert len(asked) == 1
    assert len(questions) == 3
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {asked[0]}")
        plan = dict(
            zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True)
        )
    assert (plan["key"], "Using index" in plan["Extra"]) == ("task_of_owner_by_change", True)


@pytest.mark.parametrize(
    "seen", ["", "x", '"0001-01-01T00:00:00+00:00"', '"9999-12-31T23:59:59-23:59"']
)
def test_a_page_whose_moment_cannot_be_read_is_told_to_look(page, add, seen):
    add(changed_at=timezone.now())
    answer = page.get("/agenda/changes/", headers={"If-None-Match": seen})
    assert answer.status_code == 204


def test_open_pages_are_told_of_every_kind_of_change(page, alice):
    at = timezone.now() - timedelta(hours=1)
    asked = {"owner_id": alice.pk}
    given = TaskInput(title="call", deadline_at=at + timedelta(hours=2), repeat="daily")
    task = task_add(**asked, given=given, at=at)

    def is_told(since):
        seen = {"If-None-Match": f'"{(since + timedelta(seconds=3)).isoformat()}"'}
        return page.get("/agenda/changes/", headers=seen).status_code == 204

    assert not is_told(at)
    for number, change in enumerate(
        [
            lambda at: task_edit(task=task, given=given, at=at),
            lambda at: task_keep(**asked, task_id=task.id, seen_at=task.deadline_at, at=at),
            lambda at: task_restore(**asked, task_id=task.id, at=at),
            lambda at: task_remove(**asked, task_id=task.id, at=at),
            lambda at: task_restore(**asked, task_id=task.id, at=at),
            lambda at: task_done(**asked, task_id=task.id, at=at),
            lambda at: series_end(**asked, task_id=task.id, at=at),
            lambda at: task_restore(**asked, task_id=task.id, at=at),
        ],
        start=1,
    ):
        moment = at + timedelta(seconds=4 * number)
        assert change(moment)
        assert is_told(moment - timedelta(seconds=4))
        assert not is_told(moment)
