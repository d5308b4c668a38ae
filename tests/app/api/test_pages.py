"""Lists a page at a time and dumps: true while tasks come, go and pass their deadline meanwhile."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from agenda.models import Task
from agenda.portions import portions
from api.rows import ROW_COLUMNS, Cursor, Row, read_cursor


def walk(api, query="limit=3", *, between=None):
    """Every item of every page; `between` is called after each page with its number."""
    items, address, number = [], f"/tasks?{query}", 0
    while address:
        answer = api.get(address)
        assert answer.status_code == 200
        items += answer.json()["items"]
        link = answer.get("Link", "")
        address = link.partition(">")[0].removeprefix("<")
        assert bool(address) == (answer.json()["next"] is not None)
        if between:
            between(number)
        number += 1
    return items


@given(
    st.sampled_from(["deadline", "-deadline", "created", "-created"]),
    st.datetimes(datetime(1000, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)),
    st.uuids(),
)
def test_a_cursor_comes_back_as_it_was(order, instant, identity):
    cursor = Cursor(order, instant, identity)
    assert read_cursor(str(cursor)) == cursor


@given(st.text(max_size=200))
def test_whatever_is_no_cursor_is_refused(text):
    try:
        assert str(read_cursor(text)) == text
    except ValueError:
        return


@pytest.mark.parametrize("sort", ["deadline", "-deadline", "created", "-created"])
def test_pages_together_are_the_list_also_among_equals(api, add, sort):
    at = timezone.now()
    for number in range(11):
        later = timedelta(hours=1 + number // 4)
        add(f"t{number}", deadline_at=at + later, created_at=at - later)
    found = [item["title"] for item in walk(api, f"limit=2&sort={sort}")]
    assert found == [i["title"] for i in api.get(f"/tasks?sort={sort}").json()["items"]]
    assert sorted(found) == sorted(f"t{number}" for number in range(11))


def test_no_task_that_stays_is_missed_or_told_twice_while_others_come_and_go(api, add):
    dice = random.Random(20261124)  # noqa: S311 - a test's dice
    staying = {str(add(f"s{n}", left=timedelta(minutes=10 + 7 * n)).pk) for n in range(40)}
    passing = [add(f"p{n}", left=timedelta(minutes=5 + 6 * n)) for n in range(40)]

    def between(page):
        for _ in range(3):
            if passing:
                passing.pop(dice.randrange(len(passing))).delete()
            add("new", left=timedelta(minutes=dice.randrange(1, 300)))

    found = [item["id"] for item in walk(api, "limit=7", between=between)]
    assert len(found) == len(set(found))
    assert staying <= set(found)


def test_the_last_task_of_a_page_may_be_forgotten_before_the_next_is_asked_for(api, add):
    made = [add(f"t{n}", left=timedelta(hours=n + 1)) for n in range(6)]

    def between(page):
        if page == 0:
            made[2].delete()

    assert [i["title"] for i in walk(api, between=between)] == [f"t{n}" for n in range(6)]


def test_a_deadline_that_passes_between_two_pages_is_kept(api, add):
    first = add("first", left=timedelta(hours=1))
    short = add("short", left=timedelta(milliseconds=700))
    late = [add(f"late{n}", left=timedelta(days=n + 1)) for n in range(2)]
    page = api.get("/tasks?limit=1&sort=-deadline").json()
    assert [i["title"] for i in page["items"]] == ["late1"]
    while timezone.now() <= short.deadline_at:
        time.sleep(0.05)
    rest = walk(api, f"limit=1&sort=-deadline&cursor={page['next']}")
    assert [i["title"] for i in rest] == ["late0", "first"]
    assert first.pk != late[0].pk


def test_a_cursor_belongs_to_its_order(api, add):
    add(), add()
    cursor = api.get("/tasks?limit=1").json()["next"]
    assert api.get(f"/tasks?limit=1&cursor={cursor}&sort=created").status_code == 404
    for wrong in (f"{cursor}x", "x", "WyJkZWFkbGluZSIsMSwiYSJd", "bnVsbA", "%00", "%ff"):
        answer = api.get(f"/tasks?cursor={wrong}")
        assert answer.status_code == 404
        assert answer.json()["type"] == "/api/v1/docs#problem-unknown-cursor"


def test_a_cursor_holds_no_word(api, add):
    add("Zanzibar"), add("Zanzibar")
    cursor = read_cursor(api.get("/tasks?limit=1").json()["next"])
    assert isinstance(cursor.identity, UUID)
    assert "Zanzibar" not in repr(cursor)


def plans(asked):
    """How MariaDB goes about each query for tasks."""
    queries = [q["sql"] for q in asked if "FROM `task`" in q["sql"]]
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute(f"EXPLAIN {query.replace('%', '%%')}")
            names = [column[0] for column in cursor.description]
            yield dict(zip(names, cursor.fetchone(), strict=True))


def test_a_page_starts_at_its_place_in_the_index(api, add):
    for number in range(20):
        add(left=timedelta(hours=number + 1))
    cursor = api.get("/tasks?limit=10").json()["next"]
    with CaptureQueriesContext(connection) as asked:
        api.get(f"/tasks?limit=5&cursor={cursor}")
    (plan,) = plans(asked)
    assert "task_of_owner_by_deadline" in plan["possible_keys"]


def told_of(owner, **changes):
    return portions(owner.pk, ROW_COLUMNS, Row._make, **changes)


def test_each_portion_of_a_dump_starts_at_its_place_in_the_index(add, alice):
    """Left to itself MariaDB goes through all of the owner's rows, for each portion anew."""
    for number in range(30):
        add(left=timedelta(hours=number + 1))
    with CaptureQueriesContext(connection) as asked:
        assert sum(map(len, told_of(alice, rows=10))) == 30
    later = [plan for plan in plans(asked) if plan["key"] not in {"PRIMARY", None}][1:]
    assert len(later) >= 4
    assert {(plan["key"], plan["type"]) for plan in later} == {
        ("task_of_owner_by_deadline", "range")
    }


