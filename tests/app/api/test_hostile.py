"""Never a 500, whatever is sent: every address and method with values that break programs."""

from __future__ import annotations

import json
import os
import random
from urllib.parse import quote_from_bytes

import pytest

from agenda.models import Task
from tests.app.api.program import soon

REQUESTS = 1500
NOBODY = "01a20dd3-d6b8-7dec-b142-c487e60e1119"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
PATHS = [
    *("/", "/tasks", "/tasks/{id}", "/tasks/{id}/keep", "/tasks/{id}/speech", "/dump"),
    *(
        "/tasks",
        "/tasks/{id}",
        "/tasks/{id}/keep",
        "/tasks/{id}/done",
        "/tasks/{id}/undo",
        "/day/speech",
        "/me",
        "/tokens",
        "/tokens/{id}",
        "/health",
        "/ready",
        "/docs",
    ),
    *("/openapi.json", "/tasks/%00", "/tasks/%ff", "/tasks/{id}%0d%0aX: y", "/%2e%2e/admin"),
]
TEXTS = [
    *("", " ", "\x00", "\ud800", "\udfff\ud800", "\u202e", "\U0001f382" * 300, "x" * 70_000),
    *(
        "' OR 1=1 --",
        "%s%n{0}",
        "\\",
        "%",
        "_",
        "\r\nX: y",
        "ﷺ" * 200,
        "İ" * 31,
        "\u0301",
        "#",
        "!!",
    ),
]
INSTANTS = [
    *("0000-00-00T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60Z"),
    *("9998-12-31T00:00:00Z", "9998-12-30T23:59:59.999999-23:59", "2040-02-30T00:00:00Z"),
    *("٢٠٤٠-01-01T00:00:00Z", "2040-01-01T24:00:00Z", "1969-12-31T23:59:59-00:00", "now"),
]
NUMBERS = [0, -1, 1.5, 1e308, -1e308, 2**63, 10**400, True, 60.0, 0.1]
OTHERS: list[object] = [None, [], {}, [[]], {"$ne": 1}, [None] * 50, {"a": {"b": {"c": []}}}]
BODIES = [
    *(b"", b"{", b"null", b"[]", b'"x"', b"1e999", b"\xff\xfe", b"\xef\xbb\xbf{}", b"\x00" * 40),
    *(b"[" * 90_000, b'{"a":' * 30_000, b'{"minutes":' + b"9" * 9000 + b"}"),
    b'{"title":"a","title":"b"}',
    b" " * 300_000,
    b"{" + b",".join(b'"k%d":1' % n for n in range(9000)) + b"}",
]
HEADERS = {
    "If-Match": ["*", '"x"', "W/", '"', ",,,", "\xff", "x" * 9000, '"a",' * 500],
    "If-None-Match": ["*", '"x"', '"', "\xe9", '"a",' * 500],
    "Idempotency-Key": ["", "k", "\xe9", "x" * 300, "a b", "\x7f"],
    "Accept": ["", "*/*", "x", "a/b;q=z", "text/csv, */*;q=0", ";", "application/json;q=1e9"],
    "Accept-Language": ["fr", "xx-" * 900, "\xff", "fr;q=nan", "*", ",;q=", "en-" + "a" * 400],
    "Range": ["bytes=0-", "bytes=-0", "bytes=9-1", "bytes=" + "9" * 5000 + "-", "lines=1", "\xff"],
    "Content-Type": [
        "application/json",
        "text/plain",
        "",
        "application/json; charset=\xff",
        "a/b/c",
    ],
    "Origin": ["null", "https://evil.example.org", "\xff"],
    "Host": ["testserver", "evil.example.org", "a b", "[::1", "testserver:99999999", ""],
}
FIELDS = ["title", "deadline_at", "notes", "private", "tags", "priority", "repeat", "minutes", "x"]
FILTERS = ["q", "deadline_from", "deadline_until", "private", "tag", "priority", "sort", "limit"]


class Hostile:
    def __init__(self, seed: int, task_id: str) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a test's dice
        self.task_id = task_id

    def value(self) -> object:
        kind = self.dice.choice([TEXTS, INSTANTS, NUMBERS, OTHERS])
        value = self.dice.choice(kind)
        return [value] * 3 if self.dice.random() < 0.1 else value

    def body(self) -> bytes:
        if self.dice.random() < 0.2:
            return self.dice.choice(BODIES)
        fields = {"title": "t", "deadline_at": soon()} if self.dice.random() < 0.7 else {}
        names = self.dice.sample(FIELDS, self.dice.choice([0, 0, 1, 2]))
        return json.dumps(fields | {name: self.value() for name in names}).encode()

    def path(self) -> str:
        path = self.dice.choice(PATHS).replace("{id}", self.dice.choice([self.task_id, NOBODY]))
        names = self.dice.sample([*FILTERS, "cursor", "format", "\x00"], self.dice.randrange(3))
        pairs = [f"{quote_from_bytes(n.encode())}={self.sent()}" for n in names]
        return f"{path}?{'&'.join(pairs)}"

    def sent(self) -> str:
        if self.dice.random() < 0.2:
            return self.dice.choice(["%", "%ff%fe", "%00", "+", "%ed%a0%80", "&=&", "9" * 5000])
        return quote_from_bytes(str(self.value()).encode(errors="surrogatepass"))

    def headers(self) -> dict[str, str]:
        names = self.dice.sample(list(HEADERS), self.dice.choice([0, 0, 1, 2]))
        return {name: self.dice.choice(HEADERS[name]) for name in names}


SEEDS = range(int(os.environ.get("HOSTILE_SEEDS", "2")))


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_is_sent_makes_an_error_of_ours(api, add, settings, seed):
    settings.AGENDA_SPEECH = "off"  # its voices have their own tests, and take their time
    task = add("t")
    hostile, seen = Hostile(seed, str(task.pk)), set()
    for _ in range(REQUESTS // 2):
        method, path, body = hostile.dice.choice(METHODS), hostile.path(), hostile.body()
        headers = hostile.headers()
        answer = api(method, path, body, **{k.replace("-", "_"): v for k, v in headers.items()})
        sent = ascii((method, path[:300], headers, body[:300]))
        seen.add(answer.status_code)
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json", sent
        if answer.status_code >= 500:
            assert (answer.status_code, path.partition("?")[0][-7:]) == (503, "/speech"), sent
        elif answer.streaming:
            b"".join(answer.streaming_content)
    assert {200, 204, 400, 404, 405, 406, 413, 415, 422, 428} <= seen
    assert Task.objects.exists()
