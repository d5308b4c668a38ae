"""The provisioner on real containers: what a running Debian sees of each change. Needs root.

The tests stand in the order of a container's life and share two containers.
"""

from __future__ import annotations

import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from lab.settings import POOL
from provision import cli
from provision.inventory import Inventory
from provision.proxmox import Proxmox
from tests.lab.labs import LXC, Lab
from tests.lab.support import NODE
from tests.provision import situations

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]
CAMPUS = {"name": "eth0", "network": "campus", "address": "198.18.28.156/24"}
PRIVATE = {"name": "eth1", "network": "private", "address": "198.18.112.156/24"}
OURS = {
    "lxc_pool": POOL,
    "lxc_node": NODE,
    "lxc_storage": "local",
    "lxc_wait": "ssh",
    "lxc_disk_gib": 4,
}
MOUNT = {"path": "/srv/data", "size_gib": 1}


class World:
    """A lab, an inventory, and a way to run a verb and to ask inside a container."""

    def __init__(self, lab: Lab, patch: pytest.MonkeyPatch) -> None:
        self.lab = lab
        self.hosts = {
            "web": {**situations.WEB, **OURS},
            "db": {**situations.DB, **OURS, "lxc_protection": True},
        }
        self.text = ""
        patch.setenv("CTLV_LAB_STATE", str(lab.state))
        patch.setattr(cli, "load", lambda *_, **__: Inventory(environment="lab", hosts=self.hosts))

    def run(self, *argv: str, capsys: pytest.CaptureFixture[str]) -> int:
        capsys.readouterr()
        code = cli.main([argv[0], "--env", "lab", *argv[1:]])
        out, err = capsys.readouterr()
        self.text = out + err
        return code

    def inside(self, host: str, *words: str) -> str:
        """As the operator and Ansible reach it: the ssh_config that apply wrote, keys checked."""
        command = ["ssh", "-F", str(self.lab.state / "ssh_config"), "-o", "BatchMode=yes", host]
        deadline = time.monotonic() + 30
        while True:
            done = subprocess.run(
                [*command, *words], check=False, capture_output=True, text=True, timeout=60
            )
            # 255 is ssh's own: right after a start nobody answers yet.
            if done.returncode != 255 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def config(self, vmid: int) -> dict[str, Any]:
        return self.lab.api.config(vmid)

    def mac(self, vmid: int, key: str) -> str:
        found = re.search(r"hwaddr=([0-9A-F:]+)", self.config(vmid)[key])
        assert found
        return found[1].lower()

    def booted(self, host: str) -> str:
        return self.inside(host, "stat -c %Z /proc/1; cut -d' ' -f22 /proc/1/stat")


@pytest.fixture(scope="module")
def world(shared_lab):
    with pytest.MonkeyPatch.context() as patch:
        made = World(shared_lab, patch)
        yield made
    for ct in shared_lab.api.data("GET", LXC):
        shared_lab.api.data("PUT", f"{LXC}/{ct['vmid']}/config", protection=0)
        shared_lab.api.done("DELETE", f"{LXC}/{ct['vmid']}", force=1)
    for name in ("known_hosts", "ssh_config"):
        (Path(shared_lab.state) / name).unlink(missing_ok=True)


@pytest.fixture
def run(world, capsys):
    return lambda *argv: world.run(*argv, capsys=capsys)


def test_doctor_finds_nothing_to_do(world, run):
    assert run("doctor") == 0, world.text
    assert {line.split()[0] for line in world.text.splitlines()} == {"ok", "doctor:"}, world.text


def test_apply_proves_both_by_ssh_with_the_keys_that_proxmox_reported(world, run):
    assert run("apply", "--yes") == 0, world.text

    assert len(re.findall(r"created, started +ssh", world.text)) == 2
    recorded = (world.lab.state / "known_hosts").read_text()
    assert "ssh-ed25519" in recorded
    assert world.inside("web", "hostname") == "web"
    assert world.inside("db", "hostname") == "db", "through the web container"
    assert run("plan") == 0, world.text


