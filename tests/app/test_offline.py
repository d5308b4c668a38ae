"""What the server does for a browser without a network: its worker, and lines sent later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from agenda.models import Task

QUICK = "/agenda/tasks/quick/"
HOUR = timedelta(hours=1)


def sent(page, line="call in 3 hours", *, written_at, **given):
    return page.post(QUICK, {"line": line, "written": written_at.isoformat(), **given}).status_code


def test_the_worker_may_serve_the_agenda_itself(client):
    answer = client.get("/agenda/worker.js")
    assert answer["Service-Worker-Allowed"] == "/agenda"
    assert answer["Content-Type"] == "text/javascript"
    assert "no-cache" in answer["Cache-Control"]
    assert (
        answer["Content-Security-Policy"] == client.get("/agenda/about/")["Content-Security-Policy"]
    )
    assert answer.content == (settings.BASE_DIR / "config/static/worker.js").read_bytes()


def test_a_line_that_waited_means_what_it_meant_when_it_was_written(page):
    written_at = timezone.now() - HOUR
    assert sent(page, "call in 3 hours #home !", written_at=written_at) == 204
    task = Task.objects.get()
    assert abs(task.deadline_at - written_at - 3 * HOUR) < timedelta(minutes=1)
    assert (task.title, task.tag_names, task.priority) == ("call", ["home"], 1)


def test_sent_again_it_is_one_task_whatever_became_of_it(page, alice):
    written_at = timezone.now() - HOUR
    for change in ({}, {"title": "call home"}, {"removed_at": timezone.now()}):
        assert sent(page, written_at=written_at) == 204
        Task.objects.update(**change) if change else None
    assert sent(page, written_at=written_at) == 204
    assert Task.objects.get().title == "call home"


def test_of_two_lines_and_two_people_none_is_lost(page, bob):
    written_at = timezone.now()
    theirs = Client()
    theirs.force_login(bob)
    assert sent(page, written_at=written_at) == sent(theirs, written_at=written_at) == 204
    assert sent(page, "write in 3 hours", written_at=written_at) == 204
    assert sent(page, written_at=written_at + timedelta(milliseconds=1)) == 204
    assert Task.objects.count() == 4


@pytest.mark.parametrize(
    ("line", "waited"),
    [
        ("call", HOUR),
        ("call Monday or Tuesday", HOUR),
        ("", HOUR),
        ("call in 3 hours", timedelta(days=7, seconds=1)),
        ("call in 3 hours", 4 * HOUR),
        ("call in 3 hours", -timedelta(minutes=2)),
    ],
    ids=["no moment", "doubtful", "empty", "too long ago", "over meanwhile", "in the future"],
)
def test_what_is_a_question_or_was_over_is_not_added_in_silence(page, line, waited):
    assert sent(page, line, written_at=timezone.now() - waited) == 422
    assert not Task.objects.exists()


@pytest.mark.parametrize("written", ["", "soon", "\x00", "9999-12-31T23:59:59-23:00"])
def test_a_moment_that_cannot_be_read_is_a_question(page, written):
    assert page.post(QUICK, {"line": "call in 3 hours", "written": written}).status_code == 422


def test_nobody_signed_in_adds_nothing(client):
    assert sent(client, written_at=timezone.now()) == 401
    assert Client(enforce_csrf_checks=True).post(QUICK, {"written": ""}).status_code == 403


def test_what_is_signed_out_of_is_cleared(page):
    """The worker, what it keeps and the lines that wait: browsers clear them."""
    answer = page.post("/agenda/sign-out/")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
