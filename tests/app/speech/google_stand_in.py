"""A local stand-in for Google's voice: it speaks the wire format that gTTS 2.5.4 writes and reads.

In tests: `with StandIn() as google:`, then `google.behave("refuse")`. For a whole deployment:

    python -m tests.app.speech.google_stand_in --port 9000 --behave good

and AGENDA_GOOGLE_URL=http://127.0.0.1:9000. While it runs, `POST /behave/<names>` (comma-separated:
one for each coming request, the last one stays) changes its mood, `GET /asked` returns as JSON what
it was asked.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import json
import math
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, ClassVar

import lameenc

PATH = "/_/TranslateWebserverUi/data/batchexecute"
RPC = "jQ1olc"
CONSENT = b"<!doctype html><title>Before you continue to Google</title><form>I agree</form>" * 30
DRIP_S = 0.05


def tone_mp3(*, seconds: float = 0.6, hertz: float = 440.0) -> bytes:
    """An MP3 that nobody can take for espeak-ng: a tone, at 24 kHz as Google's are."""
    count = int(24000 * seconds)
    wave = (int(9000 * math.sin(2 * math.pi * hertz * i / 24000)) for i in range(count))
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(32)
    encoder.set_in_sample_rate(24000)
    encoder.set_channels(1)
    encoder.silence()
    encoded = encoder.encode(struct.pack(f"<{count}h", *wave))
    return bytes(encoded) + bytes(encoder.flush())


def answer_with(audio: bytes) -> bytes:
    """The body of a good answer: a guard, a length, then the reply as JSON in JSON."""
    inner = json.dumps([base64.b64encode(audio).decode()], separators=(",", ":"))
    reply = json.dumps([["wrb.fr", RPC, inner, None, None, None, "generic"]], separators=(",", ":"))
    return f")]}}'\n\n{len(reply)}\n{reply}\n".encode()


