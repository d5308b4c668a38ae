"""What the lab's tests share: the API over a dictionary instead of containers, and a client."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from fakepve import FakePve

from lab import certificates
from lab.api import SHARED, STORAGE_PRIVILEGES, VM_PRIVILEGES, LabPve
from lab.guest import GIB, Birth, ContainerError, Disk, Guest, Say, Usage
from lab.settings import POOL
from lab.templates import Template

NODE, OTHER = "srv-px5", "srv-px6"
TOKEN = ("ctlv@pve!test", "00000000-0000-0000-0000-000000000000")
ROOT = ("root@pam!test", "00000000-0000-0000-0000-000000000001")
TEMPLATE = "debian-13-standard_13.1-1_amd64.tar.zst"


@dataclass
class DictionaryRuntime:
    """Containers in a dictionary. `fails` names methods that shall fail, and with what reason."""

    guests: dict[int, Guest] = field(default_factory=dict)
    births: dict[int, Birth] = field(default_factory=dict)
    running: dict[int, int] = field(default_factory=dict)
    disks: dict[tuple[int, str], int] = field(default_factory=dict)
    snapshots: dict[tuple[int, str], dict[str, int]] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    fails: dict[str, str] = field(default_factory=dict)
    slow_s: dict[str, float] = field(default_factory=dict)

    def _did(self, *what: Any) -> None:
        self.calls.append(what)
        time.sleep(self.slow_s.get(what[0], 0))
        if what[0] in self.fails:
            raise ContainerError(self.fails[what[0]])

    def create(self, guest: Guest, birth: Birth, *, say: Say) -> None:
        say("extracting archive")
        self._did("create", guest.vmid)
        self.guests[guest.vmid] = guest
        self.births[guest.vmid] = birth
        for disk in guest.disks:
            self.disks[guest.vmid, disk.name] = disk.size_bytes

    def copy(self, source: Guest, guest: Guest, snapshot: str | None) -> None:
        self._did("copy", source.vmid, guest.vmid, snapshot)
        self.guests[guest.vmid] = guest
        self.disks |= {(guest.vmid, disk.name): disk.size_bytes for disk in guest.disks}

    def start(self, guest: Guest, *, say: Say) -> int:
        self._did("start", guest.vmid)
        say("booting")
        self.running[guest.vmid] = 4_000_000 + len(self.calls)
        return self.running[guest.vmid]

    def shutdown(self, guest: Guest, *, timeout_s: float) -> bool:
        self._did("shutdown", guest.vmid, timeout_s)
        return self.running.pop(guest.vmid, None) is not None

    def kill(self, guest: Guest) -> None:
        self._did("kill", guest.vmid)
        self.running.pop(guest.vmid, None)

    def destroy(self, guest: Guest) -> None:
        self._did("destroy", guest.vmid)
        self.running.pop(guest.vmid, None)
        self.guests.pop(guest.vmid, None)

    def reconfigure(self, before: Guest, after: Guest) -> None:
        self._did("reconfigure", before, after)

    def started_with(self, guest: Guest) -> bool:
        return guest.vmid in self.guests

    def allocate(self, vmid: int, disk: Disk) -> None:
        self._did("allocate", vmid, disk.name)
        self.disks[vmid, disk.name] = disk.size_bytes

    def free(self, vmid: int, disk: str) -> None:
        self._did("free", vmid, disk)
        del self.disks[vmid, disk]

    def resize(self, vmid: int, disk: Disk) -> None:
        self._did("resize", vmid, disk.name)
        self.disks[vmid, disk.name] = disk.size_bytes

    def size(self, vmid: int, disk: str) -> int:
        if (vmid, disk) not in self.disks:
            raise ContainerError(f"no such volume '{disk}'")
        return self.disks[vmid, disk]

    def snapshot(self, guest: Guest, name: str) -> None:
        self._did("snapshot", guest.vmid, name)
        own = {disk: size for (vmid, disk), size in self.disks.items() if vmid == guest.vmid}
        self.snapshots[guest.vmid, name] = own

    def rollback(self, guest: Guest, name: str) -> None:
        self._did("rollback", guest.vmid, name)
        self.running.pop(guest.vmid, None)

    def delete_snapshot(self, vmid: int, name: str) -> None:
        self._did("delete_snapshot", vmid, name)
        self.snapshots.pop((vmid, name), None)

    def repair(self, vmid: int) -> None:
        self._did("repair", vmid)

    def space(self) -> tuple[int, int]:
        return 100 * GIB, 60 * GIB

    def pid(self, vmid: int) -> int | None:
        return self.running.get(vmid)

    def started_at(self, pid: int) -> float:
        return time.time() - pid % 100

    def usage(self, guest: Guest) -> Usage:
        return Usage(memory_bytes=guest.memory_mib, disk_bytes=2048, cpu_s=1.0)

    def interfaces(self, vmid: int) -> list[dict[str, Any]]:
        address = {"family": "inet", "local": "198.18.28.9", "prefixlen": 24}
        mac = f"02:00:00:00:00:{vmid % 256:02x}"
        return [{"ifname": "eth0", "address": mac, "addr_info": [address]}]


@dataclass
class ListedTemplates:
    """Templates that are files of a folder; what is offered beside them is made when fetched."""

    folder: Path
    offered: tuple[str, ...] = (TEMPLATE, "debian-12-standard_12.1-1_amd64.tar.zst")

    def __post_init__(self) -> None:
        (self.folder / TEMPLATE).touch()

    def listed(self) -> dict[str, Template]:
        return {file.name: Template(file.name, file) for file in self.folder.glob("*.tar.zst")}

    def index(self) -> dict[str, int]:
        return {name: int(name.split("-")[1]) for name in self.offered}

    def fetch(self, name: str, *, say: Say) -> Template:
        say(f"building {name}")
        (self.folder / name).touch()
        return self.listed()[name]


class Client:
    """A plain client of the API, so that a test sees status and reason as they are."""

    def __init__(
        self, url: str, ca: Path, token: tuple[str, str] = TOKEN, *, pve: Any = None
    ) -> None:
        self.pve = pve  # the server, where a test serves it itself
        self.template = f"local:vztmpl/{TEMPLATE}"
        self.url = f"{url}/api2/json"
        self.session = requests.Session()
        self.session.verify = str(ca)
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"PVEAPIToken={token[0]}={token[1]}"

    def as_root(self) -> Client:
        return Client(self.pve.url, Path(str(self.session.verify)), ROOT, pve=self.pve)

    def ask(self, method: str, path: str, /, **values: Any) -> requests.Response:
        where = {"params" if method == "GET" else "data": values}
        return self.session.request(method, self.url + path, timeout=30, **where)

    def data(self, method: str, path: str, /, **values: Any) -> Any:
        answer = self.ask(method, path, **values)
        assert answer.status_code == 200, f"{answer.status_code} {answer.reason} {answer.text}"
        return answer.json()["data"]

    def task(self, upid: str) -> tuple[str, list[str]]:
        """Return a task's exit status and log, once it has ended."""
        path = f"/nodes/{upid.split(':')[1]}/tasks/{upid}"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status = self.data("GET", f"{path}/status")
            if status["status"] == "stopped":
                lines = self.data("GET", f"{path}/log", limit=0)
                return status["exitstatus"], [line["t"] for line in lines]
            time.sleep(0.02)
        raise AssertionError(f"{upid} does not end")

    def done(self, method: str, path: str, **values: Any) -> list[str]:
        """Run a task that must succeed; return its log."""
        status, log = self.task(self.data(method, path, **values))
        assert status == "OK", log
        return log

    def config(self, vmid: int) -> dict[str, Any]:
        return dict(self.data("GET", f"/nodes/{NODE}/lxc/{vmid}/config"))

    def state(self, vmid: int) -> str:
        return str(self.data("GET", f"/nodes/{NODE}/lxc/{vmid}/status/current")["status"])


