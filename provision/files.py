"""Files that are whole or not there, and locks: the one door, for provision and rollout."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644


def write_atomically(path: Path, content: str | bytes, *, mode: int = PRIVATE) -> None:
    """A reader finds the old file or the new one, also after a power cut; nobody else reads it
    meanwhile, whatever its mode will be.
    """
    data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    with unfinished(path) as new:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(mode)


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A new private file beside `path`, which takes its place when the block ends well."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        yield Path(name)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, waits: str = "") -> Iterator[None]:
    """Hold the exclusive lock on `path`, made when it is missing; it ends with the process.

    `waits` is printed when another process holds it.
    """
    with path.open("w") as file:
        if waits:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(waits, flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
