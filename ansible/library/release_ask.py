#!/usr/bin/python
"""Ask a release, at its own socket, what its users will ask, before it gets their traffic."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: release_ask
short_description: Ask a release whether it can serve, before it does
description:
  - "ready: /readyz says that database, schema, audio cache and local voice are well."
  - "page: an account of its own signs in, adds a task and finds it on the agenda."
  - "voice: that task is heard."
  - "memory: many more requests neither make it grow nor end one of its processes."
  - The account and all it held are gone at the end. Changes nothing else.
options:
  unit: {description: The unit of the release., required: true, type: str}
  socket: {description: Where it listens., required: true, type: path}
  manage:
    description: Runs a management command of that release.
    required: true
    type: list
    elements: str
  questions:
    description: What is asked.
    type: list
    elements: str
    choices: [ready, page, voice, memory]
    default: [ready, page, voice, memory]
  ready_s: {description: How long it may take until it is ready., type: int, default: 30}
author: CTLV
"""
RETURN = """
question: {description: The one that it failed., type: str, returned: failed}
requests: {description: How many it answered., type: int, returned: success}
"""
ANSWERS_WITHIN_S = 10
POLL_S = 0.1
# Enough for both processes and all their threads to have loaded what they load once.
WARM_UP, LOAD = 24, 48
GROWTH_MAX_MIB = 24
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
TASK = re.compile(r"/agenda/tasks/([0-9a-f-]{36})/")


class RefusedError(Exception):
    """The release may not have any traffic; the message says what it answered."""

    question = "ready"


@contextmanager
def question(name: str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        error.question = name
        raise


class AtSocket(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWERS_WITHIN_S)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Person:
    """Asks as nginx would, over a connection of its own each time, and keeps its cookies."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.cookies: dict[str, str] = {}
        self.requests = 0

    def ask(
        self, method: str, path: str, values: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        headers = {
            "Host": "localhost",
            # Counts where TLS stands in front, and is ignored elsewhere.
            "X-Forwarded-Proto": "https",
            "Referer": "https://localhost/agenda/",
            "Accept-Language": "en",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        body = None if values is None else urlencode(values)
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = AtSocket(self.path)
        self.requests += 1
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                name, _, rest = cookie.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RefusedError(f"{method} {path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def expect(
        self, wanted: int, method: str, path: str, values: dict[str, str] | None = None
    ) -> bytes:
        status, body = self.ask(method, path, values)
        if status != wanted:
            raise RefusedError(f"{method} {path} was answered with {status}, not {wanted}")
        return body

    def form(self, path: str) -> dict[str, str]:
        found = TOKEN.search(self.expect(200, "GET", path).decode(errors="replace"))
        if found is None:
            raise RefusedError(f"GET {path} holds no form")
        return {"csrfmiddlewaretoken": found[1]}


def ready(person: Person, *, limit_s: float) -> None:
    """Returns when /readyz says 200. A database that is away for a moment is not its fault."""
    limit = time.monotonic() + limit_s
    while True:
        try:
            status, body = person.ask("GET", "/readyz")
            said = f"/readyz says {status}: {' '.join(body.decode(errors='replace').split())[:400]}"
        except RefusedError as error:
            status, said = 0, str(error)
        # A page of errors is its last word; 503 and silence may pass.
        if status == http.client.OK:
            return
        if status not in {0, http.client.SERVICE_UNAVAILABLE} or time.monotonic() > limit:
            raise RefusedError(said)
        time.sleep(POLL_S)


def page(person: Person, account: dict[str, str]) -> str:
    """Sign in, add a task, find it; its id."""
    person.expect(302, "POST", "/agenda/sign-in/", {**person.form("/agenda/sign-in/"), **account})
    values = {
        **person.form("/agenda/tasks/new/"),
        "title": "release",
        "notes": "",
        "deadline_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds"),
        # Only the voice of this machine may say it: Google's pace is not the release's.
        "is_private": "on",
    }
    person.expect(302, "POST", "/agenda/tasks/new/", values)
    found = TASK.search(person.expect(200, "GET", "/agenda/").decode(errors="replace"))
    if found is None:
        raise RefusedError("GET /agenda/ does not show the task that was added")
    return found[1]


def voice(person: Person, task: str) -> None:
    sound = person.expect(200, "GET", f"/agenda/tasks/{task}/speech.mp3")
    if not (sound[:3] == b"ID3" or sound[:1] == b"\xff"):
        raise RefusedError("GET speech.mp3 is no sound")


def memory(unit: str, ask: Callable[[], object]) -> float:
    """MiB that it grew while it answered. Raises when that was much, or when a process ended."""
    for _ in range(WARM_UP):
        ask()
    first, before_mib = processes(unit)
    for _ in range(LOAD):
        ask()
    last, after_mib = processes(unit)
    if first != last:
        raise RefusedError(f"its processes were replaced while it answered {LOAD} requests")
    if after_mib - before_mib > GROWTH_MAX_MIB:
        raise RefusedError(
            f"it leaks memory: from {before_mib:.0f} to {after_mib:.0f} MiB in {LOAD} requests"
        )
    return after_mib - before_mib


def processes(unit: str) -> tuple[list[int], float]:
    """The unit's processes, and the memory of all of them in MiB, shared pages counted once."""
    shown = shell(["systemctl", "show", "--value", "--property=MainPID", unit])
    found = [int(shown.strip() or 0)]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    total_kib = 0
    for pid in found:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total_kib += sum(int(value) for value in re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE))
    return sorted(found), total_kib / 1024


