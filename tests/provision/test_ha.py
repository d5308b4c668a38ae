"""High availability as the inventory says it, on a cluster that answers as Proxmox VE 9 and 8."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provision.ha import normal
from provision.inventory import Inventory
from tests.lab.labs import wait_until
from tests.provision.conftest import STORAGE_PRIVILEGES, TOKEN
from tests.provision.test_placement import webs

NODES = ("pve1", "pve2", "pve3")


def three(**changes):
    """A web container on each of two nodes, a database on the third."""
    own = {"lxc_storage": "ceph", "lxc_ha": True, "lxc_mounts": []} | changes
    found = webs(*NODES, **own)
    hosts = [*found.hosts]
    return Inventory(
        environment="lab", hosts=found.hosts, groups={"web": hosts[:2], "database": hosts[2:]}
    )


@pytest.fixture
def shared(cluster):
    """Three nodes with a storage for all, and a token that may do HA."""
    for node in NODES[1:]:
        cluster.pve.add_node(node)
    cluster.pve.storages["ceph"] = {
        "type": "rbd", "active": 1, "shared": 1, "content": "rootdir,images", "files": set(),
    }  # fmt: skip
    cluster.pve.grant(TOKEN, "/vms", "VM.Migrate")
    cluster.pve.grant(TOKEN, "/storage/ceph", *STORAGE_PRIVILEGES)
    cluster.pve.grant(TOKEN, "/", "Sys.Audit", "Sys.Console")
    cluster.pve.ha_delay = 0.1
    cluster.inventory = three()
    return cluster


@pytest.fixture
def managed(shared):
    assert shared.apply() == 0, shared.out + shared.err
    # HA looks at its rules some time after they were made.
    wait_until(lambda: not shared.pve._workers)
    shared.forget_calls()
    return shared


def kept(cluster, kind):
    return {name: {k: v for k, v in own.items() if k not in ("type", "digest")}
            for name, own in cluster.pve.ha[kind].items()}  # fmt: skip


APART = {"affinity": "negative", "resources": "ct:3000,ct:3001"}


def test_the_plan_shows_what_ha_gets_and_asks_nothing_where_it_is_not_declared(shared):
    assert shared.run("plan") == 2

    assert "+ HA ct:3000\n    state: started\n" in shared.out
    assert "+ HA rule ctlv-lab-ct000\n    type: node-affinity\n" in shared.out
    assert "+ HA rule ctlv-lab-web-apart\n    type: resource-affinity\n" in shared.out
    assert shared.out.endswith("Plan: 3 to create, 0 to change, 0 match, 7 of HA.\n")
    assert shared.run("plan", "--json") == 2
    assert [entry["action"] for entry in json.loads(shared.out)["ha"]] == ["create"] * 7

    shared.inventory = webs("pve1", lxc_storage="ceph")
    shared.forget_calls()
    shared.run("plan")
    assert shared.calls("GET", "cluster/ha") == []


def test_apply_makes_resources_and_rules_and_a_second_run_changes_nothing(managed):
    assert kept(managed, "resources") == {
        f"ct:{n}": {"state": "started"} for n in range(3000, 3003)
    }
    rules = kept(managed, "rules")
    assert rules["ctlv-lab-web-apart"] == APART
    assert rules["ctlv-lab-ct001"] == {"resources": "ct:3001", "nodes": "pve2"}
    assert len(rules) == 4

    assert managed.apply() == 0
    assert managed.run("plan") == 0
    assert managed.run("drift") == 0
    assert managed.writes() == []


CHANGES = [
    (lambda ha: ha["rules"].pop("ctlv-lab-web-apart"), "+ HA rule ctlv-lab-web-apart"),
    (lambda ha: ha["rules"]["ctlv-lab-ct000"].update(nodes="pve3"), "    nodes: pve3 -> pve1"),
    (lambda ha: ha["resources"]["ct:3001"].update(state="disabled"),
     "~ HA ct:3001\n    state: disabled -> started"),
    (lambda ha: ha["rules"].update({"ctlv-lab-old": {"type": "node-affinity",
                                                     "resources": "ct:3000", "nodes": "pve1"}}),
     "- HA rule ctlv-lab-old"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line"), CHANGES, ids=["gone", "node", "disabled", "left over"])
def test_what_somebody_changed_is_drift_and_put_back(managed, change, line):
    change(managed.pve.ha)

    assert managed.run("drift") == 2
    assert line in managed.out
    assert managed.apply() == 0, managed.out
    assert kept(managed, "rules")["ctlv-lab-web-apart"] == APART
    assert managed.run("plan") == 0


def test_rules_of_others_are_none_of_ours(managed):
    """Another environment's name begins with ours, and somebody keeps one of ours near theirs."""
    rule = {"type": "node-affinity", "resources": "ct:999", "nodes": "pve1"}
    managed.pve.ha["rules"] |= {
        "ctlv-lab-2-web": dict(rule),
        "mine": rule | {"resources": "ct:3000"},
    }

    assert managed.run("plan") == 0


def test_a_lost_node_takes_no_rule_of_its_containers_along(managed):
    managed.pve.set_node_offline("pve2")

    assert managed.run("plan") == 1
    assert "VMID 3001 (ct001): it lies on pve2, which is offline" in managed.out
    assert "HA" not in managed.out.replace("of HA", "")
    assert managed.apply() == 1
    assert managed.writes() == []


