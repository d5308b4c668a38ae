"""The road from an inventory to containers, and its second and third time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.provision.situations import WEB, many


def test_two_containers_are_made_and_a_second_run_changes_nothing(cluster):
    assert cluster.apply() == 0
    cluster.forget_calls()

    assert cluster.apply() == 0

    assert "Nothing to do" in cluster.out
    assert cluster.writes() == []
    assert [ct.status for ct in cluster.pve.cts] == ["running", "running"]


def test_a_new_container_is_what_the_inventory_says(cluster):
    cluster.apply()

    config = cluster.ct(2156).config
    assert config["hostname"] == "web"
    assert config["rootfs"].endswith("size=4G")
    assert (config["memory"], config["swap"], config["cores"]) == (512, 256, 1)
    assert config["features"] == "nesting=1"
    assert config["startup"] == "order=2"
    assert config["unprivileged"] == 1
    assert "tag=2028" in config["net0"]
    assert "gw=198.18.28.1" in config["net0"]
    assert "tag=2112" in config["net1"]
    assert config["tags"] == "ctlv;ctlv-lab"
    assert "host: web" in config["description"]


def test_a_plan_asks_one_thing_a_container_and_two_of_the_cluster(cluster):
    cluster.inventory = many(8)
    cluster.apply()
    cluster.forget_calls()

    assert cluster.run("plan") == 0

    asked = [path for _, path in cluster.calls()]
    of_all = [path for path in asked if not path.endswith("/pending")]
    assert sorted(of_all) == ["cluster/resources", "nodes/pve1/lxc"]
    assert len(asked) == 8 + 2


def test_a_plan_of_a_cluster_asks_one_thing_a_node_more(cluster):
    cluster.pve.add_node("pve2")
    cluster.pve.add_node("pve3")
    cluster.inventory = spread(many(9), "pve1", "pve2", "pve3")
    assert cluster.apply() == 0
    cluster.forget_calls()

    assert cluster.run("plan") == 0

    assert len(cluster.calls()) == 9 + 3 + 1


def spread(inventory, *nodes):
    """Its containers on these nodes in turn, all of one service."""
    hosts = {
        host: {**own, "lxc_node": nodes[n % len(nodes)]}
        for n, (host, own) in enumerate(inventory.hosts.items())
    }
    return replace(inventory, hosts=hosts, groups={"web": [*hosts]})


def test_no_password_is_ever_sent_and_the_key_is(cluster):
    cluster.apply()

    creates = [
        body
        for method, path, body in cluster.pve.requests
        if method == "POST" and path.endswith("/lxc")
    ]
    assert len(creates) == 2
    assert all(b"ssh-public-keys=ssh-ed25519" in body for body in creates)
    assert not any(b"password" in body for body in creates)


def test_plan_says_what_apply_would_do_and_does_nothing(cluster):
    assert cluster.run("plan") == 2

    assert "+ 2156 web" in cluster.out
    assert "net0.tag: 2028" in cluster.out
    assert "2 to create" in cluster.out
    assert cluster.writes() == []


def test_plan_exits_0_when_nothing_differs(cluster):
    cluster.apply()

    assert cluster.run("plan") == 0
    assert "Nothing to do" in cluster.out


def test_a_plan_for_machines_holds_no_secret(cluster):
    cluster.run("plan", "--json")

    data = json.loads(cluster.out)
    assert [entry["action"] for entry in data["containers"]] == ["create", "create"]
    assert data["changes_pending"]
    assert "ssh-ed25519" not in cluster.out
    assert "11111111" not in cluster.out


def test_a_change_is_shown_old_to_new_then_made_in_place(cluster):
    cluster.apply()
    mac = cluster.ct(2156).config["net0"].partition("hwaddr=")[2][:17]
    cluster.change(
        "web",
        lxc_memory_mib=1024,
        lxc_disk_gib=6,
        lxc_nics=[WEB["lxc_nics"][0] | {"address": "198.18.28.99/24"}, WEB["lxc_nics"][1]],
        ansible_host="198.18.28.99",
    )

    cluster.run("plan")
    assert "memory_mib: 512 -> 1024" in cluster.out
    assert "rootfs.size: 4G -> 6G" in cluster.out
    assert "net0.ip: 198.18.28.156/24 -> 198.18.28.99/24" in cluster.out

    assert cluster.apply() == 0
    config = cluster.ct(2156).config
    assert config["memory"] == 1024
    assert config["rootfs"].endswith("size=6G")
    assert mac in config["net0"]
    assert "198.18.28.99/24" in config["net0"]
    assert cluster.run("plan") == 0


def test_a_disk_is_never_sent_as_rootfs(cluster):
    cluster.apply()
    cluster.change("web", lxc_disk_gib=6)
    cluster.forget_calls()

    cluster.apply()

    assert ("PUT", "nodes/pve1/lxc/2156/resize") in cluster.writes()
    assert not any(b"rootfs=" in body for _, _, body in cluster.pve.requests)


def test_a_stopped_container_is_started(cluster):
    cluster.apply()
    cluster.ct(2156).status = "stopped"

    assert cluster.run("plan") == 2
    assert "status: stopped -> running" in cluster.out
    assert cluster.apply() == 0
    assert cluster.ct(2156).status == "running"


def test_a_difference_that_stays_is_named_with_a_way_out(cluster):
    cluster.apply()
    cluster.change("web", lxc_template="debian-12-standard", lxc_cores=2)

    assert cluster.apply() == 2

    assert "! template: debian-13-standard -> debian-12-standard: needs a rebuild" in cluster.out
    assert "make destroy NAMES=web" in cluster.out
    assert cluster.ct(2156).config["cores"] == 2


def test_a_pending_change_is_reported_and_made_by_a_reboot(cluster):
    cluster.apply()
    cluster.change("web", lxc_nameserver="9.9.9.9")

    assert cluster.apply() == 0
    assert "waits for a restart: nameserver: none -> 9.9.9.9" in cluster.out
    assert cluster.run("plan") == 0
    assert "waits for a restart: nameserver" in cluster.out

    assert cluster.apply("--reboot") == 0
    assert cluster.ct(2156).config["nameserver"] == "9.9.9.9"
    assert cluster.run("plan") == 0
    assert "waits" not in cluster.out


def test_a_vmid_that_is_not_ours_is_left_alone(cluster):
    cluster.pve.add_ct(2157, "strangers-database", status="running")

    assert cluster.apply() == 1

    assert (
        "VMID 2157 (wanted for db) belongs to a guest that this project did not create"
        in cluster.out
    )
    assert "Next: choose a free lxc_vmid" in cluster.out
    assert not [call for call in cluster.writes() if "2157" in call[1]]
    assert cluster.ct(2156).status == "running"


def test_a_virtual_machine_on_our_vmid_is_refused(cluster):
    cluster.pve.add_vm(2156, "mail")

    assert cluster.apply() == 1
    assert "virtual machine 'mail'" in cluster.out
    assert not [call for call in cluster.writes() if "2156" in call[1]]


@pytest.mark.parametrize("line", ["deployment", "environment", "host"])
def test_each_part_of_the_mark_counts(cluster, line):
    cluster.apply()
    config = cluster.ct(2156).config
    config["description"] = config["description"].replace(f"{line}: ", f"{line}: x")
    cluster.forget_calls()

    assert cluster.apply() == 1
    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert cluster.writes() == []


def test_nothing_is_created_while_values_are_assumed(cluster):
    for host in ("web", "db"):
        cluster.change(host, lxc_assumed=["the bridge is vmbr0 (lxc_bridge)"])

    assert cluster.run("plan") == 2
    assert cluster.apply() == 1

    assert "the bridge is vmbr0 (lxc_bridge)" in cluster.err
    assert "empty lxc_assumed" in cluster.err
    assert cluster.writes() == []


def test_nobody_answers_for_the_operator(cluster):
    assert cluster.run("apply") == 1
    assert "Next: say --yes (make: YES=1)" in cluster.err
    assert cluster.writes() == []


# ---------------------------------------------------------------- destroy


def test_destroy_removes_the_named_container_only(cluster):
    cluster.apply()

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0

    assert [ct.vmid for ct in cluster.pve.cts] == [2157]


def test_destroy_in_the_lab_without_names_is_all_of_ours(cluster):
    cluster.apply()
    cluster.pve.add_ct(100, "stranger")

    assert cluster.run("destroy", "--yes", "--stop") == 0
    assert [ct.vmid for ct in cluster.pve.cts] == [100]
    assert cluster.run("destroy", "--yes", "--stop") == 0
    assert "Nothing to destroy" in cluster.out


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        (lambda ct: ct.config.update(protection=1), "is protected"),
        (lambda ct: ct.config.update(lock="backup"), "is locked (backup)"),
        (lambda _: None, "is running"),
    ],
    ids=["protected", "locked", "running without --stop"],
)
def test_destroy_refuses_all_before_it_touches_one(cluster, prepare, text):
    """bpg's provider shut a protected container down before Proxmox refused: an outage."""
    cluster.apply()
    cluster.ct(2156).status = "stopped"
    prepare(cluster.ct(2157))
    cluster.forget_calls()

    assert cluster.run("destroy", "--yes") == 1

    assert text in cluster.err
    assert cluster.writes() == []


