"""What the lab's API needs from whatever runs containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from provision.lab.guest import Guest

Say = Callable[[str], None]


class RuntimeFailure(Exception):
    """Something a container should have done failed; `str()` is the reason, for a task's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a running container uses: bytes, and processor seconds since its start."""

    memory_bytes: int = 0
    swap_bytes: int = 0
    disk_bytes: int = 0
    cpu_s: float = 0.0
    net_in_bytes: int = 0
    net_out_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What is only given when a container is created."""

    template: str
    ssh_public_keys: str = ""
    password: str | None = None


class Runtime(Protocol):
    """Implemented by lxc.LxcRuntime for real, and by a dictionary in the API's own tests.

    Every method blocks until done and raises RuntimeFailure with the reason.
    """

    def create(self, guest: Guest, birth: Birth, *, say: Say) -> None: ...
    def start(self, guest: Guest, *, say: Say) -> int: ...
    def shutdown(self, guest: Guest, *, timeout_s: float) -> bool: ...
    def kill(self, guest: Guest) -> None: ...
    def destroy(self, guest: Guest) -> None: ...
    def reconfigure(self, before: Guest, after: Guest, changed: frozenset[str]) -> None: ...
    def allocate(self, guest: Guest, key: str) -> None: ...
    def free(self, guest: Guest, key: str) -> None: ...
    def resize(self, guest: Guest, key: str, size_bytes: int) -> None: ...
    def snapshot(self, guest: Guest, name: str) -> None: ...
    def rollback(self, guest: Guest, name: str) -> None: ...
    def delete_snapshot(self, guest: Guest, name: str) -> None: ...
    def pid(self, guest: Guest) -> int | None: ...
    def usage(self, guest: Guest) -> Usage: ...
    def interfaces(self, guest: Guest) -> list[dict[str, Any]]: ...
