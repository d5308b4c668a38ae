"""The REST server as a process of its own: what it can do, and what it cannot."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.problems import KINDS
from tests.app.api.served import ACCOUNT
from tests.app.served import APP

pytestmark = pytest.mark.xdist_group("rest")


def headers(token, **more):
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | more


def task(title="Rendre le TP3", **given):
    deadline = datetime.now(UTC) + timedelta(hours=3)
    return json.dumps({"title": title, "deadline_at": deadline.isoformat()} | given)


def test_it_is_ready_with_the_privileges_listed_and_no_secret_of_the_web(rest):
    status, _, body = rest.ask("GET", "/readyz")
    assert (status, set(json.loads(body).values())) == (200, {"ok"})
    assert set(json.loads(body)) == {"database", "migrations", "speech", "privileges"}
    assert rest.ask("GET", "/healthz")[0] == 200


def test_it_does_everything_the_api_can_with_its_small_account(rest):
    sent = headers(rest.token_of("carol"))
    once = sent | {"Idempotency-Key": "only-once"}
    body = task(notes="B2.04")
    status, made, first = rest.ask("POST", "/api/v1/tasks", body, **once)
    assert status == 201
    assert rest.ask("POST", "/api/v1/tasks", body, **once)[2] == first
    here, tag = made["location"], made["etag"]
    for path in (here, "/api/v1/tasks?q=B2.04", "/api/v1/dump", "/api/v1/me", "/api/v1/tokens"):
        assert rest.ask("GET", path, **sent)[0] == 200
    for path in (f"{here}/speech", "/api/v1/day/speech", "/api/v1/docs", "/api/v1/docs/docs.css"):
        assert rest.ask("GET", path, **sent)[0] == 200
    changed = rest.ask("PATCH", here, '{"notes": "x"}', **sent | {"If-Match": tag})
    assert changed[0] == 200
    replaced = rest.ask("PUT", here, task(), **sent | {"If-Match": changed[1]["etag"]})
    assert replaced[0] == 200
    kept = rest.ask("POST", f"{here}/keep", "{}", **sent | {"If-Match": replaced[1]["etag"]})
    assert kept[0] == 200
    assert rest.ask("DELETE", here, **sent | {"If-Match": "*"})[0] == 204
    assert rest.ask("GET", here, **sent)[0] == 410
    lost = headers(rest.token_of("carol"))
    listed = json.loads(rest.ask("GET", "/api/v1/tokens", **sent)[2])["items"]
    assert rest.ask("DELETE", f"/api/v1/tokens/{listed[-1]['id']}", **sent)[0] == 204
    assert rest.ask("GET", "/api/v1/me", **lost)[0] == 401


def test_of_eight_changes_at_once_to_what_was_read_one_is_made(rest):
    sent = headers(rest.token_of("carol"))
    made = rest.ask("POST", "/api/v1/tasks", task(), **sent)[1]
    together, answers = threading.Barrier(8), []

    def change(number):
        together.wait(timeout=30)
        body, match = json.dumps({"notes": str(number)}), {"If-Match": made["etag"]}
        answers.append((rest.ask("PATCH", made["location"], body, **sent | match)[0], number))

    threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(status for status, _ in answers) == [200] + [412] * 7
    winner = next(number for status, number in answers if status == 200)
    assert json.loads(rest.ask("GET", made["location"], **sent)[2])["notes"] == str(winner)


HEAVY = """
INSERT INTO task (id, owner_id, title, notes, deadline_at, is_private, created_at)
SELECT UUID(), account.id, 'x', REPEAT(_utf8mb4 X'F09F8E82', 10000), NOW() + INTERVAL seq DAY,
    0, NOW()
