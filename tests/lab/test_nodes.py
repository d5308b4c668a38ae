"""A cluster of several nodes, copies of containers and pools, over a dictionary."""

from __future__ import annotations

import json

import pytest

from lab import lifecycle, settings
from lab.certificates import CA_FILE
from lab.errors import LabError
from tests.lab.labs import LXC, wait_until
from tests.lab.support import NODE, OTHER, TOKEN, Client, creation, served

THERE = f"/nodes/{OTHER}/lxc"
HA = "/cluster/ha"


@pytest.fixture
def container(api):
    api.done("POST", LXC, **creation(description="ctlv:abc", tags="ctlv"))
    return 2156


@pytest.fixture
def shared(api):
    """A container whose disks are on the shared storage."""
    api.pve.ha_delay, api.pve.fence_delay = 0.2, 0.2
    api.done("POST", LXC, **creation(rootfs="ceph:4"))
    return 2156


# ---------------------------------------------------------------------- migration


@pytest.mark.parametrize("storage", ["local", "ceph"])
def test_a_stopped_container_moves_with_its_disks(api, root, runtime, storage):
    api.done("POST", LXC, **creation(rootfs=f"{storage}:4"))

    log = root.done("POST", f"{LXC}/2156/migrate", target=OTHER)

    assert ("copied" in str(log)) == (storage == "local")
    assert api.ask("GET", f"{LXC}/2156/config").status_code == 500
    assert api.data("GET", f"{THERE}/2156/config")["hostname"] == "ct-2156"
    api.done("POST", f"{THERE}/2156/status/start")
    assert runtime.running


def test_a_running_container_moves_by_a_restart_alone(api, root, runtime, container):
    api.done("POST", f"{LXC}/{container}/status/start")

    refused = root.ask("POST", f"{LXC}/{container}/migrate", target=OTHER)
    root.done("POST", f"{LXC}/{container}/migrate", target=OTHER, restart=1)

    assert refused.reason == "can't migrate running container without --online or --restart"
    assert [call[0] for call in runtime.calls][-2:] == ["shutdown", "start"]
    assert api.data("GET", f"{THERE}/{container}/status/current")["status"] == "running"


def test_a_container_moves_to_no_node_that_is_off_or_lacks_its_storage(api, root, container):
    api.pve.set_node_offline("srv-px7")
    api.pve.storages["local"]["nodes"] = f"{NODE},srv-px7"

    for target, reason in (
        ("srv-px7", "ERROR: Can't connect to destination address using public key"),
        (OTHER, f"ERROR: storage 'local' is not available on node '{OTHER}'"),
    ):
        status, log = api.task(root.data("POST", f"{LXC}/{container}/migrate", target=target))
        assert (status, log[-2]) == ("migration aborted", reason)
    assert api.config(container)["hostname"] == "ct-2156"


def test_under_ha_the_task_of_a_migration_ends_before_it_has_begun(api, root, shared):
    root.data("POST", f"{HA}/resources", sid="ct:2156", state="started")
    wait_until(lambda: api.state(shared) == "running")

    log = root.done("POST", f"{LXC}/{shared}/migrate", target=OTHER, restart=1)

    assert log[0] == f"Requesting HA migration for CT 2156 to node {OTHER}"
    assert api.state(shared) == "running"
    wait_until(lambda: status_at(api, OTHER) == "running")


def status_at(api, node):
    answer = api.ask("GET", f"/nodes/{node}/lxc/2156/status/current")
    return answer.json()["data"]["status"] if answer.status_code == 200 else None


# ---------------------------------------------------------------------- a power cut