def dump(api, accept, path="/dump"):
    answer = api.get(path, Accept=accept)
    assert answer.status_code == 200
    return answer, b"".join(answer.streaming_content).decode()


def test_the_dump_says_the_same_in_each_format(api, add):
    add(
        'a "quoted", one\\',
        notes="two\nlines; é\U0001f382",
        is_private=True,
        tags=" a b ",
        priority=2,
    )
    add("=1+1", left=timedelta(days=2))
    add("gone", left=timedelta(seconds=-1))
    items = api.get("/tasks").json()["items"]
    assert len(items) == 2
    assert json.loads(dump(api, "application/json")[1])["items"] == items
    lines = dump(api, "application/x-ndjson")[1].splitlines()
    assert [json.loads(line) for line in lines] == items
    rows = list(csv.DictReader(io.StringIO(dump(api, "text/csv")[1], newline="")))
    assert [row["title"] for row in rows] == [item["title"] for item in items]
    assert [row["notes"] for row in rows] == [item["notes"] for item in items]
    todos = Calendar.from_ical(dump(api, "text/calendar")[1]).walk("VTODO")
    assert [str(todo["SUMMARY"]) for todo in todos] == [item["title"] for item in items]
    assert [row["tags"] for row in rows] == ["a b", ""]
    assert [(row["private"], row["priority"]) for row in rows] == [
        ("true", "urgent"),
        ("false", "normal"),
    ]
    assert todos[0]["PRIORITY"] == 1
    assert todos[0]["CATEGORIES"].cats == ["a", "b"]
    dues = [todo["DUE"].dt for todo in todos]
    told = [datetime.fromisoformat(item["deadline_at"]) for item in items]
    assert dues == [at.replace(microsecond=0) for at in told]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("json", "application/json"),
        ("ndjson", "application/x-ndjson"),
        ("csv", "text/csv; charset=utf-8"),
        ("ics", "text/calendar; charset=utf-8"),
    ],
)
def test_the_dump_can_be_asked_for_by_address(api, name, media_type):
    answer, text = dump(api, "*/*", f"/dump?format={name}")
    assert answer["Content-Type"] == media_type
    assert answer["Content-Disposition"] == f'attachment; filename="agenda.{name}"'
    assert answer["Cache-Control"] == "private, no-store"
    assert "VTODO" not in text


def test_the_dump_in_no_format_we_have_is_refused(api):
    assert api.get("/dump", Accept="image/png").status_code == 406
    assert api.get("/dump?format=xml").status_code == 422
    assert api.get("/dump?since=now").status_code == 422


def test_a_dump_is_asked_for_in_portions_each_at_its_own_instant(add, alice):
    made = [add(f"t{n}", left=timedelta(hours=1 + n // 3)) for n in range(10)]
    instants = iter([timezone.now()] * 2 + [timezone.now() + timedelta(hours=2, minutes=30)] * 9)
    told = told_of(alice, now=lambda: next(instants), rows=3)
    titles = [task.title for portion in told for task in portion]
    assert titles == ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"]
    assert len(made) == Task.objects.count()
    for rows in (1, 2, 10, 11):
        assert sum(map(len, told_of(alice, rows=rows))) == 10


def test_a_portion_holds_few_bytes_however_long_its_tasks_are(add, alice):
    for number in range(70):
        add(f"t{number}", notes="\U0001f382" * 10_000, left=timedelta(hours=1 + number // 9))
    told = list(told_of(alice))
    assert [len(portion) for portion in told] == [40, 30]  # 262,144 characters, read by twenties
    assert [task.title for portion in told for task in portion] == [f"t{n}" for n in range(70)]


def test_a_task_that_is_longer_than_a_portion_is_told_all_the_same(add, alice, monkeypatch):
    monkeypatch.setattr("agenda.portions.NOTES_A_PORTION", 10)
    monkeypatch.setattr("agenda.portions.ROWS_AT_ONCE", 1)
    for _ in range(3):
        add(notes="x" * 100)
    assert [len(portion) for portion in told_of(alice)] == [1, 1, 1]


def test_a_dump_that_takes_too_long_is_cut_and_lacks_its_end(api, add, monkeypatch):
    monkeypatch.setattr("api.dump.LONGEST_S", -1)
    add()
    with pytest.raises(TimeoutError):
        dump(api, "application/json")
