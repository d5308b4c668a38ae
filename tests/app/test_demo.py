"""agenda_demo: a believable week, and a way in."""

from __future__ import annotations

from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from accounts.services import account_create
from agenda.management.commands.agenda_demo import WEEK
from agenda.models import Task


def run(*arguments):
    out = StringIO()
    call_command("agenda_demo", *arguments, stdout=out)
    return out.getvalue().strip()


def test_it_fills_an_account_and_replaces_an_older_one(client, db):
    run()
    password = run().rsplit(" ", 1)[-1]
    assert Task.objects.count() == len(WEEK)
    answer = client.post("/agenda/sign-in/", {"username": "demo", "password": password})
    assert answer.status_code == 302
    content = client.get("/agenda").content.decode()
    assert all(word in content for word in ("Rendre le TP 3", "#réseaux", "urgente"))


def test_the_link_lets_one_choose_a_password_once_and_none_is_printed(client, db):
    path = run("--link")
    assert path.startswith("/agenda/reset/")
    form = client.get(path, follow=True)
    address = form.redirect_chain[-1][0]
    given = {"new_password1": "a fine long secret", "new_password2": "a fine long secret"}
    assert client.post(address, given).status_code == 302
    assert User.objects.get().check_password("a fine long secret")
    client.session.flush()
    client.cookies.clear()
    assert client.get(path, follow=True).status_code == 404


def test_a_persons_account_of_that_name_is_not_touched(db):
    somebody = account_create(username="demo", password="a long enough password")
    with pytest.raises(CommandError, match=r"somebody has an account named demo\n  Next: "):
        run()
    assert User.objects.get() == somebody
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "now",
    [
        datetime(2027, 3, 27, 23, 50),
        datetime(2027, 10, 30, 2, 30),
        datetime(2027, 12, 31, 23, 59),
        datetime(2028, 2, 29, 12, 0),
    ],
    ids=str,
)
def test_it_is_a_believable_week_at_any_time(db, monkeypatch, now):
    at = now.replace(tzinfo=ZoneInfo("Europe/Paris"))
    monkeypatch.setattr(timezone, "now", lambda: at)
    run()
    assert Task.objects.live(at=at).count() == len(WEEK)
