"""What concerns one container never hides the others, and is said in two lines of its own."""

from __future__ import annotations

import json

import pytest

from provision import power
from tests.provision.conftest import TOKEN


def strange(cluster):
    cluster.pve.cts.remove(cluster.ct(2156))
    cluster.pve.add_ct(2156, "mail", status="running")


def hidden(cluster):
    grants = cluster.pve.acl[TOKEN]
    cluster.pve.acl[TOKEN] = [(path, rights) for path, rights in grants if path != "/vms"]
    for _, rights in [grant for grant in grants if grant[0] == "/vms"]:
        cluster.pve.grant(TOKEN, "/vms/2157", *rights)


def offline(cluster):
    cluster.pve.add_node("pve2")
    cluster.ct(2156).node = "pve2"
    cluster.pve.set_node_offline("pve2")


def outside(cluster):
    """Its file lies under a node that left the cluster: every call there is a hostname lookup."""
    cluster.ct(2156).node = "pve9"


def garbled(cluster):
    cluster.ct(2156).config["rootfs"] = "local-lvm:vm-2156-disk-0,size=much"


SITUATIONS = [
    (strange, "VMID 2156 (wanted for web) belongs to a guest that this project did not create"),
    (hidden, "VMID 2156 (web): it is taken by a guest that the token cannot see"),
    (offline, "VMID 2156 (web): it lies on pve2, which is offline"),
    (outside, "VMID 2156 (web): it lies on pve9, which is no node of this cluster: pve1"),
    (garbled, "VMID 2156 (web): the configuration of VMID 2156 on pve1 cannot be understood"),
]


@pytest.fixture(params=SITUATIONS, ids=[name.__name__ for name, _ in SITUATIONS])
def situation(request, cluster):
    change, text = request.param
    assert cluster.apply() == 0
    change(cluster)
    cluster.change("db", lxc_memory_mib=1024)
    cluster.forget_calls()
    return text


def test_one_that_cannot_be_touched_keeps_plan_status_and_drift_from_no_other(cluster, situation):
    assert cluster.run("plan") == 1
    assert situation in cluster.out
    assert "memory_mib: 512 -> 1024" in cluster.out
    assert cluster.run("drift") == 2
    assert cluster.run("status") == 0
    lines = cluster.out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["2156", "web"], ["2157", "db"]]
    assert cluster.run("status", "--json") == 0
    assert [row["status"] for row in json.loads(cluster.out)] == ["unknown", "running"]
    assert cluster.run("plan", "--json") == 1
    assert cluster.writes() == []


def test_one_that_cannot_be_seen_and_whose_node_is_off_keeps_plan_from_no_other(cluster):
    """Whether it is being created is not asked of a node that no call reaches."""
    assert cluster.apply() == 0
    hidden(cluster)
    cluster.pve.add_node("pve2")
    cluster.pve.set_node_offline("pve2")
    cluster.change("web", lxc_node="pve2")
    cluster.change("db", lxc_memory_mib=1024)
    assert cluster.run("plan") == 1
    assert "it is taken by a guest that the token cannot see" in cluster.out
    assert "memory_mib: 512 -> 1024" in cluster.out


def test_apply_changes_the_others_and_fails(cluster, situation):
    assert cluster.apply() == 1
    assert situation in cluster.out
    assert cluster.ct(2157).config["memory"] == 1024
    assert not [call for call in cluster.writes() if "2156" in call[1]]


def test_destroy_does_not_call_gone_what_it_cannot_see(cluster, situation):
    """Exit 0 and "none of them exists" of a container that runs (issue 13, row 8)."""
    for names in (["web"], []):
        if not names and "belongs to a guest" in situation:
            continue
        assert cluster.run("destroy", *names, "--yes", "--stop") == 1
        assert "2156" in cluster.err
    assert cluster.writes() == []


def test_a_snapshot_of_all_wants_all(cluster, situation, able):
    assert cluster.run("snapshot", "--yes") == 1
    assert situation in cluster.err
    assert cluster.writes() == []


