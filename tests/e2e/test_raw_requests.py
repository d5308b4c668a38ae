"""Bytes that no browser sends, at each port that a deployed site opens: one answer, or none, and
never one that says the fault is ours.
"""

from __future__ import annotations

import json
import socket
import ssl

import pytest

from tests.e2e.conftest import lab_file, scheme_of

pytestmark = pytest.mark.e2e

HOST = b"Host: 127.0.0.1\r\n"
SMUGGLED = b"GET /agenda/sign-in/ HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /api/v1/tasks HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
GET = b"GET /api/v1/health HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n"
REFUSED = {
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}" + SMUGGLED,
    "a length and chunks": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and a length": POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two codings": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a coding twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "a coding with a space": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a coding in HTTP/1.0": POST.replace(b"/1.1", b"/1.0") + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED,
    "a length in hexadecimal": POST + b"Content-Length: 0x2\r\n\r\n{}" + SMUGGLED,
    "a length that no number holds": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    "a chunk that no number holds": POST + CHUNKED + b"\r\n" + b"f" * 20 + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk without a number": POST + CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": POST + CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a NUL in a header": GET + b"X: a\0b\r\n\r\n",
    "a NUL in the address": b"GET /agenda\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET /agenda HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: evil.example\r\n\r\n",
    "a host with a path": b"GET /agenda HTTP/1.1\r\nHost: 127.0.0.1/evil\r\n\r\n",
    "another host in the address": b"GET http://evil.example/agenda HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2 that was not agreed on": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 20,
    "CONNECT": b"CONNECT 127.0.0.1:3306 HTTP/1.1\r\n" + HOST + b"\r\n",
    "TRACE": b"TRACE /agenda HTTP/1.1\r\n" + HOST + b"\r\n",
    "out of the static files": b"GET /static/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "out of them, encoded": b"GET /static/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in small letters": b"get /agenda HTTP/1.1\r\n" + HOST + b"\r\n",
    "an address without end": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a thousand headers": GET + b"".join(b"X%d: x\r\n" % n for n in range(1000)) + b"\r\n",
    "a header without end": GET + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    "a continued header": GET + b"X: a\r\n b\r\n\r\n",
    "a database's greeting": b"J\0\0\0\x0a5.5.5-10.11.6-MariaDB\0",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing but noise": bytes(range(256)) * 4,
}


def doors() -> dict[int, str]:
    forwards = json.loads(lab_file().read_text("utf-8"))["forwards"]
    return {int(port): scheme_of(target) for port, target in forwards.items()}


def told(port: int, scheme: str, content: bytes, *, within_s: float = 1) -> bytes:
    """All that comes back until the server closes, or says nothing for so long."""
    got = b""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    there = socket.create_connection(("127.0.0.1", port), timeout=5)
    with context.wrap_socket(there) if scheme == "https" else there as there:
        there.settimeout(within_s)
        try:
            there.sendall(content)
            while more := there.recv(65_536):
                got += more
        except OSError:  # closed in the middle of what was sent, or nothing more
            pass
    return got


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_no_browser_sends_gets_one_answer_that_refuses_it(content):
    for port, scheme in doors().items():
        got = told(port, scheme, content)
        statuses = [line.split()[1] for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.")]
        assert len(statuses) <= 1, (port, got)
        # 501: a coding or a method that is not known. Else a fault of the one who asks.
        assert not statuses or statuses[0] == b"501" or statuses[0].startswith(b"4"), (port, got)
        assert b"root:x:" not in got


def test_the_site_serves_as_before_and_what_is_well_formed_passes():
    for port, scheme in doors().items():
        got = told(port, scheme, GET + b"Connection: close\r\n\r\n", within_s=10)
        assert got.startswith(b"HTTP/1.1 200"), (port, got)
