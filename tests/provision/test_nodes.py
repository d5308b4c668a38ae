"""Containers on several nodes, over a cluster that answers."""

from __future__ import annotations

import asyncio
import re

import pytest

from provision import cli
from provision.proxmox import Proxmox
from tests.provision.conftest import TOKEN
from tests.provision.test_placement import webs


def test_provision_makes_the_first_and_refuses_the_second_on_the_same_node(cluster):
    cluster.inventory = webs("pve1", "pve1")
    cluster.pve.add_node("pve2")

    assert cluster.apply() == 1
    assert [ct.vmid for ct in cluster.pve.cts] == [3000]
    assert "! VMID 3001 (ct001): pve1 is for ct000 of web too" in cluster.out
    assert "Next: set lxc_node: pve2 in inventory/lab/host_vars/ct001/container.yml" in cluster.out

    cluster.inventory = webs("pve1", "pve2")
    assert cluster.apply() == 0
    assert cluster.ct(3001).node == "pve2"


@pytest.mark.parametrize(
    ("nodes", "others", "line"),
    [
        (["pve1", "pve1"], [], "note  placement: web: all 2 on pve1, the only node for them"),
        (["pve1", "pve2"], ["pve2"], "ok    placement: web: 2 on 2 nodes"),
        (["pve1", "pve1"], ["pve2"], "note  placement: web: ct000, ct001 on pve1, of 2 nodes"),
    ],
)
def test_doctor_says_how_the_containers_of_a_service_lie(cluster, healthy, nodes, others, line):
    cluster.inventory = webs(*nodes)
    for node in {*nodes} - {"pve1"}:
        cluster.pve.add_node(node)
    assert cluster.apply() == 0
    for node in others:
        cluster.pve.add_node(node)

    cluster.run("doctor")

    assert line in cluster.out


@pytest.fixture
def elsewhere(cluster):
    """Both run on pve1, and web shall be on pve2."""
    assert cluster.apply() == 0
    cluster.pve.add_node("pve2")
    cluster.pve.grant(TOKEN, "/vms", "VM.Migrate")
    cluster.change("web", lxc_node="pve2")
    cluster.forget_calls()
    return cluster


def test_a_changed_node_is_shown_and_left_until_a_restart_is_allowed(elsewhere):
    assert elsewhere.run("plan") == 2
    assert "! node: pve1 -> pve2: a running container moves by a restart" in elsewhere.out
    assert elsewhere.run("drift") == 2
    assert elsewhere.apply() == 2
    assert elsewhere.writes() == []


def test_with_a_restart_it_is_moved_once_and_runs_there(elsewhere):
    assert elsewhere.apply("--reboot") == 0, elsewhere.out

    assert "web: moving to pve2" in elsewhere.err
    assert "moved to pve2" in elsewhere.out
    web = elsewhere.ct(2156)
    assert (web.node, web.status) == ("pve2", "running")
    assert len(elsewhere.calls("POST", "migrate")) == 1
    assert elsewhere.run("plan") == 0


def test_a_stopped_one_needs_no_leave(elsewhere):
    elsewhere.ct(2156).status = "stopped"

    assert elsewhere.apply() == 0, elsewhere.out
    assert (elsewhere.ct(2156).node, elsewhere.ct(2156).status) == ("pve2", "running")


@pytest.mark.parametrize("status", [595, 596])
def test_a_node_that_dies_while_this_runs_is_named_and_the_others_are_shown(
    cluster, healthy, monkeypatch, status
):
    """/cluster/resources goes on saying online for some seconds."""
    monkeypatch.setattr(
        cli, "Proxmox", lambda endpoint, **more: Proxmox(endpoint, **{**more, "retry_for_s": 0.2})
    )
    cluster.inventory = webs("pve1", "pve2")
    cluster.pve.add_node("pve2")
    assert cluster.apply() == 0
    for path in ("lxc", "lxc/3001/pending", "storage", "network", "time"):
        cluster.pve.fail("GET", f"/nodes/pve2/{path}", status, "No route to host", times=None)

    assert cluster.run("status") == 0
    assert re.search(r"3000 +ct000 +pve1 +running", cluster.out)
    assert re.search(
        r"3001 +ct001 +- +unknown.*the node pve2 (does not answer|was lost)", cluster.out
    )
    assert cluster.run("plan") == 1
    assert "3001 ct001" in cluster.out and "3000 ct000" not in cluster.out
    assert cluster.run("doctor") == 1
    assert "ok    bridge: vmbr0 on pve1" in cluster.out
    assert re.search(r"BAD   bridge: the node pve2 (does not answer|was lost)", cluster.out)


def test_doctor_asks_nothing_of_a_node_that_is_off(cluster, healthy):
    cluster.inventory = webs("pve1", "pve2")
    cluster.pve.add_node("pve2")
    assert cluster.apply() == 0
    cluster.pve.set_node_offline("pve2")
    cluster.forget_calls()

    assert cluster.run("doctor") == 1
    assert "BAD   nodes: pve2 is offline" in cluster.out
    assert "ok    bridge: vmbr0 on pve1" in cluster.out
    assert cluster.calls("GET", "nodes/pve2") == []


def test_under_ha_it_is_waited_for_after_its_task(elsewhere, monkeypatch):
    """The task ends when HA was asked, and nothing has moved."""
    elsewhere.manage(2156)
    task = elsewhere.pve._ct_task

    async def ask_ha(ct, kind, user, body, **more):
        async def later():
            asyncio.get_running_loop().call_later(2, setattr, ct, "node", "pve2")

        return await task(ct, kind, user, later if kind == "hamigrate" else body, **more)

    monkeypatch.setattr(elsewhere.pve, "_ct_task", ask_ha)

    assert elsewhere.apply("--reboot") == 0, elsewhere.out
    assert "web: waiting for HA to move it to pve2" in elsewhere.err
    assert (elsewhere.ct(2156).node, elsewhere.ct(2156).status) == ("pve2", "running")


def test_a_token_that_may_not_migrate_says_what_root_types(elsewhere):
    elsewhere.pve.acl[TOKEN] = [
        (path, {p for p in own if p != "VM.Migrate"}) for path, own in elsewhere.pve.acl[TOKEN]
    ]

    assert elsewhere.apply("--reboot") == 1
    assert "lacks VM.Migrate on /vms/2156" in elsewhere.out
    assert "as root: pct migrate 2156 NODE --restart" in elsewhere.out
