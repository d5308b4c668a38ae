"""Where releases lie on a host, what is noted of each, and how a link or a file is replaced.

HOME/releases/NAME/            code, static files, a link to its Python environment
HOME/releases/NAME/GOOD_RELEASE, BAD_RELEASE     {"at", "by", "why"}: what became of it
HOME/current, previous         the release that serves, and the one that served before
HOME/current.sock              the socket that nginx connects to: this link decides who serves
HOME/rolled-back               {"from", "to", "at", "by"} while a rollback is the last word
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

GOOD, BAD = "GOOD_RELEASE", "BAD_RELEASE"
# The last file of an archive: where it is, everything is.
LAST = ".complete"
LOG = Path("/var/log/agenda-releases.log")


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Under its name only when it is whole."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def link(path: Path, to: str) -> bool:
    """Let `path` lead to `to`, by one rename: nobody ever finds nothing. Whether it changed."""
    if path.is_symlink() and path.readlink() == Path(to):
        return False
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(to)
    unfinished.replace(path)
    return True


def read(path: Path) -> dict[str, Any]:
    """{} when it is not there, or not ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note(home: Path, release: str, kind: str, *, by: str, why: str = "") -> None:
    described = {"at": now(), "by": by, "why": why}
    write(home / "releases" / release / kind, json.dumps(described) + "\n")


def serving(home: Path) -> str:
    """The release that serves, by where the socket's link leads; "" before the first."""
    socket = home / "current.sock"
    return socket.readlink().parent.name if socket.is_symlink() else ""


def whole(home: Path) -> list[Path]:
    """The folders of all releases that were unpacked to their end."""
    return [path.parent for path in sorted((home / "releases").glob(f"*/{LAST}"))]


def good(home: Path) -> list[str]:
    """Releases that were proved and not found bad since, the latest first."""
    noted = {path.name: read(path / GOOD) for path in whole(home) if not (path / BAD).exists()}
    proved = [(str(what["at"]), name) for name, what in noted.items() if what.get("at")]
    return [name for _, name in sorted(proved, reverse=True)]


def log(*, by: str, action: str, release: str, result: str, detail: str = "") -> None:
    """One line, never changed again: when, who, what, result."""
    line = f"{now()} {by} {action} {release or '-'}: {result}{f' ({detail})' if detail else ''}"
    descriptor = os.open(LOG, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o640)
    try:
        os.write(descriptor, (" ".join(line.split()) + "\n").encode())
    finally:
        os.close(descriptor)
