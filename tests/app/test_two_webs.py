"""Two processes, as of two hosts, at one database: what must be done once is done once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.services import account_create
from agenda.models import Task
from tests.app.served import APP

pytestmark = pytest.mark.django_db(transaction=True)

TASKS = 12
# Each is ready, waits for the word, works, and prints what it had.
BEGIN = """
import json, sys
from datetime import datetime
import django
django.setup()
from django.db import connection
connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
"""
CLAIM = f"""{BEGIN}
from django.utils import timezone
from accounts.models import User
from agenda.reminders import reminders_claim
user = User.objects.get()
claimed = [
    str(due.task.pk)
    for _ in range(6)
    for due in reminders_claim(user, at=timezone.now(), since=None).due
]
print(json.dumps(claimed))
"""
PURGE = f"""{BEGIN}
from django.core.management import call_command
for _ in range(5):
    call_command("agenda_expire")
print(json.dumps([]))
"""


def both(program: str) -> list[list[str]]:
    environment = os.environ | {
        "PYTHONPATH": f"{APP}:{APP.parent}",
        "AGENDA_DATABASE_NAME": connection.settings_dict["NAME"],
    }
    two = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in two:
        assert one.stdout.readline() == "ready\n", one.communicate(timeout=60)[1]
    for one in two:
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [one.communicate(timeout=60) for one in two]
    assert [one.returncode for one in two] == [0, 0], told
    return [json.loads(out.splitlines()[-1]) for out, _ in told]


@pytest.fixture
def owner():
    return account_create(username="alice", password="a long enough password", language="en")


def test_of_two_webs_one_announces_each_task(mariadb, owner):
    at = timezone.now()
    Task.objects.bulk_create(
        Task(
            owner=owner, title="t", created_at=at, deadline_at=at + timedelta(minutes=5, seconds=n)
        )
        for n in range(TASKS)
    )
    here, there = both(CLAIM)
    assert len(here) + len(there) == TASKS
    assert {*here, *there} == {str(task.pk) for task in Task.objects.all()}


def test_two_purges_make_the_next_of_each_series_once_and_neither_fails(mariadb, owner):
    at = timezone.now()
    wall = timezone.localtime(at)
    series = {"repeat": "daily", "repeat_from": wall.date(), "repeat_time": wall.time()}
    Task.objects.bulk_create(
        Task(owner=owner, title="t", created_at=at, deadline_at=at, **series) for _ in range(TASKS)
    )
    both(PURGE)
    assert Task.objects.count() == Task.objects.live(at=timezone.now()).count() == TASKS