def layers(api: Client, vmid: int, key: str) -> dict[str, Any]:
    """Return what `pct pending` tells of a key: value, pending, delete."""
    rows = api.data("GET", f"/nodes/{NODE}/lxc/{vmid}/pending")
    found = next((row for row in rows if row["key"] == key), {})
    return {name: value for name, value in found.items() if name != "key"}


def creation(vmid: int = 2156, **changes: Any) -> dict[str, Any]:
    """Return the parameters of a container that is as the inventory's are."""
    values = {
        "vmid": vmid,
        "ostemplate": f"local:vztmpl/{TEMPLATE}",
        "hostname": f"ct-{vmid}",
        "memory": 512,
        "swap": 0,
        "cores": 1,
        "rootfs": "local:4",
        "unprivileged": 1,
        "pool": POOL,
        "features": "nesting=1",
        "net0": "name=eth0,bridge=vmbr0,tag=2028,ip=198.18.28.156/24,gw=198.18.28.1",
    }
    values.update(changes)
    return {key: value for key, value in values.items() if value is not None}


@contextmanager
def served(
    runtime: Any, folder: Path, *, token: tuple[str, str] = TOKEN, is_narrow: bool = False
) -> Iterator[LabPve]:
    """Serve the lab's API over `runtime` in a thread, with its state kept in `folder`.

    Unless `is_narrow` its token may also touch what is in no pool, and use the other storage.
    """
    keep = folder / "api.json"
    templates = ListedTemplates(folder)
    nodes = (NODE, OTHER, "srv-px7")
    pve = LabPve(runtime, templates, nodes=nodes, keep=keep, host="127.0.0.1", port=0)
    pve.admit(token, bridge="vmbr0", tags=[2028, 2112])
    for who in () if is_narrow else (token[0], token[0].partition("!")[0]):
        grant_widely(pve, who, SHARED)
    pve.apitokens |= [ROOT]
    pve.show_templates()
    with in_thread() as call:
        again = call(pve.resume())
        call(pve.start(*certificate(folder)))
        call(pve.start_again(again))
        try:
            yield pve
        finally:
            call(pve.stop())