@pytest.fixture
def switch(api, tmp_path):
    """`python -m lab node-down` and `node-up`, on this API."""
    lab = settings.Settings(state=tmp_path, name="ctlv-t-nodes")
    settings.save(lab)
    known = {"api_url": api.url.removesuffix("/api2/json"), "ca_file": str(tmp_path / CA_FILE)}
    known |= {"token_id": TOKEN[0], "token_secret": TOKEN[1]}
    lab.lab_file.write_text(json.dumps(known))
    (tmp_path / "root-token").write_text("switch")
    api.pve.apitokens[settings.ROOT_ID] = "switch"
    said = []

    def turn(node, *, is_on=False):
        lifecycle.power(tmp_path, node, is_on=is_on, say=said.append)
        return said[-1]

    return turn


def test_a_power_cut_ends_everything_on_the_node_at_once_and_nothing_elsewhere(
    api, root, runtime, switch
):
    for vmid, node in ((2156, NODE), (2157, NODE), (2158, OTHER)):
        api.done("POST", f"/nodes/{node}/lxc", **creation(vmid))
        api.done("POST", f"/nodes/{node}/lxc/{vmid}/status/start")

    assert switch(NODE) == f"{NODE} is off, with 2 container(s): 2156, 2157"

    assert set(runtime.running) == {2158}
    assert "shutdown" not in [call[0] for call in runtime.calls]
    refused = api.ask("GET", f"{LXC}/2156/config")
    assert (refused.status_code, refused.reason) == (595, "No route to host")
    states = {i["node"]: i["status"] for i in api.data("GET", "/nodes")}
    assert states == {NODE: "offline", OTHER: "online", "srv-px7": "online"}
    told = root.data("GET", "/cluster/status")
    assert [e["name"] for e in told if e["type"] == "node" and not e["online"]] == [NODE]
    guests = api.data("GET", "/cluster/resources", type="vm")
    assert {g["vmid"]: g["status"] for g in guests} == {
        2156: "unknown", 2157: "unknown", 2158: "running"
    }  # fmt: skip
    assert switch(NODE), "once more is harmless"


@pytest.mark.parametrize("storage", ["ceph", "local"])
def test_ha_takes_over_what_is_on_shared_storage_alone(api, root, runtime, switch, storage):
    api.pve.ha_delay, api.pve.fence_delay = 0.2, 0.2
    api.done("POST", LXC, **creation(rootfs=f"{storage}:4"))
    root.data("POST", f"{HA}/resources", sid="ct:2156")
    rule = {"rule": "near", "type": "node-affinity", "resources": "ct:2156"}
    root.data("POST", f"{HA}/rules", **rule, nodes=f"{NODE}:3,srv-px7:2,{OTHER}:1")
    wait_until(lambda: api.state(2156) == "running")

    switch(NODE)

    if storage == "local":
        wait_until(lambda: api.pve.ct(2156).ha_state == "recovery")
        assert not runtime.running
    else:
        wait_until(lambda: status_at(api, "srv-px7") == "running")


def test_what_starts_on_boot_starts_when_the_power_is_back(api, runtime, switch):
    for vmid, onboot in ((2156, 1), (2157, 0)):
        api.done("POST", LXC, **creation(vmid, onboot=onboot))
        api.done("POST", f"{LXC}/{vmid}/status/start")
    switch(NODE)

    assert switch(NODE, is_on=True) == f"{NODE} is on, with 2 container(s): 2156, 2157"

    wait_until(lambda: api.state(2156) == "running")
    assert api.state(2157) == "stopped"


def test_without_most_of_its_nodes_the_cluster_writes_nothing(api, container, switch):
    switch("srv-px7")
    assert api.ask("PUT", f"{LXC}/{container}/config", memory=640).status_code == 200
    switch(OTHER)

    refused = api.ask("PUT", f"{LXC}/{container}/config", memory=768)

    assert "no quorum" in refused.text
    switch(OTHER, is_on=True)
    assert api.ask("PUT", f"{LXC}/{container}/config", memory=768).status_code == 200


