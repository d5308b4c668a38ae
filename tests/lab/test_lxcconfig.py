"""LXC's configuration, for each kind of machine. What this machine has not is tested only here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.guest import parse_guest
from lab.lxcconfig import Surroundings, cpu_set, host_link, limits, port_name, render
from lab.machine import Machine, look

MIB = 1024**2
OLD = Machine(unified=False, apparmor=False, cpus=(0, 1), swap_limit=True)
NEW = Machine(unified=True, apparmor=True, cpus=(0, 1), swap_limit=True)
AROUND = Surroundings(
    lab="ctlv-t",
    netns="ctlv-t",
    id_base=1_000_000,
    rootfs=Path("/run/x/rootfs"),
    disks=Path("/run/x/disks"),
    attach_nic=Path("/somewhere/with space/attach-nic"),
    lxcfs=Path("/run/x/lxcfs"),
)
GUEST = parse_guest(
    9,
    {
        "hostname": "web",
        "memory": 256,
        "swap": 128,
        "cores": 1,
        "cpulimit": "0.5",
        "features": "nesting=1",
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,tag=2028,mtu=1400",
        "rootfs": "local:9/vm-9-disk-0.raw,size=4G",
        "mp0": "local:9/vm-9-disk-1.raw,mp=/srv/data,ro=1,size=1G",
    },
)


def lines(machine: Machine, around: Surroundings = AROUND) -> list[str]:
    return render(GUEST, machine, around).splitlines()


def test_the_container_is_unprivileged_in_the_labs_own_range():
    assert "lxc.idmap = u 0 1000000 65536" in lines(OLD)
    assert "lxc.idmap = g 0 1000000 65536" in lines(OLD)


def test_the_bridge_is_left_to_the_script_which_knows_the_namespace():
    found = lines(OLD)

    assert not [line for line in found if line.startswith("lxc.net.0.link")]
    assert (
        "lxc.net.0.script.up = '/somewhere/with space/attach-nic' ctlv-t vmbr0v2028 veth9i0"
        in found
    )
    assert "lxc.net.0.hwaddr = bc:24:11:00:00:01" in found


def test_apparmor_is_used_where_the_kernel_has_it():
    assert "lxc.apparmor.profile = unconfined" in lines(OLD)
    assert {"lxc.apparmor.profile = generated", "lxc.apparmor.allow_nesting = 1"} <= {*lines(NEW)}


def test_limits_of_cgroup_version_1():
    assert limits(GUEST, OLD) == [
        ("lxc.cgroup.memory.limit_in_bytes", str(256 * MIB)),
        ("lxc.cgroup.memory.memsw.limit_in_bytes", str(384 * MIB)),
        ("lxc.cgroup.cpuset.cpus", "1"),
        ("lxc.cgroup.cpu.cfs_quota_us", "50000"),
        ("lxc.cgroup.cpu.shares", "1024"),
    ]


def test_limits_of_cgroup_version_2():
    assert limits(GUEST, NEW) == [
        ("lxc.cgroup2.memory.max", str(256 * MIB)),
        ("lxc.cgroup2.memory.swap.max", str(128 * MIB)),
        ("lxc.cgroup2.cpuset.cpus", "1"),
        ("lxc.cgroup2.cpu.max", "50000 100000"),
        ("lxc.cgroup2.cpu.weight", "100"),
    ]


def test_a_kernel_without_swap_accounting_is_not_asked_for_it():
    found = dict(limits(GUEST, replace(OLD, swap_limit=False)))

    assert "lxc.cgroup.memory.memsw.limit_in_bytes" not in found


@pytest.mark.parametrize(
    ("vmid", "cores", "expected"),
    [(8, 1, "0"), (9, 1, "1"), (8, 2, "0,1"), (8, 64, "0,1"), (8, None, "0,1")],
    ids=["even", "odd", "all", "more than there are", "not limited"],
)
def test_processors_are_spread(vmid, cores, expected):
    assert cpu_set(replace(GUEST, vmid=vmid, cores=cores), OLD) == expected


def test_a_mount_point_is_bound_from_its_disk():
    assert (
        "lxc.mount.entry = /run/x/disks/vm-9-disk-1 srv/data none bind,create=dir,ro 0 0"
        in lines(OLD)
    )


def test_without_lxcfs_nothing_is_bound_over_proc():
    assert not [line for line in lines(OLD, replace(AROUND, lxcfs=None)) if "proc/" in line]


def test_names_fit_into_an_interface_name_and_differ_between_labs():
    port = port_name(999_999, GUEST.nics[0])

    assert port == "veth999999i0"
    links = {host_link(lab, port) for lab in ("ctlv-lab", "ctlv-t-1", "ctlv-t-2")}
    assert len(links) == 3
    assert max(map(len, links)) <= 15


@pytest.mark.parametrize(
    ("files", "unified", "apparmor", "swap_limit"),
    [
        pytest.param({"cgroup.controllers": ""}, True, False, True, id="version 2"),
        pytest.param({"memory/x": ""}, False, False, False, id="version 1"),
        pytest.param(
            {"memory/memory.memsw.limit_in_bytes": ""}, False, False, True, id="1 with swap"
        ),
        pytest.param({"enabled": "Y\n"}, False, True, False, id="AppArmor"),
        pytest.param({"enabled": "N\n"}, False, False, False, id="AppArmor off"),
    ],
)
def test_the_machine_is_looked_at(tmp_path, files, unified, apparmor, swap_limit):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    # Any program stands for the parser, which this machine may lack.
    found = look(cgroups=tmp_path, apparmor=tmp_path / "enabled", parser="sh")

    assert (found.unified, found.apparmor, found.swap_limit) == (unified, apparmor, swap_limit)