@contextmanager
def served_plain(folder: Path, *, token: tuple[str, str] = TOKEN) -> Iterator[FakePve]:
    """Serve fakepve as it is, with the same node, storage, template and token."""
    pve = FakePve(host="127.0.0.1", port=0)
    pve.nodes = {NODE: {"online": True}}
    volume = {"content": "vztmpl", "format": "tzst", "size": 1, "ctime": 1}
    store = {"type": "btrfs", "active": 1, "content": "vztmpl,rootdir,images", "files": set()}
    pve.storages = {"local": {**store, "volumes": {f"vztmpl/{TEMPLATE}": volume}}}
    pve.apitokens |= [token, ROOT]
    pve.pools[POOL] = set()
    for who in (token[0], token[0].partition("!")[0]):
        grant_widely(pve, who, "local")
        pve.grant(who, "/sdn/zones/localnetwork/vmbr0", "SDN.Use")
    with in_thread() as call:
        call(pve.start(*certificate(folder)))
        try:
            yield pve
        finally:
            call(pve.stop())


def grant_widely(pve: FakePve, who: str, storage: str) -> None:
    pve.grant(who, "/vms", *VM_PRIVILEGES)
    pve.grant(who, f"/storage/{storage}", *STORAGE_PRIVILEGES)
    pve.grant(who, "/nodes", "Sys.Audit")


def certificate(folder: Path) -> tuple[str, str]:
    made = certificates.ensure(folder, lab="test", node=NODE)
    return str(made[0]), str(made[1])


@contextmanager
def in_thread() -> Iterator[Callable[[Any], Any]]:
    """Run an event loop in a thread; give a function that runs a coroutine there to its end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
