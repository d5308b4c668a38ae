"""What Ansible said of an inventory, kept by the content of its files.

Starting Ansible takes longer than all the rest of a plan. Kept is what provision keeps, and nothing
else of the inventory: no secret.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from provision import files

FORMAT = 3
MOST_KEPT = 50
STATIC = frozenset({".yml", ".yaml"})
# ansible-core's own list, of those that lie beside inventories.
IGNORED = frozenset({".txt", ".md", ".rst"})


def folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "~")) / ".cache"
    return Path(base).expanduser() / "ctlv" / "inventory"


def key(root: Path, files: Iterable[Path]) -> str | None:
    """A digest of all that decides what Ansible says; None when it may say another thing tomorrow.

    That is so for scripts and for plugins' configurations: only plain YAML is kept.
    """
    digest = hashlib.sha256(f"{FORMAT} {metadata.version('ansible-core')}".encode())
    try:
        for file in files:
            content = file.read_bytes()
            if file.parent == root and not is_plain(file, content):
                return None
            name = file.relative_to(root).as_posix().encode()
            digest.update(b"%d %s %d\n" % (len(name), name, len(content)))
            digest.update(content)
    except OSError:
        return None
    return digest.hexdigest()


def is_plain(file: Path, content: bytes) -> bool:
    """Whether Ansible only parses this source: what is executable it runs, the rest goes by it."""
    if file.suffix in IGNORED:
        return True
    return file.suffix in STATIC and not os.access(file, os.X_OK) and b"plugin:" not in content


def load(name: str) -> dict[str, Any] | None:
    """What was kept under this key; None when there is nothing, or nothing readable."""
    try:
        kept = json.loads((folder() / f"{name}.json").read_text())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def save(name: str, kept: Mapping[str, Any]) -> None:
    """Keep it, and forget the oldest. A cache that cannot be written is no failure."""
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomically(folder() / f"{name}.json", json.dumps(kept))
        newest_first = sorted(
            folder().glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True
        )
        for old in newest_first[MOST_KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:
        return
