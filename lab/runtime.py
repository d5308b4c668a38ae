"""What the API and whatever runs containers tell each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]


class ContainerError(Exception):
    """Something a container should have done failed; `str()` is the reason, for a task's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a running container uses: bytes, and processor seconds since its start."""

    memory_bytes: int = 0
    disk_bytes: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What is only given when a container is created."""

    template: str
    ssh_public_keys: str = ""
    password: str | None = None
