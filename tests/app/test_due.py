"""Django is started for what is due, and for nothing else; the two ask the same database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.utils import timezone

from agenda import due
from agenda.models import UNDO_WINDOW, Repeat, Task
from tests.app.conftest import APP

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
SUBJECT = "a" * 32


@pytest.fixture
def host(settings, tmp_path, mariadb):
    journal, sounds = tmp_path / "journal", tmp_path / "sounds"
    for folder in (journal, sounds):
        folder.mkdir()
    settings.ERASED_JOURNAL, settings.AGENDA_SPEECH_CACHE = str(journal), sounds

    def tick() -> str:
        out = StringIO()
        call_command("agenda_expire", stdout=out, stderr=StringIO())
        return out.getvalue()

    tick()
    return SimpleNamespace(
        sounds=sounds,
        noted=journal / due.NAME,
        is_due=lambda: due.is_due(journal),
        tick=tick,
        # As if the last run had been so long ago.
        ran=lambda ago_s: os.utime(journal / due.NAME, (time.time() - ago_s,) * 2),
    )


def ago(span: timedelta) -> datetime:
    return timezone.now() - span


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"deadline_at": SECOND}, id="a deadline"),
        pytest.param({"deadline_at": SECOND, "repeat": Repeat.DAILY}, id="one of a series"),
        pytest.param({"removed_at": UNDO_WINDOW + SECOND}, id="taken away for good"),
    ],
)
def test_a_run_is_made_for_each_row_that_it_would_erase(host, add, fields):
    task = add("due", deadline_at=ago(-HOUR), repeat_from=timezone.now().date(),
               repeat_time=timezone.now().time())  # fmt: skip
    assert not host.is_due()
    Task.objects.filter(id=task.id).update(
        **{
            name: ago(value) if isinstance(value, timedelta) else value
            for name, value in fields.items()
        }
    )
    assert host.is_due()
    assert host.tick().startswith("erased: tasks 1")
    assert not host.is_due()


def test_what_can_still_be_undone_or_is_still_to_come_is_not_due(host, add):
    add("in an hour", deadline_at=ago(-HOUR))
    add("just taken away", deadline_at=ago(-HOUR), removed_at=ago(SECOND))
    assert not host.is_due()
    assert host.tick() == ""


def test_what_a_site_keeps_for_a_grace_is_due_at_its_deadline_and_at_the_end(host, add, settings):
    settings.GRACE_S = 3600
    host.tick()
    task = add("kept for an hour", deadline_at=ago(SECOND))
    assert host.is_due()  # its tombstone
    host.tick()
    host.ran(due.OVERLAP_S)
    Task.objects.filter(id=task.id).update(deadline_at=ago(timedelta(minutes=30)))
    assert not host.is_due()
    Task.objects.filter(id=task.id).update(deadline_at=ago(HOUR + SECOND))
    assert host.is_due()
    assert host.tick().startswith("erased: tasks 1")


def sound(host, *, of=None, lasts_s=3600, is_locked=True):
    line = json.dumps({str(of.id): "its words"}).encode() + b"\n" if of else b""
    path = host.sounds / f"{SUBJECT}.{'b' * 32}.local.mp3"
    path.write_bytes(line + b"an MP3")
    os.utime(path, (time.time(), time.time() + lasts_s))
    lock = host.sounds / f"{SUBJECT}.lock"
    lock.touch()
    if not is_locked:
        lock.unlink()
    return path


def test_a_sound_that_lives_is_not_due_and_one_whose_time_has_come_is(host):
    sound(host)
    (host.sounds / "google.lock").touch()
    os.utime(host.sounds / "google.lock", (0, 0))
    assert not host.is_due()
    sound(host, lasts_s=-1)
    assert host.is_due()
    assert host.tick() == "erased: tasks 0, audio 1, sessions 0\n"


@pytest.mark.parametrize("name", [".new-abc", f"{'c' * 32}.lock"])
def test_what_a_killed_process_left_is_due_after_a_minute(host, name):
    left = host.sounds / name
    left.touch()
    assert not host.is_due()
    os.utime(left, (time.time() - due.OVERLAP_S - 1,) * 2)
    assert host.is_due()
    host.tick()
    assert not left.exists()


def test_a_sound_that_was_forgotten_while_it_was_made_is_due(host):
    sound(host, is_locked=False)
    assert host.is_due()


def test_a_sound_is_due_when_another_host_changes_its_words_or_takes_the_task_away(host, add):
    task = add("said here", deadline_at=ago(-HOUR), changed_at=ago(HOUR))
    sound(host, of=task)
    assert not host.is_due()
    mine = Task.objects.filter(id=task.id)
    mine.update(changed_at=timezone.now())
    assert host.is_due()
    mine.update(changed_at=None)
    assert not host.is_due()
    mine.update(removed_at=timezone.now())
    assert host.is_due()
    mine.delete()
    assert host.is_due()
    assert host.tick().endswith("audio 1, sessions 0\n")
    assert not host.is_due()


def test_a_host_of_the_rest_server_asks_nobody_without_sounds(host, settings, monkeypatch, add):
    settings.IS_WEB = False
    host.tick()
    add("due, and erased by the web", deadline_at=ago(SECOND))
    monkeypatch.setattr(due, "_connected", lambda _given: pytest.fail("asked"))
    assert not host.is_due()


def test_the_rest_is_done_every_ten_minutes(host):
    host.ran(due.EVERY_S - 5)
    assert not host.is_due()
    for ago_s in (due.EVERY_S, -60):  # or by a clock that was set
        host.ran(ago_s)
        assert host.is_due()


def test_another_release_and_other_settings_are_due(host, monkeypatch, tmp_path):
    monkeypatch.setenv("AGENDA_GRACE", "60")
    assert host.is_due()
    monkeypatch.delenv("AGENDA_GRACE")
    assert not host.is_due()
    monkeypatch.chdir(tmp_path)
    assert host.is_due()


def asked(journal: Path) -> int:
    """As the unit asks: as a program of its own, of which nothing beside it is a module."""
    command = [sys.executable, "-P", "agenda/due.py"]
    environment = os.environ | {"AGENDA_ERASED_JOURNAL": str(journal)}
    return subprocess.run(command, cwd=APP, env=environment, check=False, timeout=60).returncode


@pytest.fixture
def as_a_unit(host, monkeypatch):
    monkeypatch.setenv("AGENDA_ERASED_JOURNAL", str(host.noted.parent))
    monkeypatch.chdir(APP)
    host.tick()
    return host


def test_the_units_condition_is_not_met_when_nothing_is_due(as_a_unit, add):
    assert asked(as_a_unit.noted.parent) == 1
    add("due", deadline_at=ago(SECOND))
    assert asked(as_a_unit.noted.parent) == 0


@pytest.mark.parametrize("left", ["", "{", "[]", "{}", '{"place": 1}'])
def test_what_a_power_cut_left_of_the_note_is_due(as_a_unit, left):
    as_a_unit.noted.write_text(left)
    assert asked(as_a_unit.noted.parent) == 0


def test_a_database_that_is_away_is_left_to_the_run_itself(as_a_unit):
    noted = json.loads(as_a_unit.noted.read_text())
    noted["database"]["unix_socket"] = "/nonexistent"
    as_a_unit.noted.write_text(json.dumps(noted))
    assert asked(as_a_unit.noted.parent) == 0


def test_a_full_disk_keeps_nothing_from_being_erased(host, settings):
    settings.ERASED_JOURNAL = "/dev/full"
    assert host.tick() == ""


def test_ids_that_are_none_come_into_no_question(host):
    sound(host, of=SimpleNamespace(id="') OR SLEEP(9) -- "))
    with pytest.raises(ValueError, match=SUBJECT):
        host.is_due()