def test_a_node_that_there_is_not_is_said(switch):
    with pytest.raises(LabError, match="the lab has no node 'srv-px9'") as error:
        switch("srv-px9")

    assert error.value.next_step == "give one of these: srv-px5, srv-px6, srv-px7"


def test_the_switch_is_roots_alone(api):
    url = api.url.removesuffix("/api2/json")

    assert api.session.post(f"{url}/lab/nodes/{NODE}/off", timeout=5).status_code == 403
    assert api.data("GET", "/nodes")[0]["status"] == "online"


def test_a_lab_that_is_not_up_has_no_switch(tmp_path):
    with pytest.raises(LabError, match="is not up"):
        lifecycle.power(tmp_path, NODE, is_on=False, say=print)


# ---------------------------------------------------------------------- HA, and where


AFFINITY = {"type": "node-affinity", "nodes": f"{NODE}:1"}
APART = {"type": "resource-affinity", "affinity": "negative"}


def test_what_ha_took_elsewhere_comes_back_with_its_node(api, root, runtime, shared, switch):
    root.data("POST", f"{HA}/resources", sid="ct:2156")
    root.data("POST", f"{HA}/rules", rule="near", resources="ct:2156", **AFFINITY)
    wait_until(lambda: api.state(shared) == "running")
    switch(NODE)
    wait_until(lambda: status_at(api, OTHER) == "running")

    switch(NODE, is_on=True)

    wait_until(lambda: status_at(api, NODE) == "running")


def test_ha_keeps_apart_what_shall_lie_apart(api, root, switch):
    api.pve.ha_delay, api.pve.fence_delay = 0.2, 0.2
    for vmid, node in ((2156, NODE), (2157, OTHER)):
        api.done("POST", f"/nodes/{node}/lxc", **creation(vmid, rootfs="ceph:4"))
        root.data("POST", f"{HA}/resources", sid=f"ct:{vmid}")
    root.data("POST", f"{HA}/rules", rule="apart", resources="ct:2156,ct:2157", **APART)
    wait_until(lambda: api.state(2156) == "running")

    switch(NODE)

    wait_until(lambda: status_at(api, "srv-px7") == "running")


def test_a_rule_that_is_changed_moves_what_it_is_about(api, root, shared):
    root.data("POST", f"{HA}/resources", sid="ct:2156")
    root.data("POST", f"{HA}/rules", rule="near", resources="ct:2156", **AFFINITY)
    wait_until(lambda: api.state(shared) == "running")

    root.data("PUT", f"{HA}/rules/near", type="node-affinity", nodes=f"{OTHER}:1")

    wait_until(lambda: status_at(api, OTHER) == "running")


@pytest.mark.parametrize(
    ("rule", "errors"),
    [
        ({"type": "node-affinity", "resources": "ct:2156"}, {"nodes"}),
        ({**AFFINITY, "resources": "ct:2156", "wings": 1}, {"wings"}),
        ({"type": "beside", "resources": "ct:2156"}, {"type", "resources"}),
        ({**APART, "resources": "ct:2156", "nodes": NODE}, {"nodes"}),
        ({**APART, "resources": "ct:2156"}, {"resources"}),
    ],
    ids=["no nodes", "unknown", "unknown type", "of the other type", "apart from nobody"],
)
def test_a_rule_is_checked_by_the_schema_of_its_type(root, shared, rule, errors):
    root.data("POST", f"{HA}/resources", sid="ct:2156", state="stopped")

    refused = root.ask("POST", f"{HA}/rules", rule="new", **rule)

    assert refused.status_code == 400
    assert set(refused.json()["errors"]) == errors
    assert root.data("GET", f"{HA}/rules") == []


# ---------------------------------------------------------------------- copies