def shell(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0:
        said = (ended.stderr or ended.stdout).strip().splitlines() or ["nothing"]
        raise RefusedError(f"{' '.join(command[-3:])} failed: {said[-1][:300]}")
    return ended.stdout


def every_question(given: dict[str, Any], person: Person) -> float:
    """MiB that it grew, where that was asked. Raises RefusedError."""
    if "page" in given["questions"]:
        return as_a_user(given, person)
    with question("ready"):
        ready(person, limit_s=given["ready_s"])
    if "memory" not in given["questions"]:
        return 0.0
    with question("memory"):
        limit = time.monotonic() + given["ready_s"]
        return memory(given["unit"], lambda: ready(person, limit_s=limit - time.monotonic()))


def as_a_user(given: dict[str, Any], person: Person) -> float:
    """What page, voice and memory ask, by an account that is gone at the end.

    It is made while the release makes itself ready.
    """
    probe = [*given["manage"], "agenda_probe", "--purpose=release"]
    with ThreadPoolExecutor(max_workers=1) as pool:
        created = pool.submit(shell, [*probe, "create"])
        try:
            with question("ready"):
                ready(person, limit_s=given["ready_s"])
            with question("page"):
                account = json.loads(created.result())
                task = page(person, {name: account[name] for name in ("username", "password")})
            if "voice" in given["questions"]:
                with question("voice"):
                    voice(person, task)
            if "memory" in given["questions"]:
                with question("memory"):
                    return memory(given["unit"], lambda: person.expect(200, "GET", "/agenda/"))
            return 0.0
        finally:
            if created.exception() is None:
                # Not those of other hosts and runs; releases before 1.0 cannot tell them apart.
                words = json.loads(created.result()).get("remove", ["remove"])
                with question("page"):
                    shell([*probe, *words])


def main() -> None:
    every = ["ready", "page", "voice", "memory"]
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "socket": {"type": "path", "required": True},
            "manage": {"type": "list", "elements": "str", "required": True},
            "questions": {"type": "list", "elements": "str", "choices": every, "default": every},
            "ready_s": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    given = module.params
    if module.check_mode:
        module.exit_json(changed=False)
    person, began = Person(given["socket"]), time.monotonic()
    try:
        grew_mib = every_question(given, person)
    except RefusedError as error:
        module.fail_json(msg=str(error), question=error.question)
    module.exit_json(
        changed=False,
        requests=person.requests,
        grew_mib=round(grew_mib, 1),
        took_s=round(time.monotonic() - began, 1),
    )


if __name__ == "__main__":
    main()
