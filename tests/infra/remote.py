"""Commands on a container, over the SSH that provision set up; and on the vantage point.

Secrets travel on stdin only. Control sockets lie in a folder of this run's own, so that two labs
with equal addresses never share a connection, and nothing is left.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any

import testinfra
from testinfra.host import Host as TestinfraHost

from provision import ssh
from provision.errors import OperatorError
from tests.infra.site import Site

ON_HOST = Path(__file__).parent / "on_host"
# Runs the program that follows on stdin, and leaves it the rest of stdin. The program is not an
# argument, so that it is not itself found when it looks through the process list.
BOOT = (
    "import sys; n = int(sys.stdin.readline()); code = sys.stdin.read(n); "
    "exec(compile(code, 'verify', 'exec'))"
)


class RemoteError(Exception):
    """A command could not be run, or failed. The message never holds what was on stdin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Somewhere a program can be run: the words that lead there, and whether a shell reads them."""

    name: str
    way: tuple[str, ...]
    through_shell: bool

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: str = "",
        timeout_s: float = 120,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        words = [_quoted(command)] if self.through_shell else list(command)
        ended = subprocess.run(
            [*self.way, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and ended.returncode != 0:
            raise RemoteError(
                f"{self.name}: `{command[0]}` exited {ended.returncode}: {ended.stderr[-1500:]}"
            )
        return ended

    def program(
        self,
        name: str,
        asked: Mapping[str, Any],
        *,
        python: Sequence[str] = ("/usr/bin/python3",),
        timeout_s: float = 120,
    ) -> Any:
        """Run on_host/NAME.py there with `asked` as JSON, and return its JSON answer."""
        code = (ON_HOST / f"{name}.py").read_text("utf-8")
        stdin = f"{len(code)}\n{code}{json.dumps(asked)}"
        ended = self.run([*python, "-c", BOOT], stdin=stdin, timeout_s=timeout_s)
        try:
            return json.loads(ended.stdout)
        except ValueError as error:
            raise RemoteError(
                f"{self.name}: {name}.py gave no JSON: {ended.stderr[-1500:]}"
            ) from error


def _quoted(command: Sequence[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)


class Connections(ssh.Connections):
    """SSH to every container of a site."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.ssh_config)
        self.site = site

    def place(self, name: str) -> Place:
        return Place(name=name, way=self.way(name), through_shell=True)

    def testinfra(self, name: str) -> TestinfraHost:
        return testinfra.get_host(
            f"ssh://{name}", ssh_config=str(self.config), ssh_extra_args=self.options
        )

    def offered_methods(self, name: str) -> str:
        """What sshd answers to somebody without a key: it names the methods it would accept."""
        ended = subprocess.run(
            [
                *("ssh", "-F", str(self.site.ssh_config), "-o", "BatchMode=yes"),
                *("-o", "ControlPath=none", "-o", "PubkeyAuthentication=no"),
                *("-o", "IdentitiesOnly=yes", name, "true"),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return ended.stderr.strip().splitlines()[-1] if ended.returncode else "let in"


def vantage(site: Site) -> Place | None:
    """Where VLAN 2028 is seen from, as the inventory's `verify_vantage` says; None when nowhere.

    `lab`: the lab's namespace. `local`: this machine, when it has an address in that network.
    `ssh:NAME`: a machine in that network that the operator's own ~/.ssh/config names.
    """
    kind, _, name = site.vantage.partition(":")
    if kind == "lab" and site.lab.get("vantage_netns"):
        return Place(
            name="vantage",
            way=("nsenter", f"--net=/run/netns/{site.lab['vantage_netns']}", "--"),
            through_shell=False,
        )
    if kind == "local" and _has_address_in(site.networks["campus"]):
        return Place(name="vantage", way=(), through_shell=False)
    if kind == "ssh" and name:
        way = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", name)
        return Place(name=name, way=way, through_shell=True)
    if kind not in {"", "lab", "local", "ssh"}:
        raise OperatorError(
            f"verify_vantage is {site.vantage!r}",
            f"set it to lab, local or ssh:NAME in inventory/{site.environment}",
        )
    return None


def _has_address_in(network: IPv4Network) -> bool:
    """Whether this machine would talk to `network` from an address of its own in it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((str(network[1]), 9))
        except OSError:
            return False
        own = sock.getsockname()[0]
    return ip_address(own) in network
