"""A task's whole life, as a program with a bearer token lives it: posted, read, heard, gone.

All times are the server's own, from its Date headers.

In:  {"stage": "begin", "address": "198.18.28.157", "port": 80, "host": "198.18.28.157", "token",
      "title", "lives_s": 14}; out: see `begin`. Then the same with {"stage": "watch", "task",
      "deadline_at"} from that answer; out: see `watch`.
"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

TASKS = "/api/v1/tasks"
POLL_S = 0.25
TOO_MANY_REQUESTS = 429
GONE_WAIT_MAX_S = 5.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def at(self) -> datetime:
        return parsedate_to_datetime(self.headers["date"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def told(self) -> dict[str, Any]:
        """What the tests look at; never the whole, which may be long."""
        kept = ("content-type", "etag", "sunset", "cache-control", "www-authenticate", "location")
        text = self.body[:2000].decode("utf-8", errors="replace")
        headers = {name: self.headers[name] for name in kept if name in self.headers}
        return {"status": self.status, "headers": headers, "body": text}


class Named(http.client.HTTPSConnection):
    """To an address, with the name that its certificate must be for."""

    def __init__(self, asked: dict[str, Any]) -> None:
        context = ssl.create_default_context(
            cadata=None if asked["ca"] == "system" else asked["ca"]
        )
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        name = asked.get("name") or asked["address"]
        super().__init__(name, int(asked["port"]), timeout=20, context=context)
        self.address, self.context = asked["address"], context

    def connect(self) -> None:
        sock = socket.create_connection((self.address, self.port), self.timeout)
        self.sock = self.context.wrap_socket(sock, server_hostname=self.host)


class Client:
    def __init__(self, asked: dict[str, Any]) -> None:
        self.place = {name: asked.get(name, "") for name in ("address", "port", "name", "ca")}
        self.host, self.token = asked["host"], asked["token"]

    def _connection(self) -> http.client.HTTPConnection:
        if self.place["ca"]:
            return Named(self.place)
        return http.client.HTTPConnection(
            self.place["address"], int(self.place["port"]), timeout=20
        )

    def ask(
        self, method: str, path: str, *, body: Any = None, token: str | None = None, **headers: str
    ) -> Answer:
        """With the right token unless told otherwise; "" means none."""
        connection = self._connection()
        sent = {"Host": self.host, **{name.replace("_", "-"): v for name, v in headers.items()}}
        carried = self.token if token is None else token
        if carried:
            sent["Authorization"] = f"Bearer {carried}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, body=content, headers=sent)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        finally:
            connection.close()


def begin(client: Client, asked: dict[str, Any]) -> dict[str, Any]:
    now = client.ask("GET", "/api/v1/health", token="").at
    deadline_at = now + timedelta(seconds=float(asked["lives_s"]))
    wording = {"title": asked["title"], "deadline_at": deadline_at.isoformat()}
    key = secrets.token_hex(8)
    made = client.ask("POST", TASKS, body=wording, Idempotency_Key=key)
    if made.status != 201:
        return {"made": made.told()}
    task = made.json["id"]
    again = client.ask("POST", TASKS, body=wording, Idempotency_Key=key)
    speech = client.ask("GET", f"{TASKS}/{task}/speech", Accept="audio/mpeg")
    return {
        "task": task,
        "deadline_at": made.json["deadline_at"],
        "made": made.told(),
        "again": {"status": again.status, "id": again.json.get("id")},
        "read": client.ask("GET", f"{TASKS}/{task}").told(),
        "listed": task in ids(client.ask("GET", TASKS)),
        "dumped": asked["title"] in dump(client).body.decode(),
        "stranger": client.ask("GET", f"{TASKS}/{task}", token="").told(),
        "in_the_address": client.ask(
            "GET", f"{TASKS}/{task}?token={client.token}&access_token={client.token}", token=""
        ).status,
        "speech": {"status": speech.status, "type": speech.headers.get("content-type")},
        "audio": base64.b64encode(speech.body if speech.status == 200 else b"").decode(),
    }


def dump(client: Client) -> Answer:
    """One at a time of one user: another host's proof asks with the same account."""
    while (answer := client.ask("GET", "/api/v1/dump")).status == TOO_MANY_REQUESTS:
        time.sleep(int(answer.headers["retry-after"]))
    return answer


def ids(answer: Answer) -> list[str]:
    return [task["id"] for task in answer.json["items"]]


def watch(client: Client, asked: dict[str, Any]) -> dict[str, Any]:
    """Read it until it is gone. `early`, `late`: answers on the wrong side of the deadline."""
    deadline_at = datetime.fromisoformat(asked["deadline_at"])
    path, early, late = f"{TASKS}/{asked['task']}", [], []
    while True:
        read = client.ask("GET", path)
        is_there = read.status == 200
        if not is_there and read.at < deadline_at.replace(microsecond=0):
            early.append(read.status)
        if is_there and read.at > deadline_at:
            late.append(read.at.isoformat())
        is_over = read.at > deadline_at + timedelta(seconds=GONE_WAIT_MAX_S)
        if is_over or (not is_there and read.at > deadline_at):
            break
        time.sleep(POLL_S)
    return {
        "early": early,
        "late": late,
        "last": read.told(),
        "listed": asked["task"] in ids(client.ask("GET", TASKS)),
    }


def main() -> None:
    asked = json.load(sys.stdin)
    stage = begin if asked["stage"] == "begin" else watch
    json.dump(stage(Client(asked), asked), sys.stdout)


if __name__ == "__main__":
    main()
