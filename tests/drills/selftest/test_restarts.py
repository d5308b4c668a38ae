"""What the drill of restarts counts, and where."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.drills import load
from tests.drills.load import Client, Outcome, browser_for
from tests.drills.restarts import Row, faults


@contextmanager
def served():
    """A server that says yes; and how many connections it had."""
    connections = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            connections.append(self.client_address)
            super().setup()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", connections
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("is_fresh", "opened"), [(False, 1), (True, 3)])
def test_a_person_keeps_one_connection_or_opens_one_for_each_request(is_fresh, opened):
    with served() as (url, connections):
        person = Client.__new__(Client)
        person.host, person.cookie, person.is_fresh = urlsplit(url).netloc, "", is_fresh
        person.connection = browser_for(url).connection
        assert [person.reads("task") for _ in range(3)] == ["", "", ""]
        assert len(connections) == opened
        person.connection.close()


def seen(*, failures=0, slowest_s=0.1, pause_s=0.1):
    return Outcome(
        requests=9,
        failures=[(0.0, "GET: HTTP 503")] * failures,
        latencies_s=[0.1, slowest_s],
        answers_at=[0.0, pause_s],
    )


@pytest.mark.parametrize(
    ("new", "kept", "said"),
    [
        (seen(), seen(failures=3), []),
        (seen(failures=1), seen(), ["on new connections: 9 requests, 1 failed"]),
        (seen(slowest_s=3.0), seen(), ["somebody waited 3.0 s"]),
        (seen(pause_s=4.0), seen(), ["somebody waited 4.0 s"]),
        (seen(), seen(pause_s=4.0), ["somebody waited 4.0 s"]),
    ],
)
def test_only_connections_that_are_kept_may_be_cut(new, kept, said):
    found = faults([Row("tree", 1.0, new, kept)])
    assert len(found) == len(said)
    assert all(text in line for text, line in zip(said, found, strict=True))


def test_the_load_can_be_told_to_open_new_connections(monkeypatch):
    monkeypatch.setattr(load, "Client", lambda *_, **__: Client.__new__(Client))
    made = load.Load("http://x", {}, people=2).at_new_connections()
    assert [person.is_fresh for person in made.people] == [True, True]
