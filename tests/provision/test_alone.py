"""What concerns one container never hides the others, and is said in two lines of its own."""

from __future__ import annotations

import json
import re

import pytest

from provision import apply, power
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


def test_a_container_in_has_error_state_says_how_it_is_taken_out_of_it(cluster, ha):
    cluster.ct(2156).status, cluster.ct(2156).ha_state = "stopped", "error"

    assert cluster.apply() == 1
    assert "command 'ha-manager set ct:2156 --state started' failed" in cluster.out
    assert "Next: see ha-manager status; in state error: ha-manager set ct:2156 --state" in (
        cluster.out
    )


# ---------------------------------------------------------------- hands on a container of ours


def test_a_stopped_container_with_a_lock_left_behind_says_how_to_unlock_it(cluster, monkeypatch):
    monkeypatch.setattr(apply, "LOCKED_PAUSE_S", 0.01)
    cluster.apply()
    ct = cluster.ct(2156)
    ct.status, ct.lock = "stopped", "backup"

    assert cluster.apply() == 1
    assert "task vzstart 2156 failed: CT is locked (backup)" in cluster.out
    assert "a lock that no task holds, on its node: pct unlock 2156" in cluster.out


def test_one_that_moves_while_a_snapshot_is_taken_is_said_to_have_gone(cluster, able, on_request):
    cluster.apply()
    cluster.pve.nodes["pve2"] = {"online": True}

    def move(method, path):
        if path.endswith("2157/status/shutdown"):
            cluster.ct(2157).node = "pve2"

    on_request(move)

    assert cluster.run("snapshot", "--name", "one", "--yes") == 1
    assert "Next: it was destroyed or moved meanwhile: run this again" in cluster.err


def test_a_bind_mount_by_hand_is_neither_moved_nor_said_to_fit_the_inventory(cluster):
    cluster.change("web", lxc_mounts=[{"path": "/srv", "size_gib": 1}])
    cluster.change("db", lxc_mounts=[])
    cluster.apply()
    cluster.ct(2156).config["mp0"] = "/mnt/host,mp=/srv"
    cluster.ct(2157).config["mp0"] = "/mnt/host,mp=/host,ro=1"

    assert cluster.run("plan") == 2
    assert "a bind mount or device is never replaced by itself" in cluster.out
    assert "as root: pct set 2156 --delete mp0" in cluster.out
    assert "move-volume" not in cluster.out
    way = "Next: detach it by hand on pve1: pct set 2157 --delete mp0\n"
    assert cluster.out.count(way) == 1, "once for its three fields"


def test_protection_that_the_inventory_has_lifted_already_asks_for_a_second_apply(cluster):
    cluster.apply()
    cluster.ct(2156).config["protection"] = 1
    cluster.change("web", lxc_mounts=[{"path": "/srv", "size_gib": 1}])

    assert cluster.apply() == 2
    assert "Next: apply twice: the first time lifts the protection\n" in cluster.out
    assert cluster.apply() == 0
    assert cluster.run("plan") == 0


@pytest.mark.parametrize("mark", ["host: db", "environment: other"])
def test_who_carries_another_mark_is_not_said_to_be_adoptable_as_it_is(cluster, mark):
    """adopt would refuse it."""
    cluster.apply()
    config = cluster.ct(2156).config
    key = mark.partition(":")[0]
    config["description"] = re.sub(f"{key}: .*", mark, config["description"])

    assert cluster.run("plan") == 1
    (way,) = [line for line in cluster.out.splitlines() if "Next: choose" in line]
    assert "take the container over" not in way
    assert cluster.run("status") == 0
    assert cluster.out.count("\n2156 ") == 1
    if key == "host":
        assert way.endswith("--delete description, then make adopt NAME=web VMID=2156")
        del config["description"]
        assert cluster.run("adopt", "web", "--yes") == 0, cluster.err
