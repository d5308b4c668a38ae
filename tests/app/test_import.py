"""`agenda_import`: an old agenda's people sign in with their old password, and find their tasks."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
import yaml
from django.core.management import call_command

from accounts.models import User
from accounts.services import account_create, account_remove
from agenda import erased
from agenda.models import Task
from rollout import imports
from rollout.old_tables import tables_of
from tests.rollout.old_agenda import TASKS, USERS, mysql

pytestmark = pytest.mark.django_db
SIGN_IN = "/agenda/sign-in/"
PASSWORD = "un mot de passe de 2019"


@pytest.fixture
def given(tmp_path, settings):
    settings.PASSWORD_HASHERS = settings.REAL_PASSWORD_HASHERS
    tables = tables_of(mysql(tmp_path))
    told = yaml.safe_load(imports.proposed(tables, "old"))
    told["tasks"]["priorities"] = {"high": 2}
    (tmp_path / "map.yml").write_text(yaml.safe_dump(told))
    return imports.records(imports.read_plan(tmp_path / "map.yml", tables), tables)


@pytest.fixture
def bring(given, monkeypatch):
    def bring(*words):
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(given)))
        out = io.StringIO()
        call_command("agenda_import", *words, stdout=out)
        told = json.loads(out.getvalue())
        counts = [sum(told[what].values()) for what in ("accounts", "tasks")]
        assert counts == [len(USERS), len(TASKS)], "each row came, or is said not to have"
        return told

    return bring


def test_a_dry_run_tells_what_would_come_and_leaves_nothing(bring):
    told = bring("--dry-run")
    assert told["accounts"] == {"new": 3, "refused": 1}
    assert told["tasks"] == {
        **{"new": 3, "done": 1, "over": 1, "without a deadline": 1},
        "of accounts left out": 2,
    }
    assert told["counted"] == [3, 3]
    assert (
        "account two words: Use letters, digits and . @ + - _ only, without spaces."
        in told["remarks"]
    )
    assert not User.objects.exists()
    assert not Task.objects.exists()


def test_people_sign_in_with_the_password_they_had_and_it_becomes_argon2(bring, client):
    bring()
    alice = User.objects.get(username="alice")
    assert alice.password.startswith("pbkdf2_sha256$")
    for _ in range(2):
        said = client.post(SIGN_IN, {"username": "Alice", "password": PASSWORD})
        assert said.status_code == HTTPStatus.FOUND
        alice.refresh_from_db()
        assert alice.password.startswith("argon2$")
    elodie = User.objects.get(username="élodie")
    assert (elodie.is_active, elodie.is_staff) == (False, False)
    assert not User.objects.get(username="bob").has_usable_password()


def test_tasks_come_with_their_words_deadline_and_priority(bring, settings):
    bring()
    task = Task.objects.get(owner__username="alice")
    assert task.title == 'Rendre l\'exposé; "v2" (1), c:\\tp final'
    assert (task.notes, task.priority) == ("a\tb\nc", 2)
    assert task.deadline_at == datetime(2035, 1, 2, 17, tzinfo=UTC)
    day, long = Task.objects.filter(owner__username="bob").order_by("deadline_at")
    assert settings.TIME_ZONE == "Europe/Paris"
    assert day.deadline_at == datetime(2035, 6, 30, 21, 59, tzinfo=UTC)
    assert long.title.endswith("x…")
    assert long.notes == "x" * 300 + "\n\nlong"


def test_run_again_it_adds_what_is_new_and_nothing_twice(bring, given):
    bring()
    given["tasks"][2]["deadline_at"] = "2035-01-01T00:00:00+00:00"
    told = bring()
    assert told["accounts"] == {"there already": 3, "refused": 1}
    assert (told["tasks"]["new"], told["tasks"]["there already"]) == (1, 3)
    assert told["counted"] == [0, 1]
    assert (User.objects.count(), Task.objects.count()) == (3, 4)


def test_what_was_erased_since_does_not_come_back(bring, settings, tmp_path):
    settings.ERASED_JOURNAL = str(tmp_path)
    bring()
    account_remove(User.objects.get(username="bob"))
    gone = Task.objects.get(owner__username="alice")
    erased.note(Task, [gone.pk], at=datetime.now(UTC))
    gone.delete()
    told = bring()
    assert told["accounts"]["left since"] == 1
    assert (told["tasks"]["erased since"], told["tasks"]["of accounts left out"]) == (1, 4)
    assert not Task.objects.exists()


def test_somebody_of_that_name_keeps_it_and_gets_nobodys_tasks(bring):
    here = account_create(username="alice", password="a long enough password")
    told = bring()
    assert told["accounts"]["whose name is taken"] == 1
    assert "account Alice: that name is somebody's here" in told["remarks"]
    assert not Task.objects.filter(owner=here).exists()


@pytest.mark.parametrize(
    "password",
    [
        "",
        "!",
        "plain",
        "md5$salt$0123",
        "pbkdf2_sha256$9999999$salt$xNv0t2D6uK37tN7LZhEZmegP7E4artPhzoJ7qetXvvM=",
        "pbkdf2_sha256$",
    ],
)
def test_a_hash_that_cannot_be_checked_here_opens_nothing(bring, given, password):
    given["users"][0]["password"] = password
    told = bring()
    assert not User.objects.get(username="alice").has_usable_password()
    assert "account Alice: its password is of no kind that is known" in told["remarks"]
