"""Labs of the tests' own, beside the operator's; what a killed run left, the next removes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.settings import REPOSITORY, RUN, claimed
from tests.lab.support import NODE, Client, creation

PREFIX = "ctlv-t-"
WEB, NEIGHBOUR, PRIVATE = "198.18.28.156", "198.18.28.157", "198.18.112.156"
NO_LXCFS = "lxcfs 6 refuses on this machine: it may not read /proc/1/personality"
LXC = f"/nodes/{NODE}/lxc"


class Lab:
    """One lab with ports and a folder of its own."""

    def __init__(self, number: int) -> None:
        self.name = f"{PREFIX}{os.getpid()}-{number}"
        self.state = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.ports = [free_port() for _ in range(3)]

    def command(self, verb: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "lab", verb, "--state", str(self.state), *words]

    def verb(self, verb: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one verb of the lab's command line."""
        return subprocess.run(
            self.command(verb, *words),
            cwd=REPOSITORY,
            check=check,
            capture_output=True,
            text=True,
            timeout=240,
        )

    @property
    def up_options(self) -> list[str]:
        web, rest, api = (str(port) for port in self.ports)
        ports = ["--web-port", web, "--rest-port", rest, "--api-port", api]
        return ["--name", self.name, *ports]

    def up(self) -> None:
        self.verb("up", *self.up_options)

    def remove(self) -> None:
        self.verb("reset", "--keep-templates", check=False)
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def facts(self) -> dict[str, Any]:
        """What lab.json says."""
        return dict(json.loads((self.state / "lab.json").read_text()))

    @property
    def api(self) -> Client:
        facts = self.facts
        token = (facts["token_id"], facts["token_secret"])
        return Client(facts["api_url"], Path(facts["ca_file"]), token)

    @property
    def root(self) -> Client:
        """Root's own hand."""
        secret = (self.state / "root-token").read_text()
        return Client(self.facts["api_url"], Path(self.facts["ca_file"]), ("root@pam!lab", secret))

    @property
    def public_key(self) -> str:
        return (self.state / "id_ed25519.pub").read_text()

    def template(self, release: int = 13) -> str:
        found = self.api.data("GET", f"/nodes/{NODE}/storage/local/content", content="vztmpl")
        return [t["volid"] for t in found if f"debian-{release}-" in t["volid"]][-1]

    def create(self, vmid: int = 2156, **changes: Any) -> list[str]:
        """Create a container from the real template; return the task's log."""
        own = {"ostemplate": self.template(), "ssh-public-keys": self.public_key}
        return self.api.done("POST", LXC, **creation(vmid, **{**own, **changes}))

    def start(self, vmid: int = 2156, address: str = WEB) -> None:
        self.api.done("POST", f"{LXC}/{vmid}/status/start")
        self.wait_for_ssh(address)

    def wait_for_ssh(self, address: str = WEB) -> None:
        deadline = time.monotonic() + 30
        while self.ssh("true", address=address, check=False).returncode:
            assert time.monotonic() < deadline, f"no SSH at {address}"
            time.sleep(0.05)

    def ssh(
        self, *words: str, address: str = WEB, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a container, over SSH as its root."""
        options = [
            f"ProxyCommand={self.facts['ssh_proxy_command']}",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=5",
        ]
        flags = [flag for option in options for flag in ("-o", option)]
        key = str(self.state / "id_ed25519")
        return subprocess.run(
            ["ssh", "-F", "none", "-i", key, *flags, f"root@{address}", *words],
            check=check,
            capture_output=True,
            text=True,
            timeout=60,
            input=stdin,
        )

    def says(self, *words: str, address: str = WEB) -> str:
        return self.ssh(*words, address=address).stdout.strip()

    def lxcfs_serves(self) -> bool:
        """Whether `free` in a container can tell the container's own memory on this machine.

        lxcfs 6 (Debian 13) refuses where it may not read the personality of process 1, which some
        sandboxes hide from root too; whatever else ails lxcfs is a mistake.
        """
        try:
            return bool((RUN / self.name / "lxcfs/proc/meminfo").read_text())
        except PermissionError:
            assert not _readable(Path("/proc/1/personality")), "lxcfs refuses, and none knows why"
            return False

    def kill_api(self) -> None:
        """End the lab's process as a crash would."""
        pid = self.facts["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}/cmdline").read_bytes())

    def kill_containers(self) -> None:
        """End every monitor and init of the lab's containers as a crash would."""
        mark = f"{RUN}/{self.name}/lxc".encode()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if place.joinpath("cmdline").read_bytes().startswith(b"[lxc monitor] " + mark):
                    children = place.joinpath(f"task/{place.name}/children").read_text().split()
                    for pid in (place.name, *children):
                        os.kill(int(pid), signal.SIGKILL)
            except OSError:
                continue


def _readable(file: Path) -> bool:
    try:
        return bool(file.read_text())
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Any, *, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if condition():
                return
        except FileNotFoundError:
            return
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.05)


def remove_remains() -> None:
    """Remove labs of test runs that were killed."""
    for place in RUN.glob(f"{PREFIX}*") if RUN.is_dir() else []:
        pid = place.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            owner = claimed(place)
            if owner:
                command = [sys.executable, "-m", "lab", "reset", "--keep-templates"]
                words = ["--state", str(owner.state)]
                subprocess.run([*command, *words], cwd=REPOSITORY, check=False)
                shutil.rmtree(owner.state, ignore_errors=True)
