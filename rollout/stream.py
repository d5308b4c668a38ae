"""What was written since a backup: chunks that ctlv-backup streams, checked, opened, let through.

A file of the stream is an hour of chunks: a line of JSON, signed by the database host, and so many
bytes, encrypted: one binary log. Of a log pass rows of the agenda's tables, and changes of tables,
which go to an account that may make them in a scratch database alone; anything else ends it.
The events of a log: https://mariadb.com/kb/en/replication-protocol/.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provision.errors import OperatorError

SIGNER = "ctlv-backup"
DATABASE = "agenda"
STAMP = "%Y%m%dT%H%M%SZ"
# All that there is.
LATEST = datetime.max.replace(tzinfo=UTC)
# A backup's rows are those of a moment after its name was made.
SNAPSHOT = timedelta(seconds=5)
FOLDER = "/var/backups/agenda/stream"
FRESH = "/run/ctlv-stream/fresh"
NAME = re.compile(r"\d{8}T\d{6}Z")
KEYS = {"chain", "log", "at", "bytes", "sha256", "signature"}
GTID = re.compile(r"(\d+)-(\d+)-(\d+)")

MAGIC = b"\xfebin"
# When, what, by which server, how long, where it ends, flags; at the end a checksum of 4 bytes.
HEADER, CHECKSUM_BYTES = struct.Struct("<IBIIIH"), 4
QUERY, FORMAT, XID, TABLE, TRANSACTION = 2, 15, 16, 19, 162
ROWS = {23, 24, 25}
# What says only where logs begin, end and stand: stop, rotate, checkpoint, list of transactions.
ABOUT_LOGS = {3, 4, 161, 163}
QUERY_HEADER = struct.Struct("<IIBHH")
PASSES = re.compile(
    rb"(BEGIN|COMMIT|ROLLBACK|((RELEASE )?SAVEPOINT|ROLLBACK TO( SAVEPOINT)?) [`\"]?\w+[`\"]?"
    rb"|((CREATE|ALTER|DROP) TABLE|(CREATE( UNIQUE)?|DROP) INDEX)\s.*)\s*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A log as it was closed; `at`: all that was written by then is in it or in one before."""

    chain: str
    log: str
    at: datetime
    body: bytes


def chunks(content: bytes, signers: Path) -> Iterator[tuple[int, Chunk]]:
    """Those of a file that are whole and signed, each with where it begins.

    What a power cut left at its end is none; what somebody put in is passed over, and missed later.
    """
    at = 0
    while (line_end := content.find(b"\n", at)) >= 0:
        try:
            told: dict[str, Any] = json.loads(content[at:line_end])
            is_one = told.keys() == KEYS and isinstance(told["bytes"], int) and told["bytes"] > 0
        except (ValueError, AttributeError, TypeError):
            is_one = False
        if not is_one:
            return
        begin, at = at, line_end + 1 + told["bytes"]
        body = content[line_end + 1 : at]
        signature = str(told.pop("signature"))
        is_whole = hashlib.sha256(body).hexdigest() == told["sha256"]
        if is_whole and is_signed(json.dumps(told, sort_keys=True), signature, signers):
            written_at = datetime.fromtimestamp(told["at"], UTC)
            yield begin, Chunk(chain=told["chain"], log=told["log"], at=written_at, body=body)


def is_signed(text: str, signature: str, signers: Path) -> bool:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(signature)
        file.flush()
        command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-s", file.name]
        command += ["-I", SIGNER, "-n", SIGNER]
        ended = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=30, check=False
        )
    return ended.returncode == 0


def sequence(position: str) -> int:
    """Of the last transaction that `position` (a GTID, such as 0-1-27) counts; 0 of none."""
    if not position:
        return 0
    found = GTID.fullmatch(position)
    if not found:
        raise OperatorError(
            f"'{position}' is the position of more than one server",
            next_step="restore the backup without TO=",
        )
    return int(found[3])


class Replay:
    """Lets through, of logs one after the other, what follows a backup until a moment. No I/O."""

    def __init__(self, database: str, *, after: int, until: datetime) -> None:
        self.database = database.encode()
        self.last = after
        self.until = until
        self.last_at: datetime | None = None
        self.transactions = 0
        self.is_reached = False
        self._begins = True
        self._begun: dict[int, bytes] = {}

    def through(self, log: bytes) -> bytes:
        """Of the first log with what makes it a log of its own; the others continue it."""
        if not log.startswith(MAGIC):
            raise OperatorError(
                "a chunk is no binary log", next_step="restore to a moment before it, or a backup"
            )
        passed = [MAGIC] if self._begins else []
        self._begins = False
        is_wanted = False
        for kind, at, event in events(log):
            if kind == FORMAT:
                passed.append(event)
            elif kind == TRANSACTION:
                number = struct.unpack_from("<Q", event, HEADER.size)[0]
                self._need_one_past(number, at, event)
                is_wanted = self._is_next(number, at)
                if self.is_reached:
                    break
                passed += [event] if is_wanted else []
            elif kind not in ABOUT_LOGS and is_wanted:
                self._check(kind, at, event)
                passed.append(event)
        return b"".join(passed)

    def _need_one_past(self, number: int, at: datetime, event: bytes) -> None:
        """A log that was shipped twice begins its transactions alike, another past does not."""
        if self._begun.setdefault(number, event) != event:
            raise OperatorError(
                f"before {at:%Y-%m-%d %H:%M:%S} UTC the database was taken back to an earlier "
                f"state, such as a snapshot's: there are two transactions {number}",
                next_step="restore to a moment before that; or take a backup from after it: FROM=",
            )

    def _is_next(self, number: int, at: datetime) -> bool:
        if number <= self.last:
            return False  # in the backup, or in a chunk that was made once more after a power cut
        if number > self.last + 1:
            since = f"{self.last_at:%Y-%m-%d %H:%M:%S} UTC" if self.last_at else "the backup"
            raise OperatorError(
                f"{number - self.last - 1} transactions are missing between {since} and "
                f"{at:%Y-%m-%d %H:%M:%S} UTC: what came later builds on them",
                next_step=f"with TO= up to {since} everything before them comes back; or take a "
                "later backup: FROM=",
            )
        if at > self.until:
            self.is_reached = True
            return False
        self.last, self.last_at = number, at
        self.transactions += 1
        return True

    def _check(self, kind: int, at: datetime, event: bytes) -> None:
        what = ""
        if kind == QUERY:
            database, statement = query(event)
            # One statement: the client that replays it would send another behind it too.
            is_ours = database == self.database and not re.search(rb";|/\*!", statement)
            if not (is_ours and PASSES.fullmatch(statement)):
                what = statement.decode(errors="replace")[:80]
        elif kind == TABLE:
            length = event[HEADER.size + 8]
            database = event[HEADER.size + 9 :][:length]
            if database != self.database:
                what = f"rows of {database.decode(errors='replace')}"
        elif kind not in {XID, *ROWS}:
            what = f"an event of kind {kind}"
        if what:
            raise OperatorError(
                f"at {at:%Y-%m-%d %H:%M:%S} UTC the log has what is no row of the agenda: {what}",
                next_step="restore to a moment before it; or take a backup from after it: FROM=",
            )