def test_destroy_does_not_know_strangers(cluster):
    cluster.pve.add_ct(2157, "stranger")

    assert cluster.run("destroy", "db", "--yes") == 1
    assert "db: VMID 2157 is not ours" in cluster.err
    assert cluster.run("destroy", "mail", "--yes") == 1
    assert "mail is not a container of this environment" in cluster.err
    assert cluster.writes() == []


def test_a_shutdown_slower_than_its_time_out_ends_in_a_stop(cluster):
    cluster.apply()
    cluster.ct(2156).shutdown_secs = 3600

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0
    assert cluster.pve.ct(2156) is None


def test_a_destroyed_container_can_be_made_again(cluster):
    cluster.apply()
    cluster.run("destroy", "--yes", "--stop")

    assert cluster.apply() == 0
    assert len(cluster.pve.cts) == 2


# ---------------------------------------------------------------- status


def test_status_is_one_line_a_container(cluster):
    cluster.inventory = many(3)
    cluster.apply()
    cluster.ct(3001).status = "stopped"
    cluster.ct(3002).config["cores"] = 7

    assert cluster.run("status") == 0

    lines = cluster.out.splitlines()
    assert len(lines) == 4
    assert "198.18.28.2" in lines[1]
    assert lines[2].split()[3] == "stopped"
    assert lines[3].endswith("cores")


def test_status_shows_what_is_missing(cluster):
    cluster.run("status")

    assert "missing" in cluster.out


def test_status_for_machines(cluster):
    cluster.apply()
    cluster.run("status", "--json")

    rows = json.loads(cluster.out)
    assert [(row["vmid"], row["status"], row["drift"]) for row in rows] == [
        (2156, "running", []),
        (2157, "running", []),
    ]


# ---------------------------------------------------------------- cost


@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_plan_with_nothing_to_do_costs_two_requests_a_container_and_few_more(cluster, count):
    cluster.inventory = many(count)
    cluster.apply()
    cluster.forget_calls()

    assert cluster.run("plan") == 0

    assert len(cluster.calls()) <= 2 * count + 6
