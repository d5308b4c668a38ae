"""What a release is made of, and the names that follow from it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Raise it when the way a release is built changes, so that old archives are not taken for new ones.
RECIPE = "3"
# What the Python environment is made of, and what builds it.
PINS = ("requirements/app.txt", "requirements/build.txt")
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The files of a release, relative to `root`, and its names."""

    root: Path
    files: tuple[Path, ...]
    release: str  # names code, translations and static files
    runtime: str  # names the Python environment alone: a new line of code does not ship it again


def read_inputs(root: Path, *, debian: str) -> Inputs:
    """Everything below app/ that git knows or would add. The same content gives the same names.

    A tree with uncommitted changes below app/ is built as it is; its name says so.
    """
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "app")
    files = tuple(sorted({Path(name) for name in listed.split("\0") if name}))
    files = tuple(name for name in files if (root / name).is_file())
    pins = [_content(root / name) for name in PINS]
    runtime = f"python-{_digest([RECIPE, debian, *pins])}"
    release = _digest([RECIPE, runtime, *(_described(root, name) for name in files)])
    dirty = _git(root, "status", "--porcelain", "--", "app", *PINS).strip()
    return Inputs(
        root=root,
        files=files,
        release=f"{release}-dirty" if dirty else release,
        runtime=runtime,
    )


def _described(root: Path, name: Path) -> str:
    path = root / name
    return f"{name}\0{bool(path.stat().st_mode & 0o100)}\0{_content(path)}"


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _git(root: Path, *arguments: str) -> str:
    # safe.directory: as root on a clone that belongs to another user, git would refuse to answer.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    ).stdout