FROM account, seq_1_to_500 WHERE username LIKE 'reader%';
"""


def workers(rest):
    pid = rest.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def peak_mib(pid):
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) / 1024


def test_dumps_that_nobody_reads_cost_little_and_are_one_a_user(rest):
    """Four at once, of tasks as long as they can be."""
    people = [headers(rest.token_of(f"reader{number}")) for number in range(4)]
    rest.sql(HEAVY)
    for sent in people * 3:
        assert rest.ask("GET", "/api/v1/me", **sent)[0] == 200
    for pid in workers(rest):
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): the peak is now
    idle = {pid: peak_mib(pid) for pid in workers(rest)}
    with ExitStack() as held:
        for sent in people:
            there = held.enter_context(rest.connection())
            there.request("GET", "/api/v1/dump", headers=sent)
            assert there.getresponse().status == 200
        time.sleep(2)
        refused = rest.ask("GET", "/api/v1/dump", **people[0])
        assert (refused[0], refused[1].get("retry-after")) == (429, "5")
        above = {pid: round(peak_mib(pid) - idle[pid]) for pid in idle}
    print("above idle, MiB:", above)
    assert max(above.values()) < 60
    limit = time.monotonic() + 20
    while rest.ask("HEAD", "/api/v1/dump", **people[0])[0] != 200:
        assert time.monotonic() < limit
        time.sleep(0.2)


def test_lists_of_the_longest_tasks_cost_little_and_lack_none(rest):
    """As many at once as there are threads."""
    sent = headers(rest.token_of("reader0"))
    if not json.loads(rest.ask("GET", "/api/v1/tasks", **sent)[2])["items"]:
        rest.sql(HEAVY)
    for pid in workers(rest):
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    idle = {pid: peak_mib(pid) for pid in workers(rest)}
    with ThreadPoolExecutor(8) as pool:
        asked = ["/api/v1/tasks?limit=200"] * 8
        told = list(pool.map(lambda path: rest.ask("GET", path, **sent), asked))
    above = {pid: round(peak_mib(pid) - idle[pid]) for pid in idle}
    print("above idle, MiB:", above)
    assert {status for status, _, _ in told} == {200}
    assert max(above.values()) < 60
    seen, page = [], json.loads(told[0][2])
    while page["next"]:
        seen += [item["id"] for item in page["items"]]
        path = f"/api/v1/tasks?limit=200&cursor={page['next']}"
        page = json.loads(rest.ask("GET", path, **sent)[2])
    seen += [item["id"] for item in page["items"]]
    assert len(seen) == len(set(seen)) == 500


def test_it_answers_410_for_what_the_webs_timer_has_erased(rest):
    sent = headers(rest.token_of("carol"))
    here = rest.ask("POST", "/api/v1/tasks", task("erase me"), **sent)[1]["location"]
    rest.sql("UPDATE task SET deadline_at = NOW(6) - INTERVAL 1 DAY WHERE title = 'erase me'")
    rest.manage("agenda_expire")
    assert rest.sql("SELECT COUNT(*) FROM task WHERE title = 'erase me'").strip() == "0"
    assert rest.ask("GET", here, **sent)[0] == 410


def test_a_database_that_was_restarted_costs_no_request(rest):
    sent = headers(rest.token_of("carol"))
    assert rest.ask("GET", "/api/v1/me", **sent)[0] == 200
    rest.sql(f"KILL CONNECTION USER {ACCOUNT}@localhost")
    assert [rest.ask("GET", "/api/v1/me", **sent)[0] for _ in range(8)] == [200] * 8


@pytest.mark.parametrize(
    "path",
    ["/", "/agenda", "/agenda/sign-in/", "/admin/", "/agenda/account/"],
)
def test_it_is_nothing_but_the_api(rest, path):
    status, got, body = rest.ask("GET", path)
    assert (status, got["content-type"]) == (404, "application/problem+json")
    assert "set-cookie" not in got
    assert json.loads(body)["type"].endswith("#problem-not-found")


@pytest.mark.parametrize(
    "question",
    [
        "SELECT password FROM account",
        "SELECT email FROM account",
        "SELECT calendar_sha256 FROM account",
        "SELECT * FROM account",
        "SELECT 1 FROM session",
        "SELECT 1 FROM first_admin_link",
        "SELECT 1 FROM audit_line",
        "DELETE FROM audit_line",
        "SELECT factor_sealed FROM account",
        "SELECT 1 FROM django_admin_log",
        "SELECT 1 FROM axes_accessattempt",
        "SELECT 1 FROM auth_group",
        "UPDATE account SET is_active = 1",
        "DELETE FROM task",
        "INSERT INTO api_token (name) VALUES ('x')",
        "UPDATE api_token SET scopes = 'write'",
        "DELETE FROM api_grave",
        "CREATE TABLE x (id INT)",
        "SELECT 1 FROM mysql.user",
    ],
)
def test_its_account_may_do_no_more(rest, question):
    asked = subprocess.run(
        [
            *("mariadb", "--no-defaults", f"-u{ACCOUNT}", f"--socket={rest.database.socket}"),
            *("agenda", "-e", question),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert asked.returncode != 0
    assert "denied" in asked.stderr


def test_its_timer_erases_its_own_sounds_at_their_deadline_without_a_database(rest):
    sent = headers(rest.token_of("carol"))
    here = rest.ask("POST", "/api/v1/tasks", task(), **sent)[1]["location"]
    assert rest.ask("GET", f"{here}/speech", **sent)[0] == 200
    sounds = list((rest.folder / "speech").glob("*.mp3"))
    assert sounds
    for sound in sounds:
        os.utime(sound, (0, 0))
    without_one = {"AGENDA_DATABASE_SOCKET": str(rest.folder / "none")}
    assert rest.manage_rest("agenda_expire", **without_one) == f"erased: audio {len(sounds)}\n"
    assert not list((rest.folder / "speech").glob("*.mp3"))


def test_its_timer_erases_what_was_changed_on_another_host_with_its_own_account(rest):
    sent = headers(rest.token_of("carol"))
    here = rest.ask("POST", "/api/v1/tasks", task("said here"), **sent)[1]["location"]
    assert rest.ask("GET", f"{here}/speech", **sent)[0] == 200
    before = set((rest.folder / "speech").glob("*.mp3"))
    rest.manage_rest("agenda_expire")
    said = before & set((rest.folder / "speech").glob("*.mp3"))
    rest.sql("UPDATE task SET title = 'other words' WHERE title = 'said here'")
    assert rest.manage_rest("agenda_expire") == f"erased: audio {len(said)}\n"
    assert (len(said), list((rest.folder / "speech").glob("*.mp3"))) == (1, [])


def test_its_health_is_told_on_a_terminal(rest):
    assert "privileges: ok" in rest.manage_rest("agenda_health")


def test_a_privilege_that_is_missing_is_named_by_readyz(rest):
    grave = "SELECT ON agenda.api_grave"
    rest.sql(f"REVOKE {grave} FROM {ACCOUNT}@localhost")
    try:
        status, _, body = rest.ask("GET", "/readyz")
        assert status == 503
        assert json.loads(body)["privileges"].startswith("cannot read api_grave")
        assert rest.ask("GET", "/api/v1/ready")[0] == 200
    finally:
        rest.sql(f"GRANT {grave} TO {ACCOUNT}@localhost")


@pytest.mark.parametrize("path", ["/readyz", "/api/v1/ready", "/api/v1/me"])
def test_nobody_notices_that_the_databases_restart_cut_its_connections(rest, path):
    sent = headers(rest.token_of("carol"))
    asked = range(16)  # so that every process and thread has a connection
    before = [rest.ask("GET", path, **sent)[0] for _ in asked]
    rest.sql(f"KILL USER {ACCOUNT}@localhost")
    assert [rest.ask("GET", path, **sent)[0] for _ in asked] == before == [200] * len(asked)


def test_without_the_token_key_it_does_not_start_and_says_why():
    environ = {
        "PATH": os.environ["PATH"],
        "AGENDA_ROLE": "rest",
        "AGENDA_DATABASE_SOCKET": "none",
        "AGENDA_ALLOWED_HOSTS": "localhost",
    }
    started = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=APP,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode != 0
    assert "AGENDA_TOKEN_KEY_FILE is not set.\n  Next: " in started.stderr
    assert "AGENDA_SECRET_KEY_FILE" not in started.stderr


def raw(rest, content):
    """Send bytes as they are; return the answer's status line."""
    host = urlsplit(rest.address)
    with socket.create_connection((host.hostname, host.port), timeout=30) as there:
        there.sendall(content)
        there.shutdown(socket.SHUT_WR)
        return there.makefile("rb").read().split(b"\r\n", 1)[0]


