"""What a lab is: its folder, its name, its ports, its networks."""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import yaml

from lab.errors import LabError

REPOSITORY = Path(__file__).resolve().parents[1]
LAB_FACTS = REPOSITORY / "inventory" / "lab" / "group_vars" / "all" / "lab.yml"
RUN = Path("/run/ctlv")
# The resource pool that the token's rights are on: lxc_pool in inventory/lab.
POOL = "ctlv"
# For what an operator does by hand: tests, drills, a node's power. Its secret is the state's file
# root-token.
ROOT_ID = "root@pam!lab"
LOCKS = Path("/run/lock")
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
# The state folder ends up in LXC's configuration and in overlay's mount options, which both cut
# at these.
UNSAFE_IN_PATH = re.compile(r"[\s,:\\\"'#]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One VLAN: its tag, its subnet, the lab's address there (gateway), a neighbour (vantage)."""

    tag: int
    subnet: ipaddress.IPv4Network
    gateway: ipaddress.IPv4Address | None = None
    vantage: ipaddress.IPv4Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What inventory/lab says of the lab, the same for every lab."""

    nodes: tuple[str, ...]
    bridge: str
    networks: tuple[Network, ...]
    forwards: Mapping[str, str]
    package_proxy_port: int
    # Whether the token may use the shared storage and HA.
    ha: bool = False

    @property
    def node(self) -> str:
        """The node that the lab's own containers are on."""
        return self.nodes[0]

    def bridge_of(self, tag: int) -> str:
        return f"{self.bridge}v{tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One lab. Everything it owns on this machine is derived from `state` and `name`."""

    state: Path
    name: str = "ctlv-lab"
    api_port: int = 8006
    web_port: int = 8080
    rest_port: int = 8081
    # Loopback port of the package proxy; first host uid and gid of the containers. 0: not chosen.
    proxy_port: int = 0
    id_base: int = 0

    @property
    def netns(self) -> str:
        return self.name

    @property
    def vantage_netns(self) -> str:
        return f"{self.name}-vantage"

    @property
    def run_folder(self) -> Path:
        """What does not outlive a restart of the machine: mounts, LXC's own files.

        Not in `state`: a container's root must be able to walk there, and a clone may lie below
        a folder that is closed to others, such as /root.
        """
        return RUN / self.name

    def forwards(self, facts: Facts) -> dict[str, str]:
        """Ports of this machine, each with the address and port that it leads to."""
        ports = {"web": self.web_port, "rest": self.rest_port}
        return {str(port): facts.forwards[name] for name, port in ports.items()}

    @property
    def ssh_proxy_command(self) -> str:
        """How ssh reaches an address of the lab from this machine."""
        return f"nsenter --net=/run/netns/{self.netns} socat - TCP:%h:%p"

    @property
    def lab_file(self) -> Path:
        """What other programs read to find the lab."""
        return self.state / "lab.json"


def load_facts(path: Path = LAB_FACTS) -> Facts:
    """Read inventory/lab's description of the lab. Raises LabError when it cannot be used."""
    hosts = path.parents[2] / "host_vars"
    try:
        data = yaml.safe_load(path.read_text())
        reached = {
            name: yaml.safe_load((hosts / to["host"] / "container.yml").read_text())["ansible_host"]
            for name, to in data["lab_forwards"].items()
        }
        networks = tuple(_network(item) for item in data["lab_networks"].values())
        return Facts(
            nodes=tuple(data["lab_nodes"]),
            bridge=data["lab_bridge"],
            networks=networks,
            forwards={
                name: f"{ipaddress.IPv4Address(reached[name])}:{int(to['port'])}"
                for name, to in data["lab_forwards"].items()
            },
            package_proxy_port=int(data["lab_package_proxy_port"]),
            ha=bool(data.get("lab_ha")),
        )
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise LabError(
            f"{path} cannot be used: {type(error).__name__}: {error}",
            next_step=f"repair {path}, or take it from git again",
        ) from error


def _network(item: Mapping[str, Any]) -> Network:
    given = {
        name: ipaddress.IPv4Address(item[name]) for name in ("gateway", "vantage") if item.get(name)
    }
    return Network(tag=int(item["tag"]), subnet=ipaddress.IPv4Network(item["subnet"]), **given)


def settings_file(state: Path) -> Path:
    return state / "settings.json"


def check_state_folder(state: Path) -> None:
    if UNSAFE_IN_PATH.search(str(state)):
        raise LabError(
            f"the lab's folder '{state}' has a space, comma, colon, quote, # or backslash in it",
            next_step="clone to another folder, or set CTLV_LAB_STATE to one without",
        )


def load(state: Path) -> Settings | None:
    return _read(settings_file(state), state=state)


def claimed(run_folder: Path) -> Settings | None:
    """Return the lab that a folder in /run belongs to, or None when to none."""
    return _read(run_folder / "owner.json")


def claim(settings: Settings) -> None:
    """Note in /run whose folder it is: still known when somebody deletes the state folder."""
    text = json.dumps(asdict(settings), default=str)
    write_atomically(settings.run_folder / "owner.json", text)


def _read(path: Path, *, state: Path | None = None) -> Settings | None:
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text())
        return Settings(**{**data, "state": state or Path(data["state"])})
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(
            f"{path} is damaged: {error}",
            next_step=f"remove {path}, then run `.venv/bin/python -m lab reset` and `up`",
        ) from error


def save(settings: Settings) -> None:
    data = asdict(replace(settings, state=Path()))
    write_atomically(settings_file(settings.state), json.dumps(data, default=str, indent=2))


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace `path` by `text` at once: whoever reads it sees the old or the new, never a part.

    A process may be killed at any point. Not made to survive a loss of power: it is a lab.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(text)
    temporary.replace(path)


def open_lock(path: Path) -> IO[str]:
    """Open a lock file of /run/lock, where everybody may make files.

    The kernel keeps even root from opening another user's file there, when it might be made.
    """
    # Without an init of its own a machine may lack /run/lock.
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("r+" if path.exists() else "w")


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the lab in `state` for one verb. Raises LabError when another works on it."""
    name = hashlib.sha256(str(state).encode()).hexdigest()[:16]
    with open_lock(LOCKS / f"ctlv-lab-{name}") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError(
                f"another command works on the lab in {state}",
                next_step="wait for it to end, then run the same again",
            ) from error
        yield


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise LabError(
            f"'{name}' cannot name a lab",
            next_step="use up to 32 lower-case letters, digits and hyphens, a letter first",
        )