def test_a_copy_has_the_mark_the_name_and_disks_of_its_own(api, root, runtime, container):
    root.done("POST", f"{LXC}/{container}/clone", newid=9001)

    ours, copy = api.config(container), api.config(9001)
    for key in ("description", "hostname", "tags"):
        assert copy[key] == ours[key]
    assert copy["rootfs"] == "local:9001/vm-9001-disk-0.raw,size=4G"
    assert copy["net0"] != ours["net0"], "the MAC is its own"
    assert ("copy", 2156, 9001, None) in runtime.calls
    assert "lock" not in ours and "lock" not in copy


def test_a_copy_that_fails_leaves_nothing(api, root, runtime, container):
    runtime.fails["copy"] = "No space left on device"

    status, _ = api.task(root.data("POST", f"{LXC}/{container}/clone", newid=9001))

    assert status == "No space left on device"
    assert [ct["vmid"] for ct in api.data("GET", LXC)] == [container]


@pytest.fixture
def archive(api, root, container):
    api.data("PUT", f"{LXC}/{container}/config", mp0="local:1,mp=/srv")
    api.done("POST", f"{LXC}/{container}/status/start")
    root.done("POST", f"/nodes/{NODE}/vzdump", vmid=str(container))
    (found,) = root.data("GET", f"/nodes/{NODE}/storage/local/content", content="backup")
    return found["volid"]


def test_what_is_restored_under_another_vmid_has_the_mark_the_name_and_the_mac(
    api, root, runtime, archive
):
    root.done("POST", LXC, vmid=9001, ostemplate=archive, restore=1)

    ours, copy = api.config(2156), api.config(9001)
    for key in ("description", "hostname", "tags", "net0", "memory"):
        assert copy[key] == ours[key]
    assert copy["rootfs"] == "local:9001/vm-9001-disk-0.raw,size=4G"
    assert copy["mp0"] == "local:9001/vm-9001-disk-1.raw,mp=/srv,size=1G"
    assert ("copy", -1, 9001, None) in runtime.calls
    assert "lock" not in ours and "lock" not in copy
    assert api.state(9001) == "stopped"


def test_a_restore_takes_what_the_request_says_otherwise(api, root, archive):
    wanted = {"hostname": "other", "storage": "ceph", "unique": 1}
    root.done("POST", LXC, vmid=9001, ostemplate=archive, restore=1, **wanted)

    copy = api.config(9001)
    assert (copy["hostname"], copy["rootfs"]) == ("other", "ceph:vm-9001-disk-0,size=4G")
    assert copy["net0"] != api.config(2156)["net0"]


def test_an_archive_that_there_is_not_is_not_restored(api, root, container):
    none = "local:backup/vzdump-lxc-1-2026_01_01-00_00_00.tar.zst"

    status, _ = api.task(root.data("POST", LXC, vmid=9001, ostemplate=none, restore=1))

    assert status == f"unable to restore CT 9001 - volume '{none}' does not exist"
    assert [ct["vmid"] for ct in api.data("GET", LXC)] == [container]


# ---------------------------------------------------------------------- pools


def test_rights_on_a_pool_end_at_its_members(runtime, tmp_path):
    with served(runtime, tmp_path, is_narrow=True) as pve:
        api = Client(pve.url, tmp_path / CA_FILE, TOKEN, pve=pve)
        root = api.as_root()
        root.done("POST", LXC, **creation(900, pool=None))
        refused = api.ask("POST", LXC, **creation(pool=None))
        api.done("POST", LXC, **creation())

        assert refused.status_code == 403
        assert api.ask("PUT", f"{LXC}/900/config", memory=64).status_code == 403
        assert api.data("PUT", f"{LXC}/2156/config", memory=640) is None
        assert [ct["vmid"] for ct in api.data("GET", LXC)] == [2156]
        assert "already exists" in str(api.ask("GET", "/cluster/nextid", vmid=900).json()["errors"])
        root.data("PUT", "/pools", poolid="ctlv", vms="900")
        assert len(api.data("GET", LXC)) == 2

    with served(runtime, tmp_path) as pve:
        assert pve.pools["ctlv"] == {900, 2156}
