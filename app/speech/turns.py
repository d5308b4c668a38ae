"""Whose turn it is, among all processes of this machine: locks, and Google's breaker in one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from speech.breaker import Breaker
from speech.errors import GoogleError

POLL_S = 0.02
# The record is always written whole, in place and at one length: that needs no room on a full disk.
RECORD_BYTES = 96


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
def google_turn(
    path: Path, *, limit_s: float, now: Callable[[], float] = time.time
) -> Iterator[None]:
    """Hold the machine's only line to Google, and note in `path` how the call inside went.

    Raises GoogleError when the line stays busy for `limit_s`, or while Google is left alone.
    """
    with locked(path, limit_s=limit_s) as descriptor:
        if descriptor is None:
            raise GoogleError("the line is busy")
        breaker = _read(descriptor)
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
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return _read(descriptor).allows(now())
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Breaker:
    try:
        fields = json.loads(os.pread(descriptor, RECORD_BYTES, 0))
        return Breaker(failures=int(fields["failures"]), resumes_s=float(fields["resumes_s"]))
    except (ValueError, KeyError, TypeError):
        return Breaker()


def _write(descriptor: int, breaker: Breaker) -> None:
    record = json.dumps(asdict(breaker)).ljust(RECORD_BYTES).encode()
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, record, 0)