def test_false_takes_a_container_out_and_no_word_leaves_it_as_it_is(managed):
    managed.change("ct002", lxc_ha=False)

    assert managed.apply() == 0, managed.out
    assert set(kept(managed, "resources")) == {"ct:3000", "ct:3001"}
    assert "ctlv-lab-ct002" not in kept(managed, "rules")

    for hosts in (["ct001"], ["ct000", "ct001", "ct002"]):
        without = {name: {k: v for k, v in own.items() if name not in hosts or k != "lxc_ha"}
                   for name, own in managed.inventory.hosts.items()}  # fmt: skip
        managed.inventory = replace(managed.inventory, hosts=without, groups={})
        managed.pve.ha["rules"].pop("ctlv-lab-web-apart", None)
        assert managed.run("plan") == 0, hosts
    assert set(kept(managed, "resources")) == {"ct:3000", "ct:3001"}


def test_a_changed_node_changes_the_rule_when_a_restart_is_allowed(managed):
    managed.change("ct002", lxc_node="pve1")

    assert managed.apply() == 2
    assert kept(managed, "rules")["ctlv-lab-ct002"]["nodes"] == "pve3", "HA would restart it"
    assert managed.apply("--reboot") == 0, managed.out
    assert kept(managed, "rules")["ctlv-lab-ct002"]["nodes"] == "pve1"
    assert managed.ct(3002).node == "pve1"
    assert managed.run("plan") == 0


def test_local_storage_is_refused_with_what_helps_instead(shared):
    shared.change("ct002", lxc_storage="local-lvm")

    assert shared.apply() == 2
    assert (
        "! HA ct:3002: local-lvm is no shared storage: HA could start it on no other" in shared.out
    )
    assert "more containers of its service, on other nodes" in shared.out
    assert set(kept(shared, "resources")) == {"ct:3000", "ct:3001"}


def test_more_of_a_service_than_nodes_are_not_kept_apart(shared):
    """Proxmox refuses such a rule: it could never be kept."""
    shared.inventory = webs("pve1", "pve2", "pve3", "pve1", lxc_storage="ceph", lxc_ha=True)

    assert shared.apply() == 0, shared.out
    assert "ctlv-lab-web-apart" not in kept(shared, "rules")


def test_destroying_takes_it_out_of_ha(managed):
    assert managed.run("destroy", "ct002", "--yes", "--stop") == 0, managed.err

    assert "ct:3002" not in kept(managed, "resources")
    assert "ctlv-lab-ct002" not in kept(managed, "rules")


def test_on_proxmox_8_a_group_prefers_the_node(shared):
    shared.pve.version = "8.4.1"

    assert shared.apply() == 0, shared.out
    assert kept(shared, "groups") == {f"ctlv-lab-{node}": {"nodes": node} for node in NODES}
    assert kept(shared, "resources")["ct:3001"] == {"state": "started", "group": "ctlv-lab-pve2"}
    assert shared.run("plan") == 0

    shared.change("ct002", lxc_node="pve1")
    assert shared.apply("--reboot") == 0, shared.out
    assert sorted(kept(shared, "groups")) == ["ctlv-lab-pve1", "ctlv-lab-pve2"]
    assert shared.run("plan") == 0, shared.out


def test_a_token_without_the_rights_is_told_and_the_containers_are_shown(shared, healthy):
    shared.pve.acl[TOKEN] = [entry for entry in shared.pve.acl[TOKEN] if entry[0] != "/"]

    assert shared.run("plan") == 2
    assert "! HA: the token ctlv@pve!test lacks Sys.Audit on /" in shared.out
    assert "3 to create" in shared.out
    assert shared.run("doctor") == 1
    assert "lacks Sys.Audit, Sys.Console on /\n" in shared.out
    assert 'pveum role add CTLVHA --privs "Sys.Audit Sys.Console"' in shared.out
    assert "pveum acl modify / --users ctlv@pve --roles CTLVHA" in shared.out


def test_doctor_says_what_ha_lacks(shared, healthy):
    assert shared.run("doctor") == 0, shared.out
    assert "ok    HA: 3 containers can start on another node" in shared.out

    shared.change("ct002", lxc_storage="local-lvm")
    assert shared.run("doctor") == 1
    assert "BAD   HA: HA ct:3002: local-lvm is no shared storage" in shared.out


def test_doctor_says_that_two_nodes_are_too_few(shared, healthy):
    shared.inventory = webs("pve1", "pve2", lxc_storage="ceph", lxc_ha=True)
    del shared.pve.nodes["pve3"]

    shared.run("doctor")

    assert "note  HA: 2 nodes: with one lost the rest has no quorum" in shared.out


def test_a_refusal_of_proxmox_is_told_and_keeps_no_container_back(shared):
    shared.pve.fail("POST", "/cluster/ha/resources", 500, "no quorum!")

    assert shared.apply() == 1
    assert "HA ct:3000: Proxmox refuses POST cluster/ha/resources: 500 no quorum!" in shared.out
    assert {ct.status for ct in shared.pve.cts} == {"running"}


@pytest.mark.parametrize(
    ("key", "value", "same"),
    [
        ("resources", "ct:2, ct:1", "ct:1,ct:2"),
        ("nodes", "b:0;a:2", "a:2,b"),
        ("state", "enabled", "started"),
        ("comment", "b,a", "b,a"),
    ],
)
def test_what_means_the_same_is_written_in_one_way(key, value, same):
    assert normal(key, value) == same
