"""What must hold before the lab touches anything. Every mistake is reported at once."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.packages import machine_codename
from lab.settings import Settings

NEEDED_BYTES = 5 * 1024**3
PROGRAMS = (
    "ip",
    "lxc-start",
    "lxc-usernsexec",
    "mkfs.xfs",
    "mmdebstrap",
    "nsenter",
    "openssl",
    "socat",
    "ssh-keygen",
    "tinyproxy",
    "zstd",
)
MACHINE_HINT = "run `setup/machine packages`, which installs what requirements/debian.txt lists"


def check_machine(settings: Settings, *, own: Settings | None) -> None:
    """Raise LabError unless this machine can hold the lab. `own`: the lab as it runs now."""
    found = [*_wants(settings.state), *_ports(settings, own)]
    if found:
        problems = "; ".join(problem for problem, _ in found)
        steps = "; ".join(dict.fromkeys(step for _, step in found))
        raise LabError(problems, next_step=steps)


def _wants(state: Path) -> Iterator[tuple[str, str]]:
    if os.geteuid() != 0:
        yield "the lab needs root (namespaces, mounts)", "run it with sudo"
    if not machine_codename():
        yield "this machine is not Debian", "use a Debian 12 or 13 machine for the lab"
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        yield f"not installed: {', '.join(missing)}", MACHINE_HINT
    folder = next(place for place in (state, *state.parents) if place.exists())
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        size = f"{free / 1024**3:.1f} GiB"
        yield f"only {size} free in {folder}; the lab needs 5 GiB", f"make room in {folder}"


def _ports(settings: Settings, own: Settings | None) -> Iterator[tuple[str, str]]:
    listening = {own.api_port, own.web_port, own.rest_port} if own else set()
    ports = {
        "--api-port": settings.api_port,
        "--web-port": settings.web_port,
        "--rest-port": settings.rest_port,
    }
    for port in {port for port in ports.values() if [*ports.values()].count(port) > 1}:
        yield f"port {port} is given twice", f"give each of {', '.join(ports)} another"
    for option, port in ports.items():
        if port not in listening and not port_is_free(port):
            step = f"end what listens there (`ss -ltnp`), or choose another with {option}"
            yield f"port {port} on 127.0.0.1 is taken", step


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