def test_what_needs_no_restart_arrives_in_the_running_container(world, run):
    booted, mac0, mac1 = world.booted("web"), world.mac(2156, "net0"), world.mac(2156, "net1")
    world.hosts["web"] |= {
        "lxc_memory_mib": 768,
        "lxc_cores": 2,
        "lxc_disk_gib": 6,
        "lxc_mounts": [MOUNT],
        "lxc_note": "The agenda",
        "lxc_tags": ["Web"],
        "lxc_onboot": False,
        "lxc_startup_order": 3,
        "lxc_nics": [
            CAMPUS,
            PRIVATE | {"address": "198.18.112.99/24"},
            {"name": "eth2", "network": "private", "address": "198.18.112.100/24"},
        ],
    }
    assert run("plan") == 2
    assert "net1.ip: 198.18.112.156/24 -> 198.18.112.99/24" in world.text
    assert "net2.ip: none -> 198.18.112.100/24" in world.text

    assert run("apply", "--yes") == 0, world.text

    assert world.booted("web") == booted
    assert world.inside("web", "nproc") == "2"
    if world.lab.lxcfs_serves():
        assert world.inside("web", "free -m | awk '/Mem/ {print $2}'") == "768"
    sizes = world.inside("web", "df --output=size -BM / /srv/data | tail -2").split()
    assert [round(int(size.rstrip("M")) / 1024) for size in sizes] == [6, 1]
    addresses = world.inside("web", "ip -brief address show scope global")
    assert "198.18.112.99/24" in addresses and "198.18.112.100/24" in addresses
    assert "198.18.112.156/24" not in addresses
    links = world.inside("web", "ip -brief link")
    assert mac0 in links and mac1 in links
    assert (world.mac(2156, "net0"), world.mac(2156, "net1")) == (mac0, mac1)
    assert world.config(2156)["tags"] == "ctlv;ctlv-lab;web"
    assert run("plan") == 0, world.text


def test_an_interface_goes_and_its_neighbour_changes_with_its_mac_kept(world, run):
    mac1 = world.mac(2156, "net1")
    world.hosts["web"]["lxc_nics"] = [CAMPUS, PRIVATE | {"mtu": 1400}]

    assert run("apply", "--yes") == 0, world.text

    assert "eth2" not in world.inside("web", "ip -brief link")
    link = world.inside("web", "ip link show eth1")
    assert mac1 in link and "mtu 1400" in link
    assert "198.18.112.156/24" in world.inside("web", "ip -brief address show eth1")
    assert world.mac(2156, "net1") == mac1
    world.hosts["web"]["lxc_nics"] = [CAMPUS, PRIVATE]
    assert run("plan") == 2
    assert "net1.mtu: 1400 -> none" in world.text
    assert run("apply", "--yes") == 0, world.text
    assert run("plan") == 0, world.text


def test_what_waits_for_a_restart_is_said_and_comes_with_a_clean_one(world, run):
    booted = world.booted("web")
    world.hosts["web"]["lxc_nameserver"] = "198.18.28.1"
    world.hosts["web"]["lxc_searchdomain"] = "example.org"

    assert run("apply", "--yes") == 0, world.text
    assert "waits for a restart: nameserver: none -> 198.18.28.1" in world.text
    assert world.booted("web") == booted
    assert run("drift") == 2

    assert run("apply", "--yes", "--reboot") == 0, world.text
    assert world.booted("web") != booted
    assert "nameserver 198.18.28.1" in world.inside("web", "cat /etc/resolv.conf")
    assert run("drift") == 0, world.text


def test_a_saved_plan_is_applied_once_and_refused_afterwards(world, run, tmp_path):
    file = str(tmp_path / "plan.json")
    world.hosts["web"]["lxc_swap_mib"] = 128
    assert run("plan", "--out", file) == 2
    assert run("apply", file) == 0, world.text
    assert world.config(2156)["swap"] == 128
    assert run("apply", file) == 1
    assert "container 2156 has changed since the plan was made" in world.text


def test_a_snapshot_of_both_brings_back_what_was_written(world, run):
    world.inside("web", "echo before > /root/file; sync")
    assert run("snapshot", "--name", "before", "--yes") == 0, world.text
    world.inside("web", "echo after > /root/file; touch /root/new; sync")

    assert run("snapshot-restore", "before", "--yes") == 0, world.text

    assert world.inside("web", "cat /root/file; ls /root/new 2>/dev/null || true") == "before"
    assert world.inside("db", "hostname") == "db"


def test_destroy_refuses_what_is_protected_and_takes_the_other_by_name(world, run):
    assert run("destroy", "db", "web", "--yes", "--stop") == 1
    assert "db (VMID 2157) is protected" in world.text
    assert world.inside("web", "hostname") == "web", "nothing was touched"

    assert run("destroy", "web", "--yes", "--stop") == 0, world.text
    assert [int(ct["vmid"]) for ct in world.lab.api.data("GET", LXC)] == [2157]
    assert "-web " not in (world.lab.state / "known_hosts").read_text()