def asked_for(body: bytes) -> dict[str, Any]:
    """Return what a request asks for as gTTS packs it; raises when it is packed otherwise."""
    fields = urllib.parse.parse_qs(body.decode(), strict_parsing=False)
    rpc, parameter, nothing, kind = json.loads(fields["f.req"][0])[0][0]
    text, language, speed, null = json.loads(parameter)
    is_known = speed in {None, True}
    if (rpc, nothing, kind, is_known, null) != (RPC, None, "generic", True, "null"):
        raise ValueError(f"not what gTTS sends: {fields}")
    return {"text": text, "language": language} | ({"slow": True} if speed else {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/behave/"):
            self.server.moods[:] = self.path.removeprefix("/behave/").split(",")
            self.answer(200, b"")
            return
        if self.path != PATH:
            self.answer(404, b"")
            return
        self.server.asked.append(asked_for(body))
        moods = self.server.moods
        MOODS[moods.pop(0) if len(moods) > 1 else moods[0]](self)

    def do_GET(self) -> None:
        self.answer(200, json.dumps(self.server.asked).encode(), kind="application/json")

    def answer(self, status: int, body: bytes, *, kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self, length: int | None, *, encoding: str = "") -> None:
        self.send_response(200)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: tests read the answers."""


def _good(to: _Handler) -> None:
    to.answer(200, answer_with(to.server.audio))


def _redirect(to: _Handler) -> None:
    to.send_response(302)
    to.send_header("Location", f"{PATH}?consent=1")
    to.send_header("Content-Length", "0")
    to.end_headers()


def _hang(to: _Handler) -> None:
    to.server.released.wait()
    to.close_connection = True


def _cut(to: _Handler) -> None:
    whole = answer_with(to.server.audio)
    to.begin(len(whole))
    to.wfile.write(whole[: len(whole) // 2])
    to.close_connection = True


def _cut_chunks(to: _Handler) -> None:
    whole = answer_with(to.server.audio)
    to.begin(None)
    to.wfile.write(b"%x\r\n%s\r\n" % (len(whole) // 2, whole[: len(whole) // 2]))
    to.close_connection = True


def _chunks(to: _Handler) -> None:
    whole = answer_with(to.server.audio)
    to.begin(None)
    for start in range(0, len(whole), 1000):
        part = whole[start : start + 1000]
        to.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    to.wfile.write(b"0\r\n\r\n")


def _gzip(to: _Handler) -> None:
    packed = gzip.compress(answer_with(to.server.audio))
    to.begin(len(packed), encoding="gzip")
    to.wfile.write(packed)


def _drip(to: _Handler) -> None:
    """A byte now and then, for ever: no time-out of a socket ever fires."""
    to.begin(10_000_000)
    while not to.server.released.wait(DRIP_S):
        try:
            to.wfile.write(b" ")
        except OSError:
            break
    to.close_connection = True


def _flood(to: _Handler) -> None:
    to.begin(None)
    try:
        while not to.server.released.is_set():
            to.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    except OSError:
        to.close_connection = True


MOODS: dict[str, Callable[[_Handler], None]] = {
    "good": _good,
    "chunks": _chunks,
    "gzip": _gzip,
    "refuse": lambda to: to.answer(429, b"Too Many Requests"),
    "consent": lambda to: to.answer(200, CONSENT),
    "redirect": _redirect,
    "hang": _hang,
    "cut": _cut,
    "cut_chunks": _cut_chunks,
    "drip": _drip,
    "flood": _flood,
    "broken": lambda to: to.answer(500, b"Internal Server Error"),
    "missing": lambda to: to.answer(404, b"Not Found"),
    "empty": lambda to: to.answer(200, answer_with(b"")),
    "not_mp3": lambda to: to.answer(200, answer_with(CONSENT)),
    "not_base64": lambda to: to.answer(200, b'[["wrb.fr","jQ1olc","[\\"****\\"]"]]'),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.audio = tone_mp3()
        self.moods = ["good"]
        self.asked: list[dict[str, str]] = []
        self.released = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up is part of the play."""


class StandIn:
    """The stand-in on a free port, while a `with` block lasts."""

    names: ClassVar[list[str]] = list(MOODS)

    def __init__(self, port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = _Server(port)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self.audio = self._server.audio
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def behave(self, *moods: str) -> None:
        """One mood for each coming request; the last one stays."""
        self._server.moods[:] = moods

    @property
    def asked(self) -> list[dict[str, str]]:
        return self._server.asked

    def release(self) -> None:
        """Let go of every request that hangs."""
        self._server.released.set()

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Tunnel(StreamRequestHandler):
    server: _ProxyServer

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        self.server.asked.append(f"{method} {target}")
        while self.rfile.readline().strip():
            pass
        if self.server.mood == "hang":
            self.server.released.wait()
        if self.server.mood != "good":
            self.wfile.write(b"HTTP/1.0 403 Filtered\r\n\r\n")
            return
        with socket.create_connection(self.server.leads_to) as behind:
            self.wfile.write(b"HTTP/1.0 200 Connection established\r\n\r\n")
            onwards = threading.Thread(target=_pass_on, args=(self.connection, behind))
            onwards.start()
            _pass_on(behind, self.connection)
            onwards.join()


def _pass_on(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(0x10000):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


class _ProxyServer(ThreadingTCPServer):
    daemon_threads = True
    leads_to = ("127.0.0.1", 0)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.mood = "good"
        self.asked: list[str] = []
        self.released = threading.Event()


class StandInProxy:
    """A proxy that leads to one stand-in whatever it is asked, while a `with` block lasts."""

    def __init__(self, leads_to: str, *, mood: str = "good") -> None:
        self._server = _ProxyServer()
        self._server.leads_to = ("127.0.0.1", urllib.parse.urlsplit(leads_to).port or 0)
        self._server.mood = mood
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.asked = self._server.asked
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> StandInProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Stand in for Google's voice on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--behave", default="good", help=f"comma-separated: {', '.join(MOODS)}")
    options = parser.parse_args()
    server = _Server(options.port)
    server.moods[:] = options.behave.split(",")
    print(f"http://127.0.0.1:{server.server_address[1]} {options.behave}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
