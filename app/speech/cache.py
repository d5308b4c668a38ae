"""Audio on this machine's disk, erased with its task.

One folder, flat. A file is named <subject>.<words>.<voice>.mp3, both parts keyed hashes: who reads
the folder learns neither the task nor its words. Its modification time is when it expires, so
that the timer needs no database for that; its access time, set by us, is when it was last heard. In
front of the MP3 stands a line of JSON: of which tasks, by id, it says which words, by their
fingerprint; without such a line it says none of any task. So the timer can also erase what was
changed or taken away on another host. Files appear by rename, whole or not at all. <subject>.lock
keeps two listeners from making the same audio, and is also the proof that the subject was not
forgotten meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from speech import google_line, mp3

log = logging.getLogger(__name__)

# Audio is cheap to make again: none lies here for longer, whatever the task's deadline.
LONGEST_KEPT = timedelta(days=1)
# Nobody works for longer on a new file, or waits for longer behind a lock.
ABANDONED_AFTER = timedelta(minutes=1)
NEW_PREFIX = ".new-"
HASH_CHARACTERS = 32
# The lock of the line to Google lies here too (google_line.py), and is never left over.
GOOGLE_LINE = "google.lock"

Mark = tuple[int, int]
Tasks = tuple[tuple[str, str], ...]
"""Ids, each with the fingerprint of the words that are said of it."""
Now = Callable[[set[str]], Mapping[str, str]]
"""Of tasks, by id, the fingerprint of what would be said of them now; nothing of those erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a file's audio says, for whom, by whom. The words are kept in no other form. Its name
    does not depend on `tasks`.
    """

    subject: str
    language: str
    text: str
    voice: str
    speed: str = "normal"
    tasks: Tasks = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    folder: Path
    secret: bytes
    limit_bytes: int

    def name(self, key: Key) -> str:
        speed = "" if key.speed == "normal" else f"\0{key.speed}"
        words = self._hash(f"{key.voice}\0{key.language}\0{key.text}{speed}")
        return f"{self._hash(key.subject)}.{words}.{key.voice}.mp3"

    def read(self, key: Key, *, at: datetime) -> bytes | None:
        """Return the audio of `key`, or None: not there, its time has come, or damaged."""
        path = self.folder / self.name(key)
        with _logged(), contextlib.suppress(FileNotFoundError):
            content, expires_s = path.read_bytes(), path.stat().st_mtime
            # No MP3 begins with a brace (mp3.py).
            audio = content.partition(b"\n")[2] if content.startswith(b"{") else content
            if expires_s > at.timestamp() and mp3.is_mp3(audio):
                os.utime(path, (at.timestamp(), expires_s))
                return audio
            path.unlink()
        return None

    def write(
        self,
        key: Key,
        audio: bytes,
        *,
        expires_at: datetime,
        at: datetime,
        mark: Mark | None,
    ) -> None:
        """Keep `audio` unless its subject was forgotten since `mark`. A full disk is no failure."""
        if expires_at <= at or mark is None:
            return
        with _logged():
            line = json.dumps(dict(key.tasks)).encode() + b"\n" if key.tasks else b""
            with self._new_file(line + audio) as new:
                os.utime(new, (at.timestamp(), min(expires_at, at + LONGEST_KEPT).timestamp()))
                if self.mark(key.subject) == mark:
                    new.rename(self.folder / self.name(key))
            self._shrink()

    def mark(self, subject: str) -> Mark | None:
        """Return what tells this life of `subject` from the next; None when it is not spoken."""
        try:
            status = self._lock(subject).stat()
        except OSError:
            return None
        return status.st_ino, status.st_ctime_ns

    def lock(self, subject: str, *, limit_s: float) -> AbstractContextManager[int | None]:
        """Wait at most `limit_s` until nobody else makes audio of `subject`; see
        google_line.locked.
        """
        return google_line.locked(self._lock(subject), limit_s=limit_s)

    def forget(self, subject: str) -> None:
        """Cheap when nothing of `subject` was spoken here: a purge calls it for every row."""
        prefix = f"{self._hash(subject)}."
        with _logged(), contextlib.suppress(FileNotFoundError):
            # The lock goes first: who still makes audio of it finds its mark removed and keeps
            # nothing. Killed after this line, the rest falls to the sweep: audio without a lock.
            self._lock(subject).unlink()
            for file in self._files():
                if file.path.name.startswith(prefix):
                    file.path.unlink(missing_ok=True)

    def forget_all(self, subjects: Iterable[str]) -> None:
        """As `forget` for each. The folder is looked at once: most tasks were never heard.

        Who begins to speak a subject after that look is too late to be seen, as with `forget`: its
        audio carries the deadline and falls to the sweep.
        """
        spoken = set()
        with _logged(), contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            spoken = {entry.name.partition(".")[0] for entry in entries}
        if spoken:
            for subject in subjects:
                if self._hash(subject) in spoken:
                    self.forget(subject)

    def sweep(self, *, at: datetime) -> int:
        """Erase audio whose time has come and what killed processes left; return how many audios.

        Harmless beside listeners, other sweeps, and at a clock set back or forward.
        """
        with _logged():
            files = self._files()
            locked = {file.subject for file in files if file.is_lock}
            audios = [file for file in files if file.is_audio]
            now_s, abandoned_s = at.timestamp(), (at - ABANDONED_AFTER).timestamp()
            expired = [f for f in audios if f.mtime_s <= now_s or f.subject not in locked]
            alive = {file.subject for file in audios} - {file.subject for file in expired}
            left = [f for f in files if f.is_left_over(alive) and f.mtime_s <= abandoned_s]
            for file in [*expired, *left]:
                file.path.unlink(missing_ok=True)
            self._shrink()
            return len(expired)
        return 0

    def erase_changed(self, now: Now) -> int:
        """Erase audio of which a task is erased, or says other words now; return how many. `now` is
        asked at most once, and what it raises is raised.
        """
        with _logged():
            said = [(file.path, _tasks_in(file.path)) for file in self._files() if file.is_audio]
            known = {task for _path, tasks in said for task in tasks}
            words = now(known) if known else {}
            stale = [path for path, tasks in said if not tasks.items() <= words.items()]
            for path in stale:
                path.unlink(missing_ok=True)
            return len(stale)
        return 0

    def problem(self) -> str | None:
        """Return why nothing can be kept here, or None."""
        try:
            with self._new_file(b"."):
                return None
        except OSError as error:
            return f"cannot write in {str(self.folder)!r}: {error.strerror}"

    def _hash(self, text: str) -> str:
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()[:HASH_CHARACTERS]

    def _lock(self, subject: str) -> Path:
        return self.folder / f"{self._hash(subject)}.lock"

    def _files(self) -> list[_File]:
        """What lies here now; a file that another process removes meanwhile is left out."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    found.append(_File(path=Path(entry.path), status=status))
        return found

    @contextlib.contextmanager
    def _new_file(self, audio: bytes) -> Iterator[Path]:
        """Write `audio` to a file of its own; what the caller has not renamed is removed."""
        descriptor, name = tempfile.mkstemp(prefix=NEW_PREFIX, dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(audio)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _shrink(self) -> None:
        """Erase what was not heard for longest until the folder is within its limit."""
        audios = [file for file in self._files() if file.is_audio]
        total_bytes = sum(file.status.st_size for file in audios)
        for file in sorted(audios, key=lambda file: file.status.st_atime):
            if total_bytes <= self.limit_bytes:
                return
            file.path.unlink(missing_ok=True)
            total_bytes -= file.status.st_size


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    status: os.stat_result

    @property
    def mtime_s(self) -> float:
        """Of an audio, when it expires."""
        return self.status.st_mtime

    @property
    def is_audio(self) -> bool:
        return self.path.suffix == ".mp3"

    @property
    def subject(self) -> str:
        return self.path.name.partition(".")[0]

    @property
    def is_lock(self) -> bool:
        return self.path.suffix == ".lock" and self.path.name != GOOGLE_LINE

    def is_left_over(self, alive: set[str]) -> bool:
        """Whether a killed process may have left it, or its subject has no audio any more."""
        if self.path.name.startswith(NEW_PREFIX):
            return True
        return self.is_lock and self.subject not in alive


def _tasks_in(path: Path) -> dict[str, str]:
    """What a file says of which tasks; nothing of one that another process removes meanwhile, or
    that a power cut left damaged: that one is never read, and goes at its deadline.
    """
    try:
        with path.open("rb") as file:
            line = file.readline()
        return dict(json.loads(line)) if line.startswith(b"{") else {}
    except (FileNotFoundError, ValueError):
        return {}


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """What the disk refuses is said, by its reason only: a path would name the hashed subject."""
    try:
        yield
    except OSError as error:
        log.warning("speech cache: %s", error.strerror)