def test_a_body_of_ten_megabytes_is_refused_and_its_sender_learns_why(rest):
    sent = headers(rest.token_of("carol"))
    status, got, _ = rest.ask("POST", "/api/v1/tasks", b" " * 10_000_000, **sent)
    assert (status, got["content-type"]) == (413, "application/problem+json")


@pytest.mark.parametrize(
    "content",
    [
        b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n"
        b"Content-Type: application/json\r\n\r\n{}",
        b"GET /api/v1/tasks?q=%ff%00%c3%28 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xe9\r\n\r\n",
        b"GET /api/v1/tasks HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"BREW /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda content: ascii(content[:40]),
)
def test_what_no_client_sends_is_refused_as_the_clients_fault(rest, content):
    assert raw(rest, content).split()[1].startswith(b"4")


def whole(rest, *lines, body=b""):
    """Send a request's lines as they are; return the answer's status, headers and body."""
    host = urlsplit(rest.address)
    content = "\r\n".join([*lines, "Host: localhost", "Connection: close", "", ""])
    with socket.create_connection((host.hostname, host.port), timeout=30) as there:
        there.sendall(content.encode("latin-1") + body)
        there.shutdown(socket.SHUT_WR)
        head, _, got = there.makefile("rb").read().partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    named = (field.partition(": ") for field in fields)
    return int(status.split()[1]), {name.lower(): value for name, _, value in named}, got


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/api/v1/nowhere", []),
        ("/api/v1/tasks/1", []),
        ("/api/v1/tasks", []),
        ("/api/v1/tasks", ["Content-Length: 300000"]),
        ("/api/v1/tasks/01a20dd3-d6b8-7dec-b142-c487e60e1119/keep", []),
    ],
)
def test_every_refusal_says_how_long_it_is_and_head_gets_none_of_it(rest, method, path, lines):
    status, got, body = whole(rest, f"{method} {path} HTTP/1.1", *lines)
    assert (status >= 400, "transfer-encoding" in got) == (True, False)
    length = int(got["content-length"])
    assert (length > 0, len(body)) == (True, length if method == "GET" else 0)


