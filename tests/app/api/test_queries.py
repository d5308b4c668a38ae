"""The short cuts of what is asked most give what the models give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from agenda.models import Priority, Repeat, Task
from api.models import Token
from api.rows import ROW_COLUMNS, CompiledQuery, as_json, row_json, task_out
from api.services import token_find
from tests.app.api.program import token_for

pytestmark = pytest.mark.django_db
NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="plain"),
        pytest.param({"deadline_at": NOON}, id="a whole second"),
        pytest.param({"deadline_at": NOON + timedelta(microseconds=40)}, id="a few microseconds"),
        pytest.param({"title": 'Été "à" \\ 😀', "notes": "deux\nlignes"}, id="letters"),
        pytest.param({"is_private": True, "tags": " tp projet "}, id="private, with tags"),
        pytest.param({"priority": Priority.URGENT, "repeat": Repeat.DAILY}, id="urgent, daily"),
    ],
)
def test_a_row_goes_out_as_its_model_does(alice, given):
    deadline_at = timezone.now() + timedelta(hours=2)
    made = {"title": "t", "deadline_at": deadline_at, "created_at": timezone.now(), **given}
    task = Task.objects.create(owner=alice, **made)
    rows = Task.objects.all().values_list(*ROW_COLUMNS)
    assert [row_json(row) for row in rows] == [as_json(task_out(task)).decode()]


def test_a_token_is_found_as_its_model_with_its_owner(alice):
    text = token_for(alice, "read", "create", name="of the test")
    found = token_find(text, at=timezone.now())
    known = Token.objects.with_owner().get()
    assert found == known
    for name in ("owner_id", "name", "scopes", "hint", "created_at", "expires_at"):
        assert getattr(found, name) == getattr(known, name), name
    for name in ("id", "username", "language", "time_zone", "voice", "voice_speed"):
        assert getattr(found.owner, name) == getattr(known.owner, name), name
    assert found.owner.get_deferred_fields() >= {"password", "email"}


def test_a_query_is_written_once_and_asked_with_its_own_values(add, alice):
    add("soon", left=timedelta(hours=1))
    add("later", left=timedelta(hours=9))
    written = []

    def titles(*, owner_id, at):
        written.append(at)
        return Task.objects.of(owner_id).live(at=at).by_deadline().values_list("title")

    query = CompiledQuery(titles, owner_id=Task().id, at=NOON)
    now = timezone.now()
    assert query.rows(owner_id=alice.pk, at=now) == [("soon",), ("later",)]
    assert query.rows(owner_id=alice.pk, at=now + timedelta(hours=2)) == [("later",)]
    assert query.rows(owner_id=Task().id, at=now) == []
    assert written == [NOON]


def test_a_query_whose_stand_in_is_lost_is_refused():
    query = CompiledQuery(lambda **_: Task.objects.values_list("title"), at=NOON)
    with pytest.raises(LookupError, match="at"):
        query.rows(at=NOON)
