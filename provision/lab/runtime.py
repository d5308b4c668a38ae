"""What the lab's API needs from whatever runs containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from provision.lab.guest import Disk, Guest

Say = Callable[[str], None]


class ContainerError(Exception):
    """Something a container should have done failed; `str()` is the reason, for a task's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a running container uses: bytes, and processor seconds since its start."""

    memory_bytes: int = 0
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

    Every method blocks until done and raises ContainerError with the reason.
    """

    def create(self, guest: Guest, birth: Birth, *, say: Say) -> None: ...
    def start(self, guest: Guest, *, say: Say) -> int: ...
    def shutdown(self, guest: Guest, *, timeout_s: float) -> bool: ...
    def kill(self, guest: Guest) -> None: ...
    def destroy(self, guest: Guest) -> None: ...
    def reconfigure(self, before: Guest, after: Guest) -> None: ...
    def started_with(self, guest: Guest) -> bool: ...
    def allocate(self, vmid: int, disk: Disk) -> None: ...
    def free(self, vmid: int, disk: str) -> None: ...
    def resize(self, vmid: int, disk: Disk) -> None: ...
    def snapshot(self, guest: Guest, name: str) -> None: ...
    def rollback(self, guest: Guest, name: str) -> None: ...
    def delete_snapshot(self, vmid: int, name: str) -> None: ...
    def repair(self, vmid: int) -> None: ...
    def pid(self, vmid: int) -> int | None: ...
    def started_at(self, pid: int) -> float: ...
    def usage(self, guest: Guest) -> Usage: ...
    def interfaces(self, vmid: int) -> list[dict[str, Any]]: ...