def test_an_old_container_is_adopted_with_its_mac_and_disk_and_never_restarted(world, run):
    """The old installation's: made by hand, without mark, with other sizes."""
    mac = "BC:24:11:AA:BB:CC"
    world.lab.create(
        hostname="oldweb",
        net0=f"name=eth0,bridge=vmbr0,tag=2028,hwaddr={mac},ip=198.18.28.156/24,gw=198.18.28.1",
    )
    world.lab.start()
    world.lab.ssh("echo kept > /root/old")
    pid = world.lab.api.data("GET", f"{LXC}/2156/status/current")["pid"]
    assert run("apply", "--yes") == 1
    assert "belongs to a guest that this project did not create" in world.text

    assert run("adopt", "web", "--vmid", "2156", "--yes") == 0, world.text
    assert "hostname: oldweb -> web" in world.text
    key = world.lab.says("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    # A container that was not created by us has a creation log all the same, in this lab.
    assert run("trust", "web", "--fingerprint", key) == 0, world.text
    assert run("apply", "--yes") == 0, world.text

    assert world.lab.api.data("GET", f"{LXC}/2156/status/current")["pid"] == pid
    assert world.mac(2156, "net0") == mac.lower()
    assert world.inside("web", "hostname; cat /root/old") == "web\nkept"
    assert run("adopt", "web", "--yes") == 0
    assert "Adopted already" in world.text


def test_what_is_ours_and_no_longer_in_the_inventory_is_left_and_said(world, run):
    kept = world.hosts.pop("web")
    try:
        assert run("apply", "--yes") == 0, world.text
        assert "web is ours and not in the inventory; nothing is done" in world.text
        assert run("drift") == 2
    finally:
        world.hosts["web"] = kept
    # The way there is of the inventory: it comes back with it.
    assert run("apply", "--yes") == 0, world.text
    assert "Nothing to do" in world.text
    assert world.inside("web", "hostname") == "web"


def drawn(draw: random.Random, step: int) -> dict[str, Any]:
    """Variables of some inventory: all that may change in place, disks growing with `step`."""
    return {
        "lxc_memory_mib": draw.choice([384, 512, 768]),
        "lxc_swap_mib": draw.choice([0, 256]),
        "lxc_cores": draw.choice([1, 2]),
        "lxc_disk_gib": 6 + step // 3,
        "lxc_mounts": [MOUNT | {"size_gib": 1 + step // 4, "backup_enabled": draw.random() < 0.5}],
        "lxc_nameserver": draw.choice(["", "198.18.28.1", "198.18.28.1 198.18.28.2"]),
        "lxc_searchdomain": draw.choice(["", "example.org"]),
        "lxc_features": {"nesting": draw.random() < 0.7},
        "lxc_onboot": draw.random() < 0.5,
        "lxc_startup_order": draw.randint(1, 5),
        "lxc_tags": draw.choice([[], ["web"]]),
        "lxc_note": draw.choice(["", "The agenda", "Deux lignes,\nl'une sous l'autre"]),
        "lxc_nics": [
            CAMPUS | draw.choice([{}, {"mtu": 1400}]),
            PRIVATE | draw.choice([{}, {"firewall": True}, {"address": "198.18.112.99/24"}]),
            {"name": "eth2", "network": "private", "address": "198.18.112.100/24"},
        ][: draw.randint(1, 3)],
    }


BY_HAND: tuple[dict[str, Any], ...] = (
    {},
    {"nameserver": "8.8.8.8", "delete": "searchdomain"},
    {"searchdomain": "example.net", "memory": 300},
    {"features": "nesting=0", "cores": 1, "delete": "startup"},
)


def test_ten_inventories_one_after_the_other_whatever_hands_did_meanwhile(world, run, monkeypatch):
    """As tests/provision/test_sweep.py, of which this is the short form on a real container."""
    refused = []
    original = Proxmox._refused

    def heard(api: Any, error: Any, method: str, path: str) -> Any:
        refused.append((method, path, error.status_code, error.content))
        return original(api, error, method, path)

    monkeypatch.setattr(Proxmox, "_refused", heard)
    root, mac = world.lab.root, world.mac(2156, "net0")
    draw = random.Random(13)  # noqa: S311 # the same each time
    for step in range(10):
        world.hosts["web"] |= drawn(draw, step) | {"lxc_wait": "running"}
        if by_hand := BY_HAND[step % len(BY_HAND)]:
            root.data("PUT", f"{LXC}/2156/config", **by_hand)
        if step % 4 == 3:
            root.done("POST", f"{LXC}/2156/status/stop")

        assert run("apply", "--yes", *["--reboot"] * (step % 3 == 2)) == 0, world.text
        assert run("plan") == 0, world.text
        assert refused == []
        assert world.mac(2156, "net0") == mac

    world.hosts["web"] |= {"lxc_wait": "ssh"}
    assert run("apply", "--yes", "--reboot") == 0, world.text
    assert run("drift") == 0, world.text
    assert mac in world.inside("web", "ip -brief link")
    sizes = world.inside("web", "df --output=size -BM / /srv/data | tail -2").split()
    assert [round(int(size.rstrip("M")) / 1024) for size in sizes] == [9, 3]