def events(log: bytes) -> Iterator[tuple[int, datetime, bytes]]:
    at = len(MAGIC)
    while at + HEADER.size <= len(log):
        when, kind, _server, length, _end, _flags = HEADER.unpack_from(log, at)
        if length < HEADER.size or at + length > len(log):
            return  # the server was cut off while it wrote
        yield kind, datetime.fromtimestamp(when, UTC), log[at : at + length]
        at += length


def query(event: bytes) -> tuple[bytes, bytes]:
    """The database that it was said in, and the statement."""
    body = event[HEADER.size : -CHECKSUM_BYTES]
    _thread, _took, length, _error, variables = QUERY_HEADER.unpack_from(body)
    begin = QUERY_HEADER.size + variables
    return body[begin : begin + length], body[begin + length + 1 :]


@dataclass(slots=True, kw_only=True)
class Since:
    """What was written after a backup until a moment, as it lies encrypted in `folder`."""

    backup: str
    made_at: datetime
    position: dict[str, str]
    until: datetime
    folder: Path
    key: Path
    signers: Path
    transactions: int = 0
    known: datetime = LATEST

    def read(self, *, known: datetime | None) -> None:
        """Once through. `known`: until when somebody said that all is here; chunks say it too."""
        said = [chunk.at for chunk in self._chunks()]
        self.known = max([self.made_at, *said, *([known] if known else [])])
        if self.known < self.until < LATEST:
            raise OperatorError(
                f"what was written is known until {self.known:%Y-%m-%d %H:%M:%S} UTC, "
                f"not until {self.until:%Y-%m-%d %H:%M:%S}",
                next_step="TO=latest brings back all there is",
            )
        self.known = min(self.known, self.until)
        for _part in self.parts():
            pass

    def parts(self) -> Iterator[bytes]:
        """A binary log, piece by piece; raises OperatorError for a gap and what is no row."""
        chain = self.position["chain"]
        after = sequence(self.position["gtid"])
        replay = Replay(DATABASE, after=after, until=self.until)
        for chunk in self._chunks():
            if chunk.chain != chain:
                began = datetime.strptime(chunk.chain, STAMP).replace(tzinfo=UTC)
                if chunk.chain < chain or began > self.until or self.until == LATEST:
                    continue
                raise OperatorError(
                    f"at {began:%Y-%m-%d %H:%M:%S} UTC the log began anew (a restore, another "
                    f"server): nothing leads on from {self.backup}",
                    next_step="restore to a moment before that, or one after the next backup",
                )
            # Clocks are the database's: what was closed well before the backup is in it.
            if chunk.at < self.made_at - SNAPSHOT:
                continue
            yield replay.through(opened(chunk.body, self.key))
            if replay.is_reached:
                break
        self.transactions = replay.transactions

    def _chunks(self) -> Iterator[Chunk]:
        names = sorted({path.name.partition("-")[0] for path in self.folder.iterdir()})
        for name in names:
            found: dict[int, Chunk] = {}
            for copy in sorted(self.folder.glob(f"{name}-*")):
                for begin, chunk in chunks(copy.read_bytes(), self.signers):
                    found.setdefault(begin, chunk)
            yield from (chunk for _begin, chunk in sorted(found.items(), key=lambda it: it[0]))

    def feed(self, command: list[str]) -> str:
        """To the stdin of `command`; what it said when it failed, or ""."""
        with tempfile.TemporaryFile() as said:
            fed = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
            )
            try:
                for part in self.parts():
                    fed.stdin.write(part)  # type: ignore[union-attr]
            except BrokenPipeError:
                pass  # it ended, and said why
            finally:
                with suppress(BrokenPipeError):
                    fed.communicate(timeout=3600)
            said.seek(0)
            problem = said.read().decode(errors="replace").strip()[-400:]
        return problem or "it ended" if fed.returncode else ""


def opened(body: bytes, key: Path) -> bytes:
    ended = subprocess.run(
        ["age", "--decrypt", "--identity", str(key)],
        input=body,
        capture_output=True,
        timeout=600,
        check=False,
    )
    if ended.returncode != 0:
        raise OperatorError(
            f"what was written cannot be opened with {key}: {ended.stderr.decode()[-200:]}",
            next_step="get the key it was made for, from the operator who ran `make secrets`",
        )
    return ended.stdout
