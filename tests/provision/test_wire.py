"""Proxmox's spelling and ours, both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision import wire
from provision.desired import desired
from provision.model import Disk, Mark, Mount, Nic, Pending
from tests.provision.situations import DEPLOYMENT, containers, found_from, inventory, mounts, nics

MARK = Mark(deployment=DEPLOYMENT, environment="lab", host="web")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("8G", 8 * 1024**3), ("2560M", 2560 * 1024**2), ("2.5G", 2560 * 1024**2), ("512", 512),
     ("1t", 1024**4), ("4k", 4096)],
)  # fmt: skip
def test_sizes_in_any_unit_are_bytes(text, size_bytes):
    assert wire.parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "8GiB", "-1G", "G"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="not a size"):
        wire.parse_size(text)


@given(st.integers(0, 2**50))
def test_a_size_survives_rendering(size_bytes):
    assert wire.parse_size(wire.render_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("gib", "text"),
    [
        (4, "4"),
        (0.5, "0.5"),
        (2.125, "2.125"),
        (1024, "1024"),
        (1023.9990234375, "1023.9990234375"),
    ],
)
def test_a_new_volume_is_a_bare_number_of_gib(gib, text):
    assert wire.render_gib(int(gib * wire.GIB)) == text


@pytest.mark.parametrize("value", [1, "1", True, "on", "yes", "TRUE"])
def test_what_proxmox_means_by_true(value):
    assert wire.parse_bool(value)


@pytest.mark.parametrize("value", [0, "0", False, "off", "", None])
def test_what_proxmox_means_by_false(value):
    assert not wire.parse_bool(value)


def test_booleans_are_sent_as_numbers():
    assert (wire.render_bool(True), wire.render_bool(False)) == (1, 0)


@given(nics(0, hwaddr=True))
def test_a_nic_survives_rendering(nic):
    assert wire.parse_nic("net0", wire.render_nic(nic)) == nic


def test_a_nic_is_the_same_in_any_order_and_with_defaults_written_out():
    ours = wire.parse_nic(
        "net0", "name=eth0,bridge=vmbr0,hwaddr=bc:24:11:00:00:01,tag=2028,ip=10.0.0.1/8"
    )
    theirs = wire.parse_nic(
        "net0",
        "ip=10.0.0.1/8,tag=2028,type=veth,firewall=off,link_down=0,hwaddr=BC:24:11:00:00:01,"
        "bridge=vmbr0,name=eth0,ip6=manual",
    )
    assert ours == theirs


def test_a_nic_shows_what_we_do_not_steer():
    nic = wire.parse_nic("net1", "name=eth1,bridge=vmbr0,rate=10,link_down=1,ip=manual")
    assert nic == Nic(
        key="net1", name="eth1", bridge="vmbr0", other=(("link_down", "1"), ("rate", "10"))
    )


def test_a_nic_without_bridge_or_address_is_readable():
    assert wire.parse_nic("net0", "name=eth0") == Nic(key="net0", name="eth0", bridge=None)


def test_addresses_have_one_spelling():
    assert wire.canonical_interface("010.0.0.1") == "010.0.0.1"
    assert wire.canonical_interface("2001:DB8::1/64") == "2001:db8::1/64"
    assert wire.canonical_interface("dhcp") == "dhcp"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("local-lvm:vm-1-disk-0,size=8G", Disk(storage="local-lvm", size_bytes=8 * 1024**3,
                                               volume="local-lvm:vm-1-disk-0")),
        ("volume=local:1/vm-1.raw,size=512M", Disk(storage="local", size_bytes=512 * 1024**2,
                                                   volume="local:1/vm-1.raw")),
        ("local:1/vm-1.raw", Disk(storage="local", size_bytes=4 * 1024**3,
                                  volume="local:1/vm-1.raw")),
        ("/srv/bind", Disk(storage="", size_bytes=4 * 1024**3, volume="/srv/bind")),
    ],
    ids=["usual", "named volume", "no size counts 4 GiB", "bind mount"],
)  # fmt: skip
def test_root_file_systems(text, expected):
    assert wire.parse_disk(text) == expected


@given(mounts(0))
def test_a_mount_survives_rendering(mount):
    existing = replace(mount, volume="local-lvm:vm-1-disk-1")
    assert wire.parse_mount("mp0", wire.render_mount(existing)) == existing


def test_a_new_mount_allocates():
    mount = Mount(key="mp0", path="/srv", storage="local", size_bytes=2 * wire.GIB)
    assert wire.render_mount(mount) == "local:2,mp=/srv"
    assert wire.render_mount(replace(mount, backup_enabled=True)) == "local:2,mp=/srv,backup=1"


def test_a_bind_mount_keeps_its_path_and_gets_no_size():
    mount = wire.parse_mount("mp1", "/srv/host,mp=/srv,ro=1,acl=0")
    assert (mount.storage, mount.size_bytes, mount.other) == ("", 0, (("ro", "1"),))
    assert wire.render_mount(mount) == "/srv/host,mp=/srv,ro=1"


def test_features_that_are_off_are_not_there():
    assert wire.parse_features("nesting=1,keyctl=0") == (("nesting", "1"),)
    assert wire.parse_features("nesting=true,mount=nfs") == (("mount", "nfs"), ("nesting", "1"))
    assert wire.parse_features("") == ()
    assert wire.render_features((("nesting", "1"), ("fuse", "1"))) == "fuse=1,nesting=1"


def test_tags_are_sorted_lower_case_and_unique():
    assert wire.parse_tags("B;a,b C") == ("a", "b", "c")
    assert wire.render_tags(["z", "A"]) == "a;z"


def test_startup_has_one_spelling():
    assert wire.parse_startup("3") == wire.parse_startup("order=3") == "order=3"
    assert wire.parse_startup("up=5,order=3,down=6") == "order=3,up=5,down=6"
    assert wire.parse_startup("") == ""


def test_name_servers_may_be_separated_by_commas():
    assert wire.parse_words("9.9.9.9, 1.1.1.1") == "9.9.9.9 1.1.1.1"


def test_a_description_survives_with_note_and_the_newline_that_proxmox_adds():
    text = wire.render_description("Ask Zoé\n- twice", MARK, "debian-13-standard")
    assert wire.parse_description(f"{text}\n") == ("Ask Zoé\n- twice", MARK, "debian-13-standard")
    assert wire.parse_description(wire.render_description("", MARK, None)) == ("", MARK, None)


def test_a_description_without_mark_is_a_note():
    assert wire.parse_description("just a note\n") == ("just a note", None, None)
    assert wire.render_description("just a note", None, "debian-13-standard") == "just a note"


def test_a_note_written_below_our_block_is_kept():
    text = wire.render_description("", MARK, None) + "\nby hand\n"
    assert wire.parse_description(text) == ("by hand", MARK, None)


def test_a_block_that_lacks_a_part_is_no_mark():
    broken = "```ctlv\ndeployment: x\nenvironment: lab\ntemplate: t\n```"
    assert wire.parse_description(broken) == ("", None, "t")


@given(containers())
def test_a_container_survives_creation_and_reading(container):
    read = found_from(container).container
    assert (
        replace(
            read,
            disk=replace(read.disk, volume=None),
            mounts=tuple(replace(mount, volume=None) for mount in read.mounts),
        )
        == container
    )


def test_a_bare_configuration_has_proxmoxs_defaults():
    read = wire.parse_container(100, "pve1", {"rootfs": "local:100/vm.raw", "net10": "name=a",
                                              "net2": "name=b"})  # fmt: skip
    assert (read.memory_mib, read.swap_mib, read.cores, read.unprivileged) == (
        512,
        512,
        None,
        False,
    )
    assert [nic.key for nic in read.nics] == ["net2", "net10"]
    assert wire.render_simple(read)["cores"] == ""


def test_creation_sends_no_password_and_no_empty_key():
    container = wire.parse_container(100, "pve1", {"rootfs": "local:8", "hostname": "web"})
    form = wire.create_params(container, ostemplate="local:vztmpl/x", ssh_keys="ssh-ed25519 A")
    assert "password" not in form
    assert "start" not in form
    assert "" not in form.values()
    assert form["ssh-public-keys"] == "ssh-ed25519 A"


def test_pending_changes_and_deletions():
    items = [
        {"key": "memory", "value": 512},
        {"key": "nameserver", "value": "1.1.1.1", "pending": "9.9.9.9"},
        {"key": "searchdomain", "value": "a.example", "delete": 1},
        {"key": "tty", "pending": "1"},
    ]
    assert wire.parse_pending(items) == (
        Pending(key="nameserver", before="1.1.1.1", after="9.9.9.9"),
        Pending(key="searchdomain", before="a.example", after=None),
        Pending(key="tty", before=None, after="1"),
    )


def test_lxcs_own_keys_are_unmanaged_also_when_one_stands_there_twice():
    pairs = [["lxc.mount.entry", "/a a"], ["lxc.mount.entry", "/b b"]]

    assert wire.unmanaged({"lxc": pairs, "tty": 2, "cores": 1}) == tuple(map(tuple, pairs))


def test_a_found_container_carries_lock_and_state():
    found = wire.parse_found(
        100,
        "pve1",
        config={"rootfs": "local:8", "lock": "backup", "digest": "abc", "template": 1},
        pending=[],
        status={"status": "running", "uptime": 5, "hastate": "started", "mem": None},
    )
    assert found.is_running
    assert (found.lock, found.digest, found.is_template, found.ha_managed) == (
        "backup",
        "abc",
        True,
        True,
    )
    assert (found.uptime_s, found.memory_used_bytes) == (5, 0)


TEMPLATES = [
    "local:vztmpl/debian-13-standard_13.9-1_amd64.tar.zst",
    "local:vztmpl/debian-13-standard_13.10-1_amd64.tar.zst",
    "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
    "local:vztmpl/alpine.tar.xz",
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("debian-13-standard", TEMPLATES[1]),
        ("debian-12-standard", TEMPLATES[2]),
        ("debian-13-standard_13.9-1_amd64.tar.zst", TEMPLATES[0]),
        ("debian-14-standard", None),
        ("alpine.tar.xz", TEMPLATES[3]),
    ],
    ids=[
        "newest by number, not by letter",
        "other release",
        "the file itself",
        "none",
        "no version",
    ],
)
def test_which_template_a_name_means(name, expected):
    assert wire.newest_template(name, TEMPLATES) == expected


def test_a_file_without_version_sorts_first():
    assert wire.version_key("alpine.tar.xz") == ()


def test_fingerprints_are_found_in_a_task_log():
    prints = "SHA256:" + "a" * 43
    log = ["Creating SSH host key 'ssh_host_ed25519_key' - this may take some time ...",
           f"done: {prints} root@web", "TASK OK"]  # fmt: skip
    assert wire.fingerprints(log) == {prints}


@pytest.mark.parametrize(
    ("nic", "paths"),
    [
        (Nic(name="eth0", bridge=None), ()),
        (Nic(name="eth0", bridge="vmbr0"), ("vmbr0",)),
        (Nic(name="eth0", bridge="vmbr0", tag=99), ("vmbr0/99",)),
        (
            Nic(name="eth0", bridge="vmbr0", tag=99, other=(("trunks", "5;7-9"),)),
            ("vmbr0/99", "vmbr0/5", "vmbr0/7", "vmbr0/9"),
        ),
    ],
)
def test_the_right_to_a_network_is_asked_for_tag_and_trunks(nic, paths):
    found = wire.network_paths(nic, desired(inventory()).containers[0])

    assert found == tuple(f"/sdn/zones/localnetwork/{path}" for path in paths)


def test_tags_follow_a_creation_in_a_pool():
    container = wire.parse_container(100, "pve1", {"rootfs": "local:8", "tags": "a;b"})
    form = wire.create_params(container, ostemplate="t", ssh_keys="k", pool="ctlv")
    assert form["pool"] == "ctlv"
    assert "tags" not in form


def test_what_the_inventory_has_no_word_for_is_listed_but_for_defaults():
    config = {
        "hostname": "web",
        "cpulimit": "2",
        "cpuunits": 100,
        "lxc": [["lxc.mount.auto", "sys:ro"]],
        "rootfs": "local:vm-1-disk-0,size=8G,mountoptions=noatime",
    }
    assert wire.unmanaged(config) == (
        ("cpulimit", "2"),
        ("lxc.mount.auto", "sys:ro"),
        ("rootfs.mountoptions", "noatime"),
    )


def test_a_start_takes_what_waits_and_keeps_the_size_that_a_volume_has():
    config = {"nameserver": "1.1.1.1", "memory": 512, "mp0": "a:v,mp=/d,size=2G"}
    waiting = [
        Pending(key="nameserver", before="1.1.1.1", after=None),
        Pending(key="memory", before="512", after="1024"),
        Pending(key="mp0", before="a:v,mp=/d,size=2G", after="a:v,mp=/d,backup=1,size=1G"),
    ]
    after = wire.after_start(config, waiting)
    assert "nameserver" not in after
    assert after["memory"] == "1024"
    assert wire.parse_props(after["mp0"]) == ("a:v", {"mp": "/d", "backup": "1", "size": "2G"})
