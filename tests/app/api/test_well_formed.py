"""What well-formed requests may look like beyond the usual, and what only looks well-formed."""

from __future__ import annotations

import pytest

from agenda.models import Task
from tests.app.api.program import Program, task, token_for

pytestmark = pytest.mark.django_db
JSON = "application/json"


def test_an_identity_in_capitals_is_the_same_task(api, add):
    here = f"/tasks/{add().pk}"
    loud = f"/tasks/{here.removeprefix('/tasks/').upper()}"
    assert api.get(loud).json() == api.get(here).json()
    assert api.post(f"{loud}/keep", {}, If_Match="*").status_code == 200
    assert api("DELETE", loud, If_Match="*").status_code == 204
    assert api.get(here).status_code == 410


@pytest.mark.parametrize("accept", [f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8";q=0.5'])
def test_who_names_the_charset_of_json_gets_it(api, accept):
    assert api.get("/tasks", Accept=accept).status_code == 200


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (f"{JSON};q=0, */*", "application/x-ndjson"),
        ("text/csv;q=0, text/*", "text/calendar"),
        ("application/*;q=0, */*;q=0.1", "text/csv"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("*/*, text/csv", "text/csv"),
        ("text/calendar;charset=utf-8, */*;q=0.1", "text/calendar"),
        (f"text/csv;q=0.2, {JSON};q=0.2", "text/csv"),
    ],
)
def test_what_is_refused_by_name_is_not_sent_under_a_wildcard(api, accept, expected):
    assert api.get("/dump", Accept=accept)["Content-Type"].partition(";")[0] == expected


def test_json_that_is_refused_by_name_is_406(api):
    assert api.get("/tasks", Accept=f"{JSON};q=0, */*;q=0.5").status_code == 406


def test_more_than_one_space_may_follow_the_scheme(alice):
    program = Program()
    token = token_for(alice)
    assert program.get("/me", Authorization=f"Bearer   {token}").status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2040-03-12T18:00:00.1234567Z", "2040-03-12T18:00:00.123456Z"),
        ("2040-03-12T18:00:00.999999999+01:00", "2040-03-12T17:00:00.999999Z"),
        ("2040-03-12T18:00:00.0000000Z", "2040-03-12T18:00:00Z"),
    ],
)
def test_finer_instants_than_microseconds_are_cut(api, sent, kept):
    assert api.post("/tasks", task(deadline_at=sent)).json()["deadline_at"] == kept


@pytest.mark.parametrize("offset", ["+00:60", "+01:99", "-24:00"])
def test_an_offset_that_no_clock_shows_is_refused(api, offset):
    sent = api.post("/tasks", task(deadline_at=f"2040-03-12T18:00:00{offset}"))
    assert sent.json()["errors"][0]["pointer"] == "/deadline_at"


@pytest.mark.parametrize("query", ["limit=1&limit=2", "tag=a&tag=b", "sort=created&sort=created"])
def test_a_parameter_that_stands_twice_is_named(api, query):
    answer = api.get(f"/tasks?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]
    assert api.get("/dump?format=csv&format=json").status_code == 422


@pytest.mark.parametrize(
    "query", ["limit=%2B1", "limit=1_0", "limit=%201", "limit=%D9%A3", "private=yes"]
)
def test_a_parameter_has_one_spelling(api, query):
    assert api.get(f"/tasks?{query}").status_code == 422


def test_a_compressed_body_is_refused_before_it_is_read(api):
    answer = api.post("/tasks", task(), Content_Encoding="gzip")
    assert answer.json()["type"].endswith("#problem-unsupported-media-type")
    assert answer["Accept-Encoding"] == "identity"
    assert not Task.objects.exists()
    assert api.post("/tasks", task(), Content_Encoding="identity").status_code == 201


@pytest.mark.parametrize(
    "value", [f"bytes=0-{'9' * 5000}", f"bytes={'9' * 5000}-", f"bytes=-{'9' * 5000}"]
)
def test_a_range_too_long_to_be_a_number_asks_for_all(api, add, value):
    answer = api.get(f"/tasks/{add().pk}/speech", Range=value)
    assert (answer.status_code, answer.content[:1]) == (200, b"\xff")


def test_a_range_of_another_sound_gets_all_of_this_one(api, add):
    here = f"/tasks/{add().pk}/speech"
    whole = api.get(here)
    part = api.get(here, Range="bytes=0-3", If_Range=whole["ETag"])
    assert (part.status_code, len(part.content)) == (206, 4)
    for other in ('"another"', f"W/{whole['ETag']}", "Sat, 01 Jan 2000 00:00:00 GMT"):
        answer = api.get(here, Range="bytes=0-3", If_Range=other)
        assert (answer.status_code, answer.content) == (200, whole.content)


def test_a_body_of_nothing_but_mistakes_gets_a_short_answer(api):
    many = api.post("/tasks", {f"{number:x}": 1 for number in range(20_000)})
    assert (many.status_code, len(many.json()["errors"])) == (422, 100)
    long = api.post("/tasks", task() | {"k" * 200_000: 1})
    assert long.json()["errors"][0]["pointer"] == "/" + "k" * 100
