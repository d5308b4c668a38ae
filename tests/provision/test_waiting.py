"""What waits for a restart: Proxmox keeps it beside what is, and shows it as if it were."""

from __future__ import annotations

import re

import pytest

from tests.provision.conftest import TOKEN
from tests.provision.situations import WEB

ROOT = "nodes/pve1/lxc/2156"
MOUNT = {"path": "/srv", "size_gib": 1}


@pytest.fixture
def deployed(cluster):
    """Two running containers, as the inventory wants them; the first has a mount."""
    cluster.change("web", lxc_mounts=[MOUNT], lxc_nics=WEB["lxc_nics"])
    assert cluster.apply() == 0, cluster.out + cluster.err
    cluster.forget_calls()
    return cluster


def by_hand(cluster, vmid=2156, **pending):
    """What root's `pct set` on a running container leaves waiting."""
    cluster.ct(vmid).pending |= pending


def restart(cluster, vmid=2156):
    """What the next start makes of what waits: deletions first, then values."""
    ct = cluster.ct(vmid)
    for key in filter(None, ct.pending.pop("delete", "").split(",")):
        ct.config.pop(key, None)
    ct.config |= ct.pending
    ct.pending = {}


def matches(cluster):
    assert cluster.apply() == 0, cluster.out + cluster.err
    assert cluster.run("plan") == 0, cluster.out
    assert "waits for a restart" not in cluster.out
    return True


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nameserver", "8.8.8.8"),
        ("searchdomain", "example.org"),
        ("startup", "order=7"),
        ("net7", "name=eth7,bridge=vmbr0,tag=2028,hwaddr=02:00:00:00:00:07,type=veth"),
    ],
)
def test_an_addition_that_waits_and_is_not_wanted_is_reverted(deployed, key, value):
    """`delete=` would leave it there, and apply would never end (issue 13, row 2)."""
    by_hand(deployed, **{key: value})

    assert deployed.run("plan") == 2
    assert key in deployed.out
    assert matches(deployed)
    assert deployed.ct(2156).pending == {}


def test_a_name_server_that_was_applied_and_is_wanted_no_more_is_reverted(deployed):
    deployed.change("web", lxc_nameserver="9.9.9.9")
    assert deployed.apply() == 0
    assert deployed.ct(2156).pending == {"nameserver": "9.9.9.9"}
    deployed.change("web", lxc_nameserver="")

    assert matches(deployed)


def test_another_value_that_waits_is_replaced(deployed):
    by_hand(deployed, nameserver="8.8.8.8")
    deployed.change("web", lxc_nameserver="9.9.9.9")

    assert deployed.apply() == 0
    assert deployed.ct(2156).pending == {"nameserver": "9.9.9.9"}
    assert "waits for a restart: nameserver: none -> 9.9.9.9" in deployed.out


def test_a_value_that_waits_above_one_to_be_deleted_is_reverted_before(deployed):
    """Both of a key are no PUT, and a deletion alone leaves the value that waits."""
    deployed.ct(2156).config["nameserver"] = "1.1.1.1"
    by_hand(deployed, nameserver="8.8.8.8")

    assert deployed.apply() == 0, deployed.out
    assert deployed.ct(2156).pending == {"delete": "nameserver"}
    restart(deployed)
    assert matches(deployed)


def test_a_deletion_that_waits_of_what_is_wanted_is_reverted(deployed):
    by_hand(deployed, delete="features,startup")

    assert matches(deployed)
    assert deployed.ct(2156).pending == {}
    assert not [call for call in deployed.writes() if "features" in str(call)]


def test_a_mount_that_waits_to_go_is_kept_and_no_volume_is_made(deployed):
    """The key looks free meanwhile: a new volume there would orphan the one with the data."""
    volume = deployed.ct(2156).config["mp0"]
    by_hand(deployed, delete="mp0")

    assert matches(deployed)
    restart(deployed)
    assert deployed.ct(2156).config["mp0"] == volume
    assert not [key for key in deployed.ct(2156).config if key.startswith("unused")]


def test_a_protected_mount_that_waits_to_go_is_kept_too(deployed):
    deployed.change("web", lxc_protection=True)
    assert deployed.apply() == 0
    by_hand(deployed, delete="mp0")

    assert matches(deployed)


def test_a_nic_that_waits_to_go_is_kept_with_its_mac(deployed):
    """Proxmox takes net0 to net9 away at once, those above wait."""
    config = deployed.ct(2156).config
    config["net10"] = nic = config.pop("net1")
    by_hand(deployed, delete="net10")

    assert matches(deployed)
    restart(deployed)
    assert deployed.ct(2156).config["net10"] == nic


