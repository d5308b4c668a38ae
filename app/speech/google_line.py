"""The machine's only line to Google: when it is left alone, who holds it, and who waits for it.

- Breaker: pure. Three failures in a row, or one refusal (429), and Google is not asked for five
  minutes; then once, and that response decides. Calls come one at a time: "once" needs no count.
- google_lock: one call at a time among all processes, by a lock of the kernel on one file, which
  keeps the state of the breaker.
- Caller: the one thread of a process that calls, so that no request ever has to wait for it. A
  daemon thread, started by the first call (after gunicorn has forked), behind a short queue that
  refuses rather than grows. Several listeners of the same words share one call.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from speech.errors import GoogleError

log = logging.getLogger(__name__)

WAITING_ROOM = 8

Call = Callable[[], bytes]
FAILURES_TO_OPEN = 3
PAUSE_S = 300.0
POLL_S = 0.02
# The record is always written whole, in place and at one length: that needs no room on a full disk.
RECORD_BYTES = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Failures in a row, and until when (seconds since 1970) Google is left alone."""

    failures: int = 0
    resumes_s: float = 0.0

    def allows(self, now_s: float) -> bool:
        """A time to resume further ahead than any pause means that the clock was set back."""
        return not now_s < self.resumes_s <= now_s + PAUSE_S

    def after_failure(self, now_s: float, *, is_refusal: bool) -> Breaker:
        failures = FAILURES_TO_OPEN if is_refusal else self.failures + 1
        if failures < FAILURES_TO_OPEN:
            return replace(self, failures=failures)
        return Breaker(failures=FAILURES_TO_OPEN, resumes_s=now_s + PAUSE_S)


@contextlib.contextmanager
def locked(
    path: Path,
    *,
    limit_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int | None]:
    """Hold the lock on `path` and yield its descriptor; None after `limit_s`, or without a disk.

    A lock of the kernel (flock): it ends with the process, however that dies, and also keeps the
    threads of one process apart, because each opens the file anew.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield None
        return
    try:
        ends_s = clock() + limit_s
        while not (is_ours := _try_lock(descriptor)) and clock() < ends_s:
            sleep(POLL_S)
        yield descriptor if is_ours else None
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def google_lock(
    path: Path, *, limit_s: float, now: Callable[[], float] = time.time
) -> Iterator[None]:
    """Hold the machine's only line to Google, and note in `path` how the call inside went.

    Raises GoogleError when the line stays busy for `limit_s`, or while Google is left alone.
    """
    with locked(path, limit_s=limit_s) as descriptor:
        if descriptor is None:
            raise GoogleError("the line is busy")
        breaker = _breaker(os.pread(descriptor, RECORD_BYTES, 0))
        if not breaker.allows(now()):
            raise GoogleError("left alone for a while")
        try:
            yield
        except GoogleError as error:
            _write(descriptor, breaker.after_failure(now(), is_refusal=error.is_refusal))
            raise
        _write(descriptor, Breaker())


def google_is_open(path: Path, *, now: Callable[[], float] = time.time) -> bool:
    """Whether asking makes sense, without waiting for the line."""
    try:
        record = path.read_bytes()
    except OSError:
        return True
    return _breaker(record).allows(now())


def _breaker(record: bytes) -> Breaker:
    try:
        fields = json.loads(record)
        return Breaker(failures=int(fields["failures"]), resumes_s=float(fields["resumes_s"]))
    except (ValueError, KeyError, TypeError):
        return Breaker()


def _write(descriptor: int, breaker: Breaker) -> None:
    record = json.dumps(asdict(breaker)).ljust(RECORD_BYTES).encode()
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, record, 0)


class Caller:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: queue.Queue[tuple[Hashable, Call]] = queue.Queue(WAITING_ROOM)
        self._futures: dict[Hashable, Future[bytes | None]] = {}
        self._thread: threading.Thread | None = None
        self._busy_since_s: float | None = None

    def ask(self, key: Hashable, call: Call) -> Future[bytes | None] | None:
        """Have `call` made soon, once for all who ask with the same `key`; None when too many wait.

        The future's result is the audio, or None when there is none to be had.
        """
        with self._lock:
            if key in self._futures:
                return self._futures[key]
            try:
                self._waiting.put_nowait((key, call))
            except queue.Full:
                return None
            future = self._futures[key] = Future()
            # Not alive also means: we are a fork of the process that started it.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="google-caller", daemon=True)
                self._thread.start()
            return future

    def is_late(self, patience_s: float) -> bool:
        """Whether the present call has taken longer than `patience_s`: do not wait behind it."""
        since_s = self._busy_since_s
        return since_s is not None and self._clock() - since_s > patience_s

    def _run(self) -> None:
        while True:
            key, call = self._waiting.get()
            self._busy_since_s = self._clock()
            audio = None
            # Errors stop here, and the thread lives on: whoever waits takes another voice.
            try:
                audio = call()
            except GoogleError as error:
                log.info("Google's voice: %s", error)
            except Exception:
                log.exception("Google's voice: a bug")
            self._busy_since_s = None
            with self._lock:
                future = self._futures.pop(key)
            future.set_result(audio)