def test_an_answer_without_content_tells_no_length(rest):
    sent = headers(rest.token_of("carol"))
    made = rest.ask("POST", "/api/v1/tasks", task(), **sent)[1]
    same = rest.ask("GET", made["location"], **sent | {"If-None-Match": made["etag"]})
    gone = rest.ask("DELETE", made["location"], **sent | {"If-Match": "*"})
    told = rest.ask("OPTIONS", "/api/v1/tasks")
    assert [answer[0] for answer in (same, gone, told)] == [304, 204, 204]
    for _, got, body in (same, gone, told):
        assert ("content-length" in got, "content-type" in got, body) == (False, False, b"")


def test_a_body_that_was_cut_is_not_taken_for_the_whole(rest):
    token, body = rest.token_of("carol"), task("half of it").encode()
    status, got, _ = whole(
        rest,
        "POST /api/v1/tasks HTTP/1.1",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body) + 9}",
        body=body,
    )
    assert (status, got["content-type"]) == (400, "application/problem+json")
    assert b"half of it" not in rest.ask("GET", "/api/v1/tasks", **headers(token))[2]


@pytest.mark.parametrize(
    ("lines", "expected", "kind"),
    [
        (["GET /api/v1/tasks?q=" + "x" * 9000 + " HTTP/1.1"], 414, "uri-too-long"),
        (["GET /api/v1/tasks HTTP/1.1", "X: " + "x" * 9000], 431, "headers-too-large"),
        (
            ["GET /api/v1/tasks HTTP/1.1", *(f"X{number}: x" for number in range(150))],
            431,
            "headers-too-large",
        ),
        (
            ["POST /api/v1/tasks HTTP/1.1", "Content-Type: a/b", "Content-Type: c/d"],
            400,
            "bad-request",
        ),
        (["POST /api/v1/tasks HTTP/1.1", "Expect: a miracle"], 417, "expectation-failed"),
        (["POST /api/v1/tasks HTTP/1.1", "Transfer-Encoding: gzip"], 400, "bad-request"),
        (["POST /api/v1/tasks HTTP/1.1", "Transfer-Encoding: x"], 501, "not-implemented"),
        (["get /api/v1/tasks HTTP/1.1"], 400, "bad-request"),
        (["GET /api/v1/tasks HTTP/1.1", "no header"], 400, "bad-request"),
        (["GET /api/v1/tasks HTTP/9.9"], 400, "bad-request"),
        (["GET * HTTP/1.1"], 400, "bad-request"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_gunicorn_cannot_read_is_a_problem_in_both_languages(rest, lines, expected, kind):
    status, got, body = whole(rest, *lines)
    assert (status, got["content-type"]) == (expected, "application/problem+json")
    assert (got["cache-control"], got["content-language"]) == ("no-store", "fr, en")
    assert int(got["content-length"]) == len(body)
    known = KINDS[kind]
    assert json.loads(body) == {
        "type": f"/api/v1/docs#problem-{kind}",
        "title": f"{known.title_in('fr')} / {known.title_in('en')}",
        "status": expected,
    }


def test_what_gunicorn_cannot_read_never_reaches_the_log(rest):
    secret = "a-secret-that-was-sent"
    for lines in (
        [f"GET /api/v1/tasks?q={secret} HTTP/9.9"],
        [f"GET /agenda/calendar/{secret} "],
        ["GET /api/v1/tasks HTTP/1.1", f"Authorization Bearer {secret}"],
        ["GET /api/v1/tasks HTTP/1.1", f"Expect: {secret}"],
    ):
        assert whole(rest, *lines)[0] >= 400
    assert secret not in rest.log()
    assert "a request that is no HTTP: ExpectationFailed" in rest.log()
