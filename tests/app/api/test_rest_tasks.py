"""What programs do with tasks: list, create, read, replace, change, keep, remove; and whose."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.utils import timezone
from django.utils.http import parse_http_date

from agenda import pace
from agenda.models import Task
from api.models import Tombstone
from api.services import api_expire
from tests.app.api.program import Program, soon, task, token_for


def titles(answer):
    return [item["title"] for item in answer.json()["items"]]


def test_a_task_is_created_read_changed_kept_and_removed(api):
    made = api.post("/tasks", task("Rendre  le TP3", notes="B2.04", private=True))
    assert made.status_code == 201
    here, body = made["Location"], made.json()
    assert (body["title"], body["notes"], body["private"]) == ("Rendre le TP3", "B2.04", True)
    read = api.get(here)
    assert (read.status_code, read.json(), read["ETag"]) == (200, body, made["ETag"])

    changed = api.patch(here, {"title": "Rendre le TP4"}, If_Match=read["ETag"])
    assert changed.json() == body | {"title": "Rendre le TP4"}
    replaced = api("PUT", here, task("TP5"), If_Match=changed["ETag"])
    assert (replaced.json()["title"], replaced.json()["notes"]) == ("TP5", "")
    kept = api.post(f"{here}/keep", {"minutes": 90}, If_Match=replaced["ETag"])
    before = datetime.fromisoformat(replaced.json()["deadline_at"])
    assert datetime.fromisoformat(kept.json()["deadline_at"]) - before == timedelta(minutes=90)
    assert api("DELETE", here, If_Match=kept["ETag"]).status_code == 204
    assert api.get(here).status_code == 410
    assert titles(api.get("/tasks")) == []


def test_a_change_needs_if_match_and_never_overwrites_anothers_work(api, add):
    here = f"/tasks/{add().pk}"
    tag = api.get(here)["ETag"]
    for method, path, body in [
        ("PATCH", here, {"notes": "mine"}),
        ("PUT", here, task()),
        ("POST", f"{here}/keep", {}),
        ("POST", f"{here}/done", None),
        ("DELETE", here, None),
    ]:
        assert api(method, path, body).status_code == 428
    assert api.patch(here, {"notes": "theirs"}, If_Match=tag).status_code == 200
    for method, path, body in [
        ("PATCH", here, {"notes": "mine"}),
        ("PUT", here, task()),
        ("POST", f"{here}/keep", {}),
        ("POST", f"{here}/done", None),
        ("DELETE", here, None),
    ]:
        answer = api(method, path, body, If_Match=tag)
        assert answer.status_code == 412
        assert answer["ETag"] == api.get(here)["ETag"] != tag
    assert api.patch(here, {"notes": "mine"}, If_Match=f"W/{tag}").status_code == 412
    assert (
        api.patch(here, {"notes": "mine"}, If_Match=f'"a", {api.get(here)["ETag"]}').status_code
        == 200
    )


def test_an_answer_that_is_held_already_is_not_sent_again(api, add):
    here = f"/tasks/{add().pk}"
    for path in (here, "/tasks", "/me", "/openapi.json"):
        tag = api.get(path)["ETag"]
        for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = api.get(path, If_None_Match=header)
            assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
            assert "Content-Type" not in answer
        assert api.get(path, If_None_Match='"other"').status_code == 200


def test_the_deadline_is_law(api, add):
    left = timedelta(seconds=20, milliseconds=900)
    soonest, later = add(left=left), add(left=timedelta(days=1))
    answer = api.get(f"/tasks/{soonest.pk}")
    assert parse_http_date(answer["Sunset"]) == int(soonest.deadline_at.timestamp())
    assert answer["Cache-Control"] == "private, max-age=20, must-revalidate"
    assert "max-age=30," in api.get(f"/tasks/{later.pk}")["Cache-Control"]
    assert api.get("/tasks")["Cache-Control"] == "private, no-cache"


def test_a_forgotten_task_is_gone_first_and_unknown_a_day_later(api, add):
    gone = add(left=timedelta(seconds=-1))
    here = f"/tasks/{gone.pk}"
    assert api.get(here).status_code == 410  # still a row, erased below
    call_command("agenda_expire")
    assert not Task.objects.exists()
    for method, body in [("GET", None), ("PATCH", {"notes": "x"}), ("DELETE", None)]:
        answer = api(method, here, body, If_Match="*")
        assert (answer.status_code, answer.json()["type"]) == (410, "/api/v1/docs#problem-gone")
    assert api.get(f"{here}/speech").status_code == 410
    api_expire(at=timezone.now() + timedelta(hours=25))
    assert not Tombstone.objects.exists()
    assert api.get(here).status_code == 404


def test_tombstones_are_of_owners_with_tokens_only_and_are_nobody_elses(add, bob, alice):
    add(left=timedelta(seconds=-1))
    call_command("agenda_expire")
    assert not Tombstone.objects.exists()
    alices, bobs = Program(token_for(alice)), Program(token_for(bob))
    gone = add(left=timedelta(seconds=-1))
    call_command("agenda_expire")
    assert Tombstone.objects.count() == 1
    assert alices.get(f"/tasks/{gone.pk}").status_code == 410
    assert bobs.get(f"/tasks/{gone.pk}").status_code == 404


def test_a_purge_that_is_killed_leaves_no_task_without_its_tombstone(api, add, monkeypatch):
    gone = [add(left=timedelta(seconds=-1)).pk for _ in range(5)]
    monkeypatch.setattr(pace, "CHUNK_ROWS", 2)

    def die(subjects):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("speech.services.forget_all", die)
        call_command("agenda_expire")
    assert Task.objects.count() == 3
    assert {api.get(f"/tasks/{task}").status_code for task in gone} == {410}


def test_a_task_taken_away_on_its_page_is_gone(api, page, add):
    here = add().pk
    page.post(f"/agenda/tasks/{here}/remove/")
    assert api.get(f"/tasks/{here}").status_code == 410


def test_nobody_sees_or_touches_anothers_tasks(api, add, bob):
    theirs, mine = add("theirs", owner=bob, notes="secret"), add("mine")
    here = f"/tasks/{theirs.pk}"
    assert titles(api.get("/tasks")) == ["mine"]
    assert titles(api.get("/tasks?q=secret")) == []
    assert b"theirs" not in b"".join(api.get("/dump").streaming_content)
    for method, path, body in [
        ("GET", here, None),
        ("GET", f"{here}/speech", None),
        ("PATCH", here, {"notes": "x"}),
        ("PUT", here, task()),
        ("POST", f"{here}/keep", {}),
        ("POST", f"{here}/done", None),
        ("POST", f"{here}/undo", None),
        ("DELETE", here, None),
    ]:
        assert api(method, path, body, If_Match="*").status_code == 404
    cursor = api.get("/tasks?limit=1&sort=-created").json()["next"]
    assert cursor is None
    theirs.refresh_from_db()
    assert (theirs.title, theirs.notes, theirs.removed_at) == ("theirs", "secret", None)
    assert mine.pk != theirs.pk


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["soon", "ÉTÉ", "late"]),
        ("sort=-deadline", ["late", "ÉTÉ", "soon"]),
        ("sort=created", ["late", "soon", "ÉTÉ"]),
        ("sort=-created", ["ÉTÉ", "soon", "late"]),
        ("q=ete", ["ÉTÉ"]),
        ("q=B2.04", ["soon"]),
        ("q=late%20note", ["late"]),
        ("q=%25", []),
        ("private=true", ["late"]),
        ("private=false", ["soon", "ÉTÉ"]),
        ("tag=TP", ["soon"]),
        ("tag=%23tp", ["soon"]),
        ("tag=t", []),
        ("tag=...", []),
        ("priority=important", ["ÉTÉ", "late"]),
        ("priority=urgent", ["late"]),
        ("priority=normal", ["soon", "ÉTÉ", "late"]),
        ("limit=2", ["soon", "ÉTÉ"]),
    ],
)
def test_a_list_is_filtered_searched_and_sorted(api, add, query, expected):
    add("late", left=timedelta(days=2), notes="a note", is_private=True, priority=2)
    add("soon", left=timedelta(hours=1), notes="B2.04", tags=" projet tp ")
    add("ÉTÉ", left=timedelta(hours=9), priority=1)
    assert titles(api.get(f"/tasks?{query}")) == expected


def test_a_list_is_cut_by_deadlines(api, add):
    first, last = add("first", left=timedelta(hours=1)), add("last", left=timedelta(hours=5))
    since, until = quote(soon(hours=2)), quote(soon(hours=2))
    assert titles(api.get(f"/tasks?deadline_from={since}")) == ["last"]
    assert titles(api.get(f"/tasks?deadline_until={until}")) == ["first"]
    exactly = quote(first.deadline_at.isoformat())
    both = api.get(f"/tasks?deadline_from={exactly}&deadline_until={exactly}")
    assert titles(both) == ["first"]
    assert last.deadline_at > first.deadline_at


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ({"title": "  "}, ["/title"]),
        ({"title": "\u200b\u0301"}, ["/title"]),
        ({"title": "x" * 201}, ["/title"]),
        ({"title": "a\x00b"}, ["/title"]),
        ({"notes": "x" * 10_001}, ["/notes"]),
        ({"notes": "\x1b[2J"}, ["/notes"]),
        ({"notes": None}, ["/notes"]),
        ({"title": 7}, ["/title"]),
        ({"private": "true"}, ["/private"]),
        ({"private": 1}, ["/private"]),
        ({"owner": "me"}, ["/owner"]),
        ({"deadline_at": "tomorrow"}, ["/deadline_at"]),
        ({"deadline_at": "2027-03-12T18:00:00"}, ["/deadline_at"]),
        ({"deadline_at": "2027-02-30T18:00:00Z"}, ["/deadline_at"]),
        ({"deadline_at": 1_900_000_000}, ["/deadline_at"]),
        ({"deadline_at": "0001-01-01T00:00:00+23:59"}, ["/deadline_at"]),
        ({"deadline_at": "9999-12-31T23:59:59-23:59"}, ["/deadline_at"]),
        ({"deadline_at": "2020-01-01T00:00:00Z"}, ["/deadline_at"]),
        ({"tags": ["two words"]}, ["/tags/0"]),
        ({"tags": ["ok", "-no"]}, ["/tags/1"]),
        ({"tags": ["x" * 31]}, ["/tags/0"]),
        ({"tags": [f"t{n}" for n in range(11)]}, ["/tags"]),
        ({"tags": "projet"}, ["/tags"]),
        ({"tags": None}, ["/tags"]),
        ({"priority": 2}, ["/priority"]),
        ({"repeat": "yearly"}, ["/repeat"]),
        ({"repeat": "rule"}, ["/repeat"]),
        ({"repeat": "FREQ=SECONDLY"}, ["/repeat"]),
        ({"repeat": "FREQ=DAILY;UNTIL=20261341"}, ["/repeat"]),
        ({"repeat": ""}, ["/repeat"]),
        ([], [""]),
        ("text", [""]),
        (7, [""]),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_each_value_that_cannot_be_accepted_is_pointed_at(api, given, pointers):
    answer = api.post("/tasks", task() | given if isinstance(given, dict) else given)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/api/v1/docs#problem-invalid"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers
    assert all(fault["detail"] for fault in answer.json()["errors"])
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=many",
        f"limit={'9' * 5000}",
        "sort=title",
        "private=perhaps",
        "q=",
        f"q={'x' * 101}",
        "deadline_from=today",
        "page=2",
    ],
)
def test_an_unknown_or_wrong_parameter_is_named(api, query):
    answer = api.get(f"/tasks?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_what_is_missing_is_pointed_at(api):
    answer = api.post("/tasks", {})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/title", "/deadline_at"]


def test_a_patch_changes_nothing_that_was_not_sent(api, add):
    made = add("title", notes="notes", is_private=True)
    here = f"/tasks/{made.pk}"
    before = api.get(here)
    same = api.patch(here, {}, If_Match="*")
    assert (same.json(), same["ETag"]) == (before.json(), before["ETag"])
    for change in (
        {"title": "x"},
        {"notes": ""},
        {"private": False},
        {"tags": ["a", "b"]},
        {"priority": "urgent"},
        {"repeat": "weekly"},
        {"deadline_at": soon()},
        {"tags": [], "repeat": None},
    ):
        expected = api.get(here).json() | change
        got = api.patch(here, change, If_Match="*", Content_Type="application/merge-patch+json")
        expected["deadline_at"] = got.json()["deadline_at"]
        assert got.json() == expected
    assert api.patch(here, {"title": None}, If_Match="*").status_code == 422


def test_tags_priority_and_rhythm_are_written_and_read(api):
    body = task(tags=["#Projet", "tp", "projet"], priority="urgent", repeat="weekdays")
    made = api.post("/tasks", body)
    assert made.json()["tags"] == ["projet", "tp"]
    assert (made.json()["priority"], made.json()["repeat"]) == ("urgent", "weekdays")
    replaced = api("PUT", made["Location"], task(), If_Match="*").json()
    assert (replaced["tags"], replaced["priority"], replaced["repeat"]) == ([], "normal", None)


def test_a_series_hangs_on_the_clock_of_its_owner_and_not_on_that_of_the_server(api, alice):
    alice.time_zone = "America/Cayenne"
    alice.save()
    here = api.post("/tasks", task(deadline_at="2040-03-12T01:30:00Z", repeat="daily"))["Location"]
    row = Task.objects.get()
    assert (str(row.repeat_from), str(row.repeat_time)) == ("2040-03-11", "22:30:00")
    api.post(f"{here}/keep", {"minutes": 5}, If_Match="*")
    row.refresh_from_db()
    assert str(row.repeat_time) == "22:30:00"
    api.patch(here, {"deadline_at": "2040-03-12T02:00:00Z"}, If_Match="*")
    row.refresh_from_db()
    assert str(row.repeat_time) == "23:00:00"


def test_a_removed_task_of_a_series_does_not_come_again(api):
    here = api.post("/tasks", task(repeat="daily"))["Location"]
    api("DELETE", here, If_Match="*")
    Task.objects.update(removed_at=timezone.now() - timedelta(minutes=2))
    call_command("agenda_expire")
    assert not Task.objects.exists()
    assert api.get(here).status_code == 410


def test_a_series_comes_again_as_another_task(api):
    here = api.post("/tasks", task(repeat="daily", tags=["tp"]))["Location"]
    Task.objects.update(deadline_at=timezone.now())
    call_command("agenda_expire")
    assert api.get(here).status_code == 410
    (again,) = api.get("/tasks").json()["items"]
    assert (again["tags"], again["repeat"]) == (["tp"], "daily")


def test_done_and_undo_touch_one_occurrence_of_a_series(api):
    made = api.post("/tasks", task("pills", repeat="daily"))
    here = made["Location"]
    for _ in range(2):  # no If-Match: what was not done stays as it is
        assert api.post(f"{here}/undo", None).json() == made.json()
    assert api.post(f"{here}/done", None, If_Match=made["ETag"]).status_code == 204
    assert api.get(here).status_code == 410
    assert Task.objects.get().repeat == "daily"
    back = api.post(f"{here}/undo", None)
    assert (back.status_code, back.json(), back["ETag"]) == (200, made.json(), made["ETag"])
    api("DELETE", here, If_Match="*")
    Task.objects.update(removed_at=timezone.now() - timedelta(minutes=2))
    assert api.post(f"{here}/undo", None).status_code == 410


def test_a_task_is_kept_until_a_moment_and_undo_gives_the_one_before(api):
    made = api.post("/tasks", task(deadline_at="2040-03-12T18:00:00Z", repeat="daily"))
    here, later = made["Location"], "2040-03-12T20:00:00Z"
    kept = api.post(f"{here}/keep", {"deadline_at": later}, If_Match=made["ETag"])
    assert kept.json() == made.json() | {"deadline_at": later}
    assert f"{Task.objects.get().repeat_time:%H:%M}" == "19:00"  # in Paris
    assert api.post(f"{here}/undo", None).json() == made.json()
    sooner = api.post(f"{here}/keep", {"deadline_at": "2030-01-01T00:00:00Z"}, If_Match="*")
    assert (sooner.status_code, sooner.json()) == (200, made.json())
    for wrong in ("2020-01-01T00:00:00Z", "9999-01-01T00:00:00Z"):
        refused = api.post(f"{here}/keep", {"deadline_at": wrong}, If_Match="*")
        assert refused.status_code == 422, wrong
        assert refused.json()["errors"][0]["pointer"] == "/deadline_at"


@pytest.mark.parametrize("minutes", [0, -1, 527_041, 1.5, "60", None, 10**30])
def test_a_task_is_kept_for_a_minute_to_a_year(api, add, minutes):
    here = f"/tasks/{add().pk}/keep"
    assert api.post(here, {"minutes": minutes}, If_Match="*").status_code == 422


def test_a_list_of_fifty_asks_the_database_twice(api, add, django_assert_num_queries):
    for _ in range(50):
        add()
    api.get("/me")  # notes once a minute that the token is used
    with django_assert_num_queries(2):
        assert len(api.get("/tasks").json()["items"]) == 50


def test_the_day_and_a_task_are_spoken(api, add):
    made = add("Rendre le TP3", left=timedelta(minutes=30))
    for path in (f"/tasks/{made.pk}/speech", "/day/speech"):
        said = api.get(path, Accept_Language="fr")
        assert (said.status_code, said["Content-Type"]) == (200, "audio/mpeg")
        assert "TP%20trois" in said["X-Agenda-Text"]
        assert len(said.content) > 1000
        part = api.get(path, Accept_Language="fr", Range="bytes=0-99")
        assert (part.status_code, part.content) == (206, said.content[:100])
        held = api.get(path, Accept_Language="fr", If_None_Match=said["ETag"])
        assert held.status_code == 304
    assert api.get(f"/tasks/{made.pk}/speech", Range="bytes=9999999-").status_code == 416
    assert api.get("/day/speech", Accept="application/json").status_code == 406


@pytest.mark.parametrize(("asked", "expected"), [("", "fr"), ("en", "en"), ("fr", "fr")])
def test_a_voice_speaks_the_users_language_unless_another_is_asked_for(api, alice, asked, expected):
    alice.language = "fr"
    alice.save()
    said = api.get("/day/speech", Accept_Language=asked)
    assert ("Aujourd" in said["X-Agenda-Text"]) == (expected == "fr")


def test_a_site_without_voices_says_so(api, add, settings):
    settings.AGENDA_SPEECH = "off"
    answer = api.get(f"/tasks/{add().pk}/speech")
    assert answer.status_code == 503
    assert answer.json()["type"] == "/api/v1/docs#problem-speech-unavailable"
    assert api.get("/me").json()["voice"] == "off"


def test_what_a_user_prefers_is_told(api, alice):
    assert api.get("/me").json()["announce_minutes"] == [1440, 60, 10, 0]
    type(alice).objects.update(announce_minutes="")
    assert api.get("/me").json()["announce_minutes"] == []


def test_a_voice_speaks_as_fast_as_its_user_wants(api, alice, add):
    where = f"/tasks/{add().id}/speech"
    normal = api.get(where)
    type(alice).objects.update(voice_speed="slow")
    slow = api.get(where)
    assert len(slow.content) > 1.2 * len(normal.content)
    assert slow["ETag"] != normal["ETag"]
    assert api.get("/me").json()["voice_speed"] == "slow"


def test_me_tells_no_secret(api, alice):
    alice.email = "alice@example.org"
    alice.save()
    me = api.get("/me")
    assert me.json()["username"] == "alice"
    assert "example.org" not in me.content.decode()
    assert api.token not in me.content.decode()
