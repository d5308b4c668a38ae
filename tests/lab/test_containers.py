"""Real containers of a lab of the tests' own. Needs root."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from lab.settings import POOL, RUN
from lab.storage import unmount_all
from tests.lab.labs import LXC, NEIGHBOUR, NO_LXCFS, PRIVATE, WEB
from tests.lab.support import NODE, OTHER, creation

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]
SECOND_NIC = f"name=eth1,bridge=vmbr0,tag=2112,ip={PRIVATE}/24"


def nic(address: str, tag: int = 2028, **more: object) -> str:
    extra = "".join(f",{key}={value}" for key, value in more.items())
    return f"name=eth0,bridge=vmbr0,tag={tag},ip={address}/24{extra}"


def test_a_container_answers_over_ssh_to_its_key_alone_and_its_root_is_nobody_here(lab):
    lab.create(net1=SECOND_NIC)
    lab.start()

    assert lab.says("systemctl is-system-running --wait") == "running"
    assert lab.says("hostname") == "ct-2156"
    addresses = lab.says("ip -brief address show scope global")
    assert f"{WEB}/24" in addresses and f"{PRIVATE}/24" in addresses
    assert lab.says("ip route show default") == "default via 198.18.28.1 dev eth0 onlink"
    assert lab.says("stat -c '%a %U' /root/.ssh /root/.ssh/authorized_keys") == "700 root\n600 root"
    assert lab.says("getent shadow root").split(":")[1] == "*"
    assert lab.says("grep -c . /root/.ssh/authorized_keys") == "1"
    pid = lab.api.data("GET", f"{LXC}/2156/status/current")["pid"]
    inside, outside, count = map(int, Path(f"/proc/{pid}/uid_map").read_text().split())
    assert (inside, count) == (0, 65536)
    assert outside >= 1_000_000


def test_each_container_has_an_identity_of_its_own_and_its_log_tells_it_as_proxmoxs_does(lab):
    logs = [
        lab.create(2156),
        lab.create(2157, net0=nic(NEIGHBOUR)),
    ]
    at = logs[0].index("Creating SSH host key 'ssh_host_ed25519_key' - this may take some time ...")
    assert re.fullmatch(r"done: SHA256:[0-9A-Za-z+/]{43} root@ct-2156", logs[0][at + 1])
    lab.start(2156)
    lab.start(2157, NEIGHBOUR)

    seen = [
        (lab.says("cat /etc/machine-id", address=a), lab.says(KEYS, address=a))
        for a in (WEB, NEIGHBOUR)
    ]
    assert len(seen[0][0]) == 32
    assert seen[0][0] != seen[1][0]
    for log, (_, keys) in zip(logs, seen, strict=True):
        told = [line.removeprefix("done: ") for line in log if line.startswith("done: ")]
        in_guest = [" ".join(line.split()[1:3]) for line in keys.splitlines()]
        assert sorted(told) == sorted(in_guest)
        assert len(told) == 3
    assert not set(seen[0][1].splitlines()) & set(seen[1][1].splitlines())


def test_a_copy_on_another_node_boots_beside_its_original_with_what_that_had(lab):
    lab.create()
    lab.start()
    lab.ssh("echo kept >/root/note; sync")
    lab.api.done("POST", f"{LXC}/2156/snapshot", snapname="s1")
    lab.ssh("echo later >/root/note")

    lab.root.done("POST", f"{LXC}/2156/clone", newid=9001, snapname="s1", pool=POOL)
    lab.api.data("PUT", f"{LXC}/9001/config", net0=nic(NEIGHBOUR))
    lab.root.done("POST", f"{LXC}/9001/migrate", target="srv-px6")
    lab.api.done("POST", "/nodes/srv-px6/lxc/9001/status/start")
    lab.wait_for_ssh(NEIGHBOUR)

    assert lab.says("cat /root/note", address=NEIGHBOUR) == "kept"
    assert lab.says("hostname", address=NEIGHBOUR) == lab.says("hostname") == "ct-2156"
    assert lab.says("cat /root/note") == "later"
    lab.api.done("DELETE", "/nodes/srv-px6/lxc/9001", force=1)


def test_a_node_without_power_takes_its_containers_along_and_starts_them_again(lab):
    there = f"/nodes/{OTHER}/lxc"
    lab.create(onboot=1)
    changes = {"net0": nic(NEIGHBOUR), "ostemplate": lab.template()}
    lab.api.done("POST", there, **creation(2157, **changes, **{"ssh-public-keys": lab.public_key}))
    lab.start()
    lab.api.done("POST", f"{there}/2157/status/start")
    lab.wait_for_ssh(NEIGHBOUR)
    before = lab.says("cat /proc/sys/kernel/random/boot_id; cut -d ' ' -f 22 /proc/1/stat")

    said = lab.verb("node-down", NODE).stdout

    assert f"{NODE} is off, with 1 container(s): 2156" in said
    assert lab.ssh("true", check=False).returncode != 0
    assert lab.api.ask("GET", f"{LXC}/2156/status/current").status_code == 595
    assert lab.says("hostname", address=NEIGHBOUR) == "ct-2157"

    lab.verb("node-up", NODE)

    lab.wait_for_ssh()
    assert lab.says("cat /proc/sys/kernel/random/boot_id; cut -d ' ' -f 22 /proc/1/stat") != before
    lab.api.done("DELETE", f"{there}/2157", force=1)


def test_what_is_restored_boots_with_what_the_original_had(lab):
    lab.create()
    lab.start()
    lab.ssh("echo kept >/root/note")
    lab.root.done("POST", f"/nodes/{NODE}/vzdump", vmid="2156")
    (archive,) = lab.root.data("GET", f"/nodes/{NODE}/storage/local/content", content="backup")

    given = {"restore": 1, "net0": nic(NEIGHBOUR), "pool": POOL}
    lab.root.done("POST", LXC, vmid=9001, ostemplate=archive["volid"], **given)
    lab.start(9001, NEIGHBOUR)

    assert lab.says("cat /root/note", address=NEIGHBOUR) == "kept"


KEYS = "for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done"


def test_a_password_is_set_only_when_it_is_given(lab):
    lab.create(password="correct horse")
    lab.start()

    assert lab.says("getent shadow root").split(":")[1].startswith("$6$")


def test_limits_are_true_and_change_while_it_runs(lab):
    if not lab.lxcfs_serves():
        pytest.skip(NO_LXCFS)
    lab.create(memory=512, cores=1)
    lab.start()
    assert lab.says("free -m | awk '/Mem/ {print $2}'; nproc") == "512\n1"

    lab.api.data("PUT", f"{LXC}/2156/config", memory=768, cores=2)
    assert lab.says("free -m | awk '/Mem/ {print $2}'; nproc") == "768\n2"

    lab.api.data("PUT", f"{LXC}/2156/config", memory=256, cores=1)
    assert lab.says("free -m | awk '/Mem/ {print $2}'; nproc") == "256\n1"


def test_memory_beyond_the_limit_is_refused(lab):
    lab.create(memory=128)
    lab.start()

    hungry = "python3 -c 'b = bytearray(400 * 1024 * 1024); print(len(b))'"
    assert lab.ssh(hungry, check=False).returncode != 0


def test_a_new_name_and_a_mount_point_arrive_while_it_runs(lab):
    lab.create()
    lab.start()

    lab.api.data("PUT", f"{LXC}/2156/config", hostname="renamed", mp0="local:1,mp=/srv/data")

    assert lab.says("hostname; cat /etc/hostname") == "renamed\nrenamed"
    assert lab.says("getent hosts renamed").split()[0] == WEB
    assert lab.says("touch /srv/data/x; stat -c %U /srv/data/x; findmnt -no TARGET /srv/data") == (
        "root\n/srv/data"
    )


def test_nics_are_plugged_changed_and_unplugged_while_it_runs(lab):
    lab.create()
    lab.start()
    put = f"{LXC}/2156/config"

    lab.api.data("PUT", put, net1=SECOND_NIC)
    assert f"{PRIVATE}/24" in lab.says("ip -brief address show eth1")
    mac = re.search(r"hwaddr=([0-9A-F:]+)", lab.api.config(2156)["net1"])[1]
    assert mac.lower() in lab.says("ip link show eth1")

    moved = f"name=eth1,bridge=vmbr0,tag=2028,ip=198.18.28.99/24,hwaddr={mac}"
    lab.api.data("PUT", put, net1=moved)
    assert mac.lower() in lab.says("ip link show eth1")
    lab.ssh("ping -c 1 -W 2 -I eth1 198.18.28.1")

    lab.api.data("PUT", put, delete="net1")
    assert lab.ssh("ip link show eth1", check=False).returncode != 0
    assert "eth1" not in lab.says("cat /etc/network/interfaces")


def test_a_nic_is_plugged_although_a_killed_lab_left_its_port(lab):
    lab.create()
    lab.start()
    port = ["ip", "-n", lab.facts["netns"], "link", "add", "veth2156i1", "type", "veth"]
    subprocess.run([*port, "peer", "name", "left"], check=True, timeout=20)

    lab.api.data("PUT", f"{LXC}/2156/config", net1=SECOND_NIC)

    assert f"{PRIVATE}/24" in lab.says("ip -brief address show eth1")


def test_changes_survive_a_restart_from_inside_and_what_waits_comes_with_one(lab):
    lab.create()
    lab.start()
    lab.api.data("PUT", f"{LXC}/2156/config", net1=SECOND_NIC)

    boot = lab.says("cat /proc/sys/kernel/random/boot_id; stat -c %Z /proc/1")
    lab.ssh("systemctl reboot", check=False)
    time.sleep(2)
    lab.wait_for_ssh()

    assert lab.says("cat /proc/sys/kernel/random/boot_id; stat -c %Z /proc/1") != boot
    assert f"{PRIVATE}/24" in lab.says("ip -brief address show eth1")

    lab.api.data("PUT", f"{LXC}/2156/config", nameserver="198.18.28.1")
    assert "198.18.28.1" not in lab.says("cat /etc/resolv.conf")

    lab.api.done("POST", f"{LXC}/2156/status/reboot", timeout=20)
    lab.wait_for_ssh()
    assert "nameserver 198.18.28.1" in lab.says("cat /etc/resolv.conf")


def test_disks_have_the_size_that_was_asked_and_grow_in_use(lab):
    lab.create(mp0="local:1,mp=/srv/data")
    lab.start()
    size = "df --output=size -BM {} | tail -1"
    assert 3900 < int(lab.says(size.format("/")).rstrip("M")) <= 4096

    lab.api.done("PUT", f"{LXC}/2156/resize", disk="rootfs", size="6G")
    lab.api.done("PUT", f"{LXC}/2156/resize", disk="mp0", size="+1G")

    assert 5900 < int(lab.says(size.format("/")).rstrip("M")) <= 6144
    assert 1900 < int(lab.says(size.format("/srv/data")).rstrip("M")) <= 2048


def test_a_full_disk_is_full(lab):
    lab.create(rootfs="local:0.5")
    lab.start()

    filled = lab.ssh("dd if=/dev/zero of=/root/fill bs=1M count=600", check=False)

    assert "No space left on device" in filled.stderr


def test_a_snapshot_brings_everything_back(lab):
    lab.create(mp0="local:1,mp=/srv/data")
    lab.start()
    lab.ssh("echo before > /root/file; echo before > /srv/data/file")
    lab.api.done("POST", f"{LXC}/2156/snapshot", snapname="s1")
    lab.ssh("echo after > /root/file; echo after > /srv/data/file; touch /root/new; sync")

    lab.api.done("POST", f"{LXC}/2156/snapshot/s1/rollback")
    lab.start()

    assert lab.says("cat /root/file /srv/data/file; ls /root") == "before\nbefore\nfile"
    lab.api.done("DELETE", f"{LXC}/2156/snapshot/s1")
    assert not list((lab.state / "images/2156").glob("*@*"))


def test_shutdown_waits_for_the_containers_own_end(lab):
    lab.create()
    lab.start()

    lab.api.done("POST", f"{LXC}/2156/status/shutdown", timeout=30)

    assert lab.api.state(2156) == "stopped"


def test_a_container_that_ends_by_itself_is_seen_as_stopped(lab):
    lab.create()
    lab.start()

    lab.ssh("systemctl poweroff", check=False)

    deadline = time.monotonic() + 15
    while lab.api.state(2156) == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert lab.api.state(2156) == "stopped"


def test_a_start_that_lxc_refuses_is_a_failed_task_with_lxcs_words(lab):
    lab.create(net0=nic(WEB))
    folder = RUN / lab.name / "lxc" / f"{lab.name}-2156"
    # The root disk cannot be mounted: its image is no file system any more.
    image = lab.state / "images/2156/vm-2156-disk-0.img"
    lab.api.done("POST", f"{LXC}/2156/status/start")
    lab.api.done("POST", f"{LXC}/2156/status/stop")
    unmount_all(folder)
    image.write_bytes(b"\0" * 1024 * 1024)

    status, log = lab.api.task(lab.api.data("POST", f"{LXC}/2156/status/start"))

    assert status == "startup for container '2156' failed"
    assert any("mount" in line for line in log), log


def test_destroy_leaves_nothing_of_it(lab):
    lab.create()
    lab.start()
    lab.api.done("DELETE", f"{LXC}/2156", force=1)

    assert f"{lab.name}-2156" not in Path("/proc/self/mounts").read_text()
    assert not (lab.state / "images/2156").exists()


def test_many_are_created_at_once(lab):
    vmids = range(3001, 3009)
    upids = [
        lab.api.data(
            "POST",
            LXC,
            **creation(
                vmid,
                ostemplate=lab.template(),
                net0=nic(f"198.18.28.{vmid - 3000 + 10}"),
            ),
        )
        for vmid in vmids
    ]

    assert {lab.api.task(upid)[0] for upid in upids} == {"OK"}
    assert {ct["vmid"] for ct in lab.api.data("GET", LXC)} == set(vmids)
