"""A cluster to provision: fakepve behind a real token with exactly the privileges we ask for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakepve import pytest_plugin
from fakepve.lxc import parse_size

from lab.guest import disk_name
from lab.ha import HaPve
from provision import cli, doctor
from provision.inventory import Inventory
from tests.provision import situations


class StrictPve(HaPve):
    """A real server's answers over containers that are nothing but their configuration."""

    def __init__(self, **where):
        super().__init__(self, keep=None, **where)

    def _routes_aplinfo(self):
        """Made up, and overruled by tests, as what else there is of a node."""
        return []

    _routes_network = _routes_aplinfo

    async def bring(self, ct, before):
        """Nothing runs."""

    def size(self, vmid, disk):
        return next(
            parse_size(mount.get("size", "1G"))
            for _, mount in self.ct(vmid).volumes()
            if disk_name(mount["volume"]) == disk
        )

    async def _start_steps(self, ct, user, skiplock=False):
        await super()._start_steps(ct, user, skiplock)
        await self.settle(ct)


# What the fixture `fakepve` serves.
pytest_plugin.FakePve = StrictPve

TOKEN, SECRET = "ctlv@pve!test", "11111111-2222-3333-4444-555555555555"
TEMPLATES = ("debian-12-standard_12.7-1_amd64.tar.zst", "debian-13-standard_13.1-2_amd64.tar.zst")
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0kNtVOx2MRfiGdlEmnSzzCZjJcPmBYvZVcLM3yYHBQ test@example"
)
VM_PRIVILEGES = (
    "VM.Allocate", "VM.Audit", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory",
    "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt", "VM.Snapshot", "VM.Snapshot.Rollback",
)  # fmt: skip
STORAGE_PRIVILEGES = ("Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit")


@dataclass
class Cluster:
    """What a test holds: the fake server, the inventory, and a way to run a command on both."""

    pve: Any
    state: Path
    capsys: pytest.CaptureFixture[str]
    inventory: Inventory = field(default_factory=situations.inventory)
    out: str = ""
    err: str = ""

    def run(self, *argv: str) -> int:
        """Run one verb; what it printed is in `out` and `err`."""
        self.capsys.readouterr()
        code = cli.main([argv[0], "--env", "lab", *argv[1:]])
        self.out, self.err = self.capsys.readouterr()
        return code

    def apply(self, *argv: str) -> int:
        return self.run("apply", "--yes", *argv)

    def change(self, host: str, **variables: Any) -> None:
        """Change variables of one host in the inventory."""
        hosts = {name: dict(values) for name, values in self.inventory.hosts.items()}
        hosts[host] |= variables
        self.inventory = Inventory(environment="lab", hosts=hosts)

    def ct(self, vmid: int) -> Any:
        container = self.pve.ct(vmid)
        assert container is not None, f"there is no container {vmid}"
        return container

    def manage(self, *vmids: int, state: str = "started") -> None:
        """Make containers resources of HA, which it has in this state already."""
        for vmid in vmids:
            self.pve.ha["resources"][f"ct:{vmid}"] = {"type": "ct", "state": state}
            self.ct(vmid).ha_state = state

    def calls(self, method: str = "", part: str = "") -> list[tuple[str, str]]:
        """The requests the server has seen: method and path below /api2/json/."""
        seen = [(m, path.removeprefix("/api2/json/")) for m, path, _ in self.pve.requests]
        return [(m, path) for m, path in seen if m.startswith(method) and part in path]

    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls() if call[0] != "GET"]

    def forget_calls(self) -> None:
        self.pve.requests.clear()


def stock(pve: Any) -> None:
    """Templates and storages as a small cluster has them."""
    pve.storages["local"]["volumes"] = {
        f"vztmpl/{name}": {"content": "vztmpl", "size": 1, "ctime": 1, "format": "tzst"}
        for name in TEMPLATES
    }
    pve.apitokens[TOKEN] = SECRET


def grant_all(pve: Any) -> None:
    """The role that doctor prints: nothing of it is on /."""
    pve.grant(TOKEN, "/vms", *VM_PRIVILEGES)
    pve.grant(TOKEN, "/storage", *STORAGE_PRIVILEGES)
    pve.grant(TOKEN, "/sdn/zones/localnetwork/vmbr0", "SDN.Use")
    pve.grant(TOKEN, "/nodes", "Sys.Audit")


@pytest.fixture
def cluster(
    fakepve: Any,
    fakepve_cafile: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cluster:
    stock(fakepve)
    grant_all(fakepve)
    write_lab(tmp_path, fakepve.port, fakepve_cafile)
    made = Cluster(pve=fakepve, state=tmp_path, capsys=capsys)
    monkeypatch.setenv("CTLV_LAB_STATE", str(tmp_path))
    monkeypatch.setattr(cli, "load", lambda *_, **__: made.inventory)
    return made


def write_lab(state: Path, port: int, ca_file: str, **changes: Any) -> None:
    (state / "id_ed25519.pub").write_text(f"{PUBLIC_KEY}\n")
    lab = {
        "api_host": "127.0.0.1",
        "api_port": port,
        "ca_file": ca_file,
        "token_id": TOKEN,
        "token_secret": SECRET,
        "ssh_proxy_command": "",
    } | changes
    (state / "lab.json").write_text(json.dumps(lab))


Hook = Callable[[str, str], None]


@pytest.fixture
def on_request(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[[Hook], None]:
    """Call a function with method and path of each request, before the server acts on it."""

    def install(hook: Hook) -> None:
        record = cluster.pve._record

        def recorded(request: Any, body: bytes) -> None:
            record(request, body)
            hook(request.method, request.path.removeprefix("/api2/json/"))

        monkeypatch.setattr(cluster.pve, "_record", recorded)

    return install


@pytest.fixture
def able(cluster, monkeypatch):
    """fakepve makes up the answer about features: a storage with snapshots says yes."""
    original = cluster.pve.synthesise

    async def synthesise(match, method, info, user, values):
        if match.template.endswith("/feature"):
            return {"hasFeature": 1}
        return await original(match, method, info, user, values)

    monkeypatch.setattr(cluster.pve, "synthesise", synthesise)


@pytest.fixture
def healthy(cluster, monkeypatch):
    """fakepve makes up some answers of a node; these are a good node's."""
    bridge = {"iface": "vmbr0", "type": "bridge", "bridge_ports": "eno1", "active": 1}
    answers = {
        "/nodes/{node}/network": [bridge],
        "/nodes/{node}/time": {"time": time.time()},
        "/nodes/{node}/dns": {"search": "example.org", "dns1": "192.0.2.53"},
        "/nodes/{node}/aplinfo": [{"template": "debian-13-standard_13.1-2_amd64.tar.zst"}],
    }
    original = cluster.pve.synthesise

    async def synthesise(match, method, info, user, values):
        if method == "GET" and match.template in answers:
            return answers[match.template]
        return await original(match, method, info, user, values)

    monkeypatch.setattr(cluster.pve, "synthesise", synthesise)
    cluster.pve.storages["local-lvm"]["avail"] = 100 * 1024**3
    monkeypatch.setattr(cli, "DOCTOR_RETRY_S", 0.1)
    monkeypatch.setattr(doctor, "problem_of_dns", {}.get)
    return answers
