"""A mail server for tests: keeps what it is given, and can be told to misbehave."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Self

LETTER_LIMIT_S = 10


@dataclass(slots=True)
class Letter:
    sender: str
    receivers: list[str]
    message: EmailMessage

    @property
    def text(self) -> str:
        return str(self.message.get_content())


class MailServer:
    """`behaviour`: "ok", "refuse" (no receiver is right), "hang up" (after the greeting)."""

    def __init__(self, behaviour: str = "ok") -> None:
        self.behaviour = behaviour
        self.letters: list[Letter] = []
        self.commands: list[str] = []
        stand_in = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                stand_in.talk(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def talk(self, handler: socketserver.StreamRequestHandler) -> None:
        def answer(line: str) -> None:
            handler.wfile.write(f"{line}\r\n".encode())

        answer("220 stand-in")
        sender, receivers = "", list[str]()
        while line := handler.rfile.readline().decode().strip():
            self.commands.append(line)
            verb = line.split()[0].upper()
            if self.behaviour == "hang up":
                return
            if verb == "MAIL":
                sender, receivers = line.partition(":")[2].split()[0].strip("<>"), []
            if verb == "RCPT" and self.behaviour == "refuse":
                answer("550 nobody of that name")
                continue
            if verb == "RCPT":
                receivers.append(line.partition(":")[2].split()[0].strip("<>"))
            if verb == "DATA":
                answer("354 go on")
                self._keep(handler, sender, receivers)
            if verb == "QUIT":
                answer("221 bye")
                return
            answer("250 fine")

    def _keep(
        self, handler: socketserver.StreamRequestHandler, sender: str, receivers: list[str]
    ) -> None:
        lines = list[bytes]()
        while (line := handler.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.letters.append(Letter(sender, receivers, message))

    def next_letter(self, number: int = 1) -> Letter:
        """The letter of that number, once it has come."""
        limit = time.monotonic() + LETTER_LIMIT_S
        while len(self.letters) < number:
            if time.monotonic() > limit:
                raise AssertionError(f"letter {number} did not come; {self.commands}")
            time.sleep(0.02)
        return self.letters[number - 1]