def test_another_mac_that_waits_is_reverted(deployed):
    nic = deployed.ct(2156).config["net1"]
    by_hand(deployed, net1=re.sub("hwaddr=[^,]+", "hwaddr=02:00:00:00:00:99", nic))

    assert matches(deployed)
    restart(deployed)
    assert deployed.ct(2156).config["net1"] == nic


def test_a_mounts_option_and_its_growth_in_one_apply_converge(deployed):
    """The PUT waits with the size that it carries (issue 13, row 5)."""
    deployed.change("web", lxc_mounts=[MOUNT | {"size_gib": 2, "backup_enabled": True}])

    assert deployed.apply() == 0, deployed.out
    assert deployed.run("plan") == 0, deployed.out
    assert "size=2G" in deployed.ct(2156).config["mp0"]
    restart(deployed)
    assert deployed.run("plan") == 0
    assert deployed.ct(2156).config["mp0"].endswith("mp=/srv,backup=1,size=2G")


def test_growth_behind_an_option_that_waits_is_grown_once(deployed):
    deployed.change("web", lxc_mounts=[MOUNT | {"backup_enabled": True}])
    assert deployed.apply() == 0
    deployed.change("web", lxc_mounts=[MOUNT | {"size_gib": 3, "backup_enabled": True}])

    assert deployed.apply() == 0, deployed.out
    assert deployed.run("plan") == 0, deployed.out
    assert len([task for task in deployed.pve.tasklog if task["type"] == "resize"]) == 1


def test_an_option_off_and_on_again_leaves_nothing_waiting(deployed):
    """Proxmox compares the strings, in its own order of keys (issue 13, row 9)."""
    on, off = [MOUNT | {"backup_enabled": True}], [MOUNT]
    deployed.change("web", lxc_mounts=on)
    assert deployed.apply() == 0
    restart(deployed)
    for mounts in (off, on):
        deployed.change("web", lxc_mounts=mounts)
        assert deployed.apply() == 0, deployed.out

    assert deployed.run("drift") == 0, deployed.out
    assert deployed.ct(2156).pending == {}


def test_what_waits_and_says_what_is_already_so_is_reverted(deployed):
    """In another order, or with a default written out: it would be drift until a restart."""
    volume = deployed.ct(2156).config["mp0"].split(",")[0]
    by_hand(deployed, mp0=f"{volume},size=1G,ro=0,mp=/srv", features="nesting=on")

    assert deployed.run("plan") == 2
    assert "waiting.mp0" in deployed.out
    assert matches(deployed)
    assert deployed.ct(2156).pending == {}


def test_what_waits_in_a_field_that_is_not_ours_is_shown_and_left(deployed):
    by_hand(deployed, tty=4)

    assert deployed.run("plan") == 0
    assert "waits for a restart: tty: none -> 4" in deployed.out
    assert deployed.run("drift") == 2
    assert deployed.apply() == 0
    assert deployed.writes() == []


def test_a_restart_takes_in_what_waits_beside_other_changes(deployed):
    deployed.change("web", lxc_nameserver="9.9.9.9", lxc_cores=2)

    assert deployed.apply("--reboot") == 0, deployed.out
    assert deployed.ct(2156).config["nameserver"] == "9.9.9.9"
    assert deployed.ct(2156).pending == {}


def test_a_stopped_container_with_something_waiting_converges(deployed):
    by_hand(deployed, nameserver="8.8.8.8")
    deployed.ct(2156).status = "stopped"

    assert matches(deployed)
    assert "nameserver" not in deployed.ct(2156).config


# ---------------------------------------------------------------- what a running NIC takes late


@pytest.mark.parametrize("argv", [(), ("--reboot",)])
def test_the_mtu_of_a_running_nic_waits_for_a_restart_and_that_is_said(deployed, argv):
    """Proxmox writes it and changes nothing in the container (LXC.pm, update_net)."""
    nics = [nic | {"mtu": 1400} for nic in WEB["lxc_nics"]]
    deployed.change("web", lxc_nics=nics)

    assert deployed.run("plan") == 2
    assert "waits for a restart: net0.mtu: none -> 1400" in deployed.out
    assert deployed.apply(*argv) == 0
    rebooted = [call for call in deployed.writes() if call[1].endswith("status/reboot")]
    assert len(rebooted) == len(argv)
    assert ("waits for a restart: net0.mtu" in deployed.out.rpartition("VMID")[2]) is not argv
    assert deployed.run("plan") == 0


# ---------------------------------------------------------------- what is refused


