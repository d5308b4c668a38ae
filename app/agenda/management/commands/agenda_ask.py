"""Run before a new release gets traffic (role agenda): what fails here fails for every user."""

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.services import probe_create, probe_remove

TASK = re.compile(r"/agenda/tasks/([0-9a-f-]{36})/")


def journey(client: Client, account: dict[str, str]) -> None:
    """Sign in, add a task, find it, hear it. Raises CommandError for what a user would not expect;
    what a view raises comes through with its traceback.
    """
    form = {"username": account["username"], "password": account["password"]}
    expect(HTTPStatus.FOUND, client.post("/agenda/sign-in/", form))
    task = {
        "title": "release",
        "notes": "",
        "deadline_at": (timezone.now() + timedelta(hours=1)).isoformat(timespec="seconds"),
        # Only the voice of this machine may say it: Google's pace is not the release's.
        "is_private": "on",
    }
    expect(HTTPStatus.FOUND, client.post("/agenda/tasks/new/", task))
    shown = expect(HTTPStatus.OK, client.get("/agenda/"))
    found = TASK.search(shown.content.decode())
    if found is None:
        raise CommandError("/agenda/ does not show the task that was added")
    path = f"/agenda/tasks/{found[1]}/speech.mp3"
    sound = expect(HTTPStatus.OK, client.get(path)).getvalue()
    if not sound.startswith((b"ID3", b"\xff")):
        raise CommandError(f"{path} is no sound")


def expect(wanted: HTTPStatus, response: Any) -> HttpResponse:
    if response.status_code != wanted:
        asked = f"{response.request['REQUEST_METHOD']} {response.request['PATH_INFO']}"
        raise CommandError(f"{asked} got {response.status_code}, not {wanted}")
    return response  # type: ignore[no-any-return] # the client's own class, which has no name


class Command(BaseCommand):
    help = "Ask this release what its users will ask, with a one-time account of its own."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        account = probe_create("release", at=timezone.now())
        # As nginx would hand it on; the header counts only where TLS stands in front.
        client = Client(SERVER_NAME="localhost", HTTP_X_FORWARDED_PROTO="https")
        try:
            journey(client, account)
        finally:
            probe_remove(account["username"])
        self.stdout.write("signed in, added a task, found it, heard it")
