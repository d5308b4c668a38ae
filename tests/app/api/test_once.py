"""A POST with an Idempotency-Key has its effect once, whatever happens on the way."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from agenda.models import Task
from api.models import IdempotencyKey
from api.services import KEY_KEPT, api_expire
from config import retry
from tests.app.api.program import Program, task, token_for


def test_the_same_request_is_one_task_and_the_same_answer(api):
    body = task(notes="B2.04")
    first = api.post("/tasks", body, Idempotency_Key="k")
    again = api.post("/tasks", body, Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (again["ETag"], again["Location"]) == (first["ETag"], first["Location"])
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert Task.objects.count() == 1


def test_the_answer_is_the_same_also_when_the_task_was_changed_since(api):
    body = task()
    first = api.post("/tasks", body, Idempotency_Key="k")
    api.patch(first["Location"], {"title": "other"}, If_Match="*")
    again = api.post("/tasks", body, Idempotency_Key="k")
    assert (again.content, again["ETag"]) == (first.content, first["ETag"])
    stale = api.patch(first["Location"], {"notes": "x"}, If_Match=again["ETag"])
    assert stale.status_code == 412


def test_another_request_under_the_same_key_is_refused(api):
    api.post("/tasks", task("one"), Idempotency_Key="k")
    answer = api.post("/tasks", task("two"), Idempotency_Key="k")
    assert (answer.status_code, answer.json()["type"]) == (422, "/api/v1/docs#problem-key-reused")
    assert [t.title for t in Task.objects.all()] == ["one"]


def test_without_a_key_and_under_two_keys_there_are_two_tasks(api):
    body = task()
    for headers in ({}, {}, {"Idempotency_Key": "a"}, {"Idempotency_Key": "b"}):
        assert api.post("/tasks", body, **headers).status_code == 201
    assert Task.objects.count() == 4


def test_a_key_is_its_users_own(api, bob):
    body = task()
    api.post("/tasks", body, Idempotency_Key="k")
    theirs = Program(token_for(bob)).post("/tasks", body, Idempotency_Key="k")
    assert "Idempotent-Replayed" not in theirs
    assert Task.objects.count() == 2


def test_a_refused_request_leaves_its_key_free(api):
    refused = api.post("/tasks", task(deadline_at="2020-01-01T00:00:00Z"), Idempotency_Key="k")
    assert refused.status_code == 422
    assert not IdempotencyKey.objects.exists()
    assert api.post("/tasks", task(), Idempotency_Key="k").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "\xe9", "a b\x01", "a b"])
def test_a_key_that_is_none_is_refused(api, key):
    answer = api.post("/tasks", task(), Idempotency_Key=key)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"


def test_no_word_of_the_task_is_kept_for_the_key(api):
    api.post("/tasks", task("Zanzibar", notes="Quetzal"), Idempotency_Key="Xylophone")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM api_answer")
        kept = str(cursor.fetchall())
    assert not [word for word in ("Zanzibar", "Quetzal", "Xylophone") if word in kept]


def test_the_key_is_forgotten_with_its_task_or_after_a_day(api):
    at = timezone.now()
    api.post("/tasks", task(deadline_at=(at + timedelta(hours=2)).isoformat()), Idempotency_Key="a")
    api.post("/tasks", task(deadline_at=(at + timedelta(days=9)).isoformat()), Idempotency_Key="b")
    ends = sorted(IdempotencyKey.objects.values_list("expires_at", flat=True))
    assert ends[0] == at + timedelta(hours=2)
    assert abs(ends[1] - at - KEY_KEPT) < timedelta(minutes=1)
    api_expire(at=at + timedelta(hours=3))
    assert IdempotencyKey.objects.count() == 1
    api_expire(at=at + timedelta(hours=25))
    assert not IdempotencyKey.objects.exists()


def test_a_key_whose_time_is_over_is_free_again(api):
    body = task()
    first = api.post("/tasks", body, Idempotency_Key="k").json()
    IdempotencyKey.objects.update(expires_at=timezone.now())
    again = api.post("/tasks", body, Idempotency_Key="k")
    assert again.status_code == 201
    assert again.json()["id"] != first["id"]
    assert IdempotencyKey.objects.count() == 1


def test_a_removed_task_is_not_made_again_by_a_late_copy(api):
    body = task()
    here = api.post("/tasks", body, Idempotency_Key="k")["Location"]
    api("DELETE", here, If_Match="*")
    assert api.post("/tasks", body, Idempotency_Key="k").status_code == 410
    Task.objects.update(removed_at=timezone.now() - timedelta(minutes=2))
    call_command("agenda_expire")
    assert not Task.objects.exists()
    assert api.post("/tasks", body, Idempotency_Key="k").status_code == 410


@pytest.mark.django_db(transaction=True)
def test_a_new_key_is_not_called_taken_because_somebody_holds_the_account(api, alice):
    """As the timer does for a moment when it forgets a task of that account."""
    entered, may_go_on = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            type(alice).objects.filter(pk=alice.pk).update(language="fr")
            entered.set()
            may_go_on.wait(timeout=10)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert entered.wait(timeout=30)
        threading.Timer(0.5, may_go_on.set).start()
        assert api.post("/tasks", task(), Idempotency_Key="new").status_code == 201
    finally:
        may_go_on.set()
        holder.join()


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_comes_meanwhile_waits_and_is_told_to_come_again(api, monkeypatch):
    """The first request is held in the middle of its transaction."""
    monkeypatch.setattr(retry, "TRIED_FOR_S", 0)
    entered, may_go_on = threading.Event(), threading.Event()
    body, answers = task(), []

    def held(*args, **kwargs):
        entered.set()
        may_go_on.wait(timeout=10)
        return add(*args, **kwargs)

    from agenda import services  # noqa: PLC0415 - patched below

    add = services.task_add
    monkeypatch.setattr(services, "task_add", held)

    def first():
        answers.append(api.post("/tasks", body, Idempotency_Key="k"))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert entered.wait(timeout=30)
        with connection.cursor() as cursor:
            cursor.execute("SET innodb_lock_wait_timeout = 1")
        copy = api.post("/tasks", body, Idempotency_Key="k")
        assert (copy.status_code, copy["Retry-After"]) == (409, "1")
        assert copy.json()["type"] == "/api/v1/docs#problem-in-flight"
        connection.close()
        threading.Timer(0.3, may_go_on.set).start()
        waited = api.post("/tasks", body, Idempotency_Key="k")
        assert (waited.status_code, waited["Idempotent-Replayed"]) == (201, "true")
    finally:
        may_go_on.set()
        thread.join(timeout=30)
    again = api.post("/tasks", body, Idempotency_Key="k")
    assert answers[0].content == again.content
    assert Task.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_that_dies_midway_leaves_nothing(api, monkeypatch):
    def dies(*args, **kwargs):
        with transaction.atomic():
            add(*args, **kwargs)
        raise RuntimeError("killed")

    from agenda import services  # noqa: PLC0415 - patched below

    add = services.task_add
    body = task()
    with monkeypatch.context() as patched:
        patched.setattr(services, "task_add", dies)
        assert api.post("/tasks", body, Idempotency_Key="k").status_code == 500
    assert not Task.objects.exists()
    assert api.post("/tasks", body, Idempotency_Key="k").status_code == 201


@pytest.mark.xdist_group("rest")
def test_forty_posts_at_once_are_one_task(rest):
    deadline = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    body = json.dumps({"title": "once", "deadline_at": deadline})
    sent = {
        "Authorization": f"Bearer {rest.token_of('dave')}",
        "Content-Type": "application/json",
        "Idempotency-Key": "forty",
    }
    together, answers = threading.Barrier(8), []

    def five_times():
        together.wait(timeout=30)
        answers.extend(rest.ask("POST", "/api/v1/tasks", body, **sent) for _ in range(5))

    threads = [threading.Thread(target=five_times) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(answers) == 40
    assert {status for status, _, _ in answers} <= {201, 409}
    made = {body for status, _, body in answers if status == 201}
    assert len(made) == 1
    assert sum("idempotent-replayed" not in h for s, h, _ in answers if s == 201) == 1
    assert rest.sql("SELECT COUNT(*) FROM task WHERE title = 'once'").strip() == "1"