def test_a_nic_that_stands_on_anothers_network_is_left_and_the_rest_is_done(deployed):
    """Proxmox asks SDN.Use of the old network too (issue 13, row 3)."""
    limit_networks(deployed)
    nic = deployed.ct(2156).config["net1"]
    deployed.ct(2156).config["net1"] = nic.replace("tag=2112", "tag=99")
    deployed.change("web", lxc_memory_mib=1024)

    assert deployed.run("plan") == 2
    assert "the token may not use the network that it is on" in deployed.out
    mac = re.search("hwaddr=([^,]+)", nic)[1]
    wanted = f"name=eth1,bridge=vmbr0,hwaddr={mac},ip=198.18.112.156/24,tag=2112"
    assert f"on pve1, as root: pct set 2156 --net1 {wanted}" in deployed.out
    assert deployed.apply() == 2
    assert deployed.ct(2156).config["memory"] == 1024
    assert deployed.ct(2156).config["net1"] == nic.replace("tag=2112", "tag=99")


@pytest.mark.parametrize("change", ["", ",trunks=5;99", ",trunks=2112;90-99"])
def test_a_nic_without_our_tag_is_left_with_roots_line(deployed, change):
    limit_networks(deployed)
    config = deployed.ct(2156).config
    config["net1"] = config["net1"].replace(",tag=2112", change)

    assert deployed.run("plan") == 2
    assert "as root: pct set 2156 --net1 name=eth1," in deployed.out
    assert deployed.apply() == 2, deployed.out


def limit_networks(cluster):
    """SDN.Use on our own tags only, as the printed role has it."""
    revoke(cluster, "SDN.Use")
    for tag in (2028, 2112):
        cluster.pve.grant(TOKEN, f"/sdn/zones/localnetwork/vmbr0/{tag}", "SDN.Use")


def revoke(cluster, privilege):
    cluster.pve.acl[TOKEN] = [
        (path, privileges - {privilege}) for path, privileges in cluster.pve.acl[TOKEN]
    ]


@pytest.mark.parametrize(
    ("privilege", "changes", "lacking"),
    [
        ("VM.Config.CPU", {"lxc_cores": 2, "lxc_disk_gib": 6}, "cores"),
        ("VM.Config.Network", {"lxc_nameserver": "9.9.9.9", "lxc_disk_gib": 6}, "nameserver"),
        # Growing wants it too: pve-container asks it for the parameter "disk".
        ("VM.Config.Options", {"lxc_onboot": False, "lxc_protection": True}, "onboot"),
    ],
)
def test_a_field_without_its_privilege_keeps_no_other_back(deployed, privilege, changes, lacking):
    revoke(deployed, privilege)
    before = dict(deployed.ct(2156).config)
    deployed.change("web", lxc_memory_mib=1024, **changes)

    assert deployed.apply() == 1
    config = deployed.ct(2156).config
    assert config["memory"] == 1024
    assert config["rootfs"].endswith(f"size={changes.get('lxc_disk_gib', 4)}G")
    assert config.get(lacking) == before.get(lacking)
    assert deployed.out.count(f"lacks {privilege} on /vms/2156") == 1
    assert "'make doctor' prints the exact pveum commands" in deployed.out


def test_a_disk_that_cannot_grow_keeps_no_other_change_back(deployed):
    revoke(deployed, "Datastore.AllocateSpace")
    deployed.ct(2156).status = "stopped"
    deployed.change("web", lxc_memory_mib=1024, lxc_disk_gib=6)

    assert deployed.apply() == 1
    assert "lacks Datastore.AllocateSpace on /storage/local-lvm" in deployed.out
    assert deployed.ct(2156).config["memory"] == 1024
    assert deployed.ct(2156).status == "running"


@pytest.mark.parametrize("call", ["config", "resize", "status/start"])
def test_a_container_that_moves_while_it_is_changed_is_followed(deployed, on_request, call):
    """The answer is a plain 500: its file is not on the node any more."""
    deployed.pve.nodes["pve2"] = {"online": True}
    deployed.change("web", lxc_memory_mib=1024, lxc_disk_gib=6)
    ct = deployed.ct(2156)
    ct.status = "stopped"

    def move(method, path):
        if method != "GET" and path == f"{ROOT}/{call}":
            ct.node = "pve2"

    on_request(move)

    assert deployed.apply() == 0, deployed.out
    assert (ct.node, ct.config["memory"], ct.status) == ("pve2", 1024, "running")


def test_a_container_that_is_destroyed_while_it_is_changed_is_told_in_two_lines(
    deployed, on_request
):
    deployed.change("web", lxc_memory_mib=1024)

    def destroy(method, path):
        if (method, path) == ("PUT", f"{ROOT}/config"):
            deployed.pve.cts.remove(deployed.ct(2156))

    on_request(destroy)

    assert deployed.apply() == 1
    assert (
        "web (VMID 2156): it was destroyed while this ran\n  Next: run this again" in deployed.out
    )
