"""Disks that are full and databases that die in the middle: the right answer each time."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError, close_old_connections, connection
from django.test import Client
from django.utils import timezone

from accounts.services import account_create
from agenda import pace
from agenda.forgetting import tasks_forget
from agenda.models import Lease, Task
from config.mysql import base
from speech import services as speech

ROWS = 12


@pytest.fixture
def tiny_disk(tmp_path: Path, settings) -> Iterator[Path]:
    """A file system of 128 KiB for the sounds; only root may mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder = tmp_path / "sounds"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k,mode=0700", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, timeout=30)
    settings.AGENDA_SPEECH_CACHE = folder
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=30)


def test_tasks_speak_although_the_disk_for_sounds_is_full(page, add, tiny_disk):
    (tiny_disk / "somebody-elses").write_bytes(b"x" * 120 * 1024)
    for number in range(3):
        heard = page.get(f"/agenda/tasks/{add(f'tâche {number}').pk}/speech.mp3")
        assert (heard.status_code, heard["Content-Type"]) == (200, "audio/mpeg")
        assert len(heard.content) > 1000
    assert page.get("/agenda/day/speech.mp3").status_code == 200
    assert list(tiny_disk.glob("*.mp3")) == [], "nothing is kept half"
    assert page.get("/agenda").status_code == 200


def test_a_full_disk_for_sounds_keeps_nothing_from_being_forgotten(add, tiny_disk):
    (tiny_disk / "somebody-elses").write_bytes(b"x" * 128 * 1024)
    task = add()
    assert tasks_forget(at=task.deadline_at).tasks == 1


@pytest.fixture
def owner(db_for_good):
    return account_create(username="alice", password="a long enough password", language="en")


@pytest.fixture
def db_for_good(transactional_db) -> None:
    """Rows that outlive the server, which a test's transaction would not."""


def test_a_database_that_dies_in_mid_purge_loses_no_chunk_and_keeps_no_half(
    mariadb, owner, monkeypatch
):
    monkeypatch.setattr(pace, "CHUNK_ROWS", 4)
    at = timezone.now()
    Task.objects.bulk_create(
        Task(owner=owner, title=f"t{n}", deadline_at=at, created_at=at) for n in range(ROWS)
    )
    chunks = []

    def die_after_the_second(subjects) -> None:
        chunks.append(subjects)
        if len(chunks) == 2:
            mariadb.kill()

    try:
        with monkeypatch.context() as patched, pytest.raises(OperationalError):
            patched.setattr(speech, "forget_all", die_after_the_second)
            tasks_forget(at=at)
    finally:
        connection.close()
        mariadb.start()
    # Two chunks were committed; the server may have lost what it was still to write, never a half.
    assert Task.objects.count() in {4, 8, 12}
    Lease.objects.all().delete()  # as after twenty seconds
    tasks_forget(at=at)
    assert not Task.objects.exists()


def test_a_database_that_dies_in_mid_request_is_a_503_and_the_form_can_be_sent_again(
    mariadb, owner, monkeypatch
):
    browser = Client(raise_request_exception=False, headers={"Accept-Language": "en"})
    browser.force_login(owner)
    form = browser.get("/agenda/tasks/new/").context["form"]
    given = {
        "title": "only once",
        "deadline_at": "2999-01-01T10:00",
        "identity": str(form["identity"].value()),
        "priority": "0",
    }
    save = Task.save

    def die_first(task, **options):
        mariadb.kill()
        return save(task, **options)

    monkeypatch.setattr(Task, "save", die_first)
    try:
        answer = browser.post("/agenda/tasks/new/", given)
    finally:
        connection.close()
        mariadb.start()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "What you just sent may not be saved" in answer.content.decode()
    monkeypatch.setattr(Task, "save", save)
    for _ in range(2):
        close_old_connections()
        assert browser.post("/agenda/tasks/new/", given).status_code == 302
    assert [task.title for task in Task.objects.all()] == ["only once"]


def test_a_request_waits_for_a_database_that_is_restarted(mariadb, owner):
    browser = Client()
    browser.force_login(owner)
    mariadb.kill()
    connection.close()
    soon = threading.Timer(1, mariadb.start)
    soon.start()
    begun = time.monotonic()
    try:
        assert browser.get("/agenda").status_code == 200
    finally:
        soon.join()
    assert time.monotonic() - begun > 1


def test_a_database_that_stays_away_is_waited_for_once_and_not_by_everybody(
    mariadb, owner, monkeypatch
):
    """Whoever waits holds a thread: later ones are told at once, and are let in when it is back."""
    browser = Client(raise_request_exception=False)
    browser.force_login(owner)
    monkeypatch.setattr(base, "WAITS_S", 1.5)
    mariadb.kill()
    connection.close()
    took_s = []
    try:
        for _ in range(3):
            begun = time.monotonic()
            assert browser.get("/agenda").status_code == 503
            took_s.append(time.monotonic() - begun)
    finally:
        connection.close()
        mariadb.start()
    assert took_s[0] > 1
    assert max(took_s[1:]) < 1
    assert browser.get("/agenda").status_code == 200
    assert base.DatabaseWrapper.away_since is None


def test_the_same_form_sent_twice_at_once_is_one_task(mariadb, owner):
    browsers = [Client(), Client()]
    for browser in browsers:
        browser.force_login(owner)
    form = browsers[0].get("/agenda/tasks/new/").context["form"]
    given = {
        "title": "only once",
        "deadline_at": "2999-01-01T10:00",
        "identity": str(form["identity"].value()),
        "priority": "0",
    }
    statuses = []

    def send(browser) -> None:
        statuses.append(browser.post("/agenda/tasks/new/", given).status_code)
        connection.close()

    threads = [threading.Thread(target=send, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [302, 302]
    assert Task.objects.count() == 1


def test_a_database_that_is_cut_off_is_found_out_in_seconds(monkeypatch):
    """The drill cuts a real one off; here no connection goes over a network."""
    limited = []
    monkeypatch.setattr(base, "limit", limited.append)
    monkeypatch.setattr(base.base.DatabaseWrapper, "get_new_connection", lambda _self, link: link)
    with socket.socket(socket.AF_INET) as far, socket.socket(socket.AF_UNIX) as near:
        for link in (far, near):
            assert connection.get_new_connection(link) is link
        assert len(limited) == 1
        monkeypatch.undo()
        base.limit(far)
        unanswered_ms = far.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert 2000 <= unanswered_ms <= 6000
        assert far.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert far.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) * 1000 < unanswered_ms