def test_a_template_is_never_started(cluster):
    cluster.apply()
    ct = cluster.ct(2156)
    ct.status = "stopped"
    ct.config["template"] = 1
    cluster.forget_calls()

    assert cluster.run("plan") == 1
    assert "! VMID 2156 is a template, which never runs" in cluster.out
    assert cluster.apply() == 1
    assert cluster.run("drift") == 2
    assert cluster.run("status") == 0
    assert cluster.writes() == []


def test_a_root_disk_that_grew_by_hand_is_said_with_the_line_for_the_inventory(cluster):
    cluster.apply()
    config = cluster.ct(2156).config
    config["rootfs"] = config["rootfs"].replace("size=4G", "size=6656M")

    assert cluster.run("plan") == 2
    assert "Next: set lxc_disk_gib: 6.5, or rebuild it smaller" in cluster.out


def test_a_lock_that_was_left_behind_has_its_line(cluster, monkeypatch):
    cluster.apply()
    cluster.ct(2156).lock = "backup"

    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert "wait for the task that holds the lock; when no task of it runs" in cluster.err
    assert "on pve1: pct unlock 2156" in cluster.err


def test_a_failed_tasks_log_is_asked_for_in_a_line_that_can_be_pasted(cluster):
    """A token's UPID has a "!"."""
    cluster.apply()
    cluster.ct(2156).status = "stopped"
    cluster.ct(2156).start_error = "startup for container '2156' failed"

    assert cluster.apply() == 1
    assert "pvesh get '/nodes/pve1/tasks/UPID:" in cluster.out
    assert f"{TOKEN}:/log'" in cluster.out


# ---------------------------------------------------------------- what the inventory does not steer


def test_a_field_that_is_not_steered_is_listed_by_adopt_and_when_asked(cluster):
    cluster.apply()
    config = cluster.ct(2156).config
    config |= {"cpulimit": 2, "cpuunits": 50, "tty": 2, "arch": "amd64", "hookscript": "local:x"}
    config["rootfs"] += ",mountoptions=noatime"

    assert cluster.run("plan") == 0
    assert "cpulimit" not in cluster.out
    assert cluster.run("plan", "--all-fields") == 0
    shown = [line.strip() for line in cluster.out.splitlines() if "left as it is" in line]
    assert [line.partition("left as it is: ")[2] for line in shown] == [
        "cpulimit: 2", "cpuunits: 50", "hookscript: local:x", "rootfs.mountoptions: noatime",
    ]  # fmt: skip
    assert cluster.run("adopt", "web", "--yes") == 0
    assert "left as it is: cpulimit: 2" in cluster.out


# ---------------------------------------------------------------- HA


@pytest.fixture
def ha(cluster, able):
    """Both are managed by HA: its tasks end at once, the container follows some time later."""
    assert cluster.apply() == 0
    cluster.pve.time_scale, cluster.pve.ha_delay = 0.1, 6
    cluster.manage(2156, 2157)
    return cluster.pve


def test_a_snapshot_is_ready_when_what_ran_runs_again(cluster, ha):
    """2 of 3 were down, and the restore that followed met stopped ones (issue 13, row 6)."""
    assert cluster.run("snapshot", "--name", "one", "--yes") == 0, cluster.err
    assert [ct.status for ct in cluster.pve.cts] == ["running", "running"]
    assert cluster.run("snapshot-restore", "one", "--yes") == 0, cluster.err
    assert [ct.status for ct in cluster.pve.cts] == ["running", "running"]


def test_a_shutdown_through_ha_is_waited_for_longer_than_its_own_time(cluster, ha, monkeypatch):
    monkeypatch.setattr(power, "SHUTDOWN_S", 1)
    monkeypatch.setattr(power, "HA_S", 20)
    monkeypatch.setattr(power, "TELL_EACH_S", 1)
    ha.ha_delay = 25

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0, cluster.err
    assert "web: not stopped yet after 2 s of 21" in cluster.err
