"""What a new release is asked before it gets traffic, by an account that is gone at the end."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from agenda.models import Task

pytestmark = pytest.mark.django_db


def test_a_release_in_which_a_user_can_do_everything_passes_and_keeps_nothing():
    out = StringIO()
    call_command("agenda_ask", stdout=out)
    assert out.getvalue() == "signed in, added a task, found it, heard it\n"
    assert not User.objects.exists()
    assert not Task.objects.exists()


def break_a_page(monkeypatch):
    def broken(*_, **__):
        raise LookupError("no agenda")

    monkeypatch.setattr("agenda.views.reading.grouped", broken)


def break_the_sound(monkeypatch):
    monkeypatch.setattr("agenda.views.listening.sound", lambda *_, **__: silence())


def silence():
    from django.http import HttpResponse  # noqa: PLC0415 - settings first

    return HttpResponse(b"silence")


@pytest.mark.parametrize(
    ("breaks", "error", "says"),
    [
        (break_a_page, LookupError, "no agenda"),
        (break_the_sound, CommandError, "is no sound"),
    ],
)
def test_a_release_in_which_something_fails_says_what_and_keeps_nothing(
    breaks, error, says, monkeypatch
):
    breaks(monkeypatch)
    with pytest.raises(error, match=says):
        call_command("agenda_ask")
    assert not User.objects.exists()
