"""Saved plans, drift, adoption, doctor, snapshots, templates and nodes."""

from __future__ import annotations

import json
import re

import pytest

from provision import cli, creation, snapshot
from provision.desired import desired
from provision.rights import needed
from tests.provision.conftest import TOKEN, VM_PRIVILEGES
from tests.provision.situations import inventory

# ---------------------------------------------------------------- saved plans


def test_a_saved_plan_is_applied_without_asking(cluster, tmp_path):
    file = tmp_path / "plan.json"
    cluster.run("plan", "--out", str(file))

    assert cluster.run("apply", str(file)) == 0
    assert len(cluster.pve.cts) == 2


def test_a_saved_plan_holds_no_secret(cluster, tmp_path):
    file = tmp_path / "plan.json"
    cluster.run("plan", "--out", str(file))

    assert "ssh-ed25519" not in file.read_text()
    assert "1111" not in file.read_text()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.ct(2156).config.update(memory=4096), "container 2156 has changed"),
        (lambda c: c.ct(2157).config.update(cpuunits=50), "container 2157 has changed"),
        (lambda c: c.change("web", lxc_cores=8), "the inventory has changed"),
        (lambda c: c.pve.cts.remove(c.ct(2157)), "container 2157 has changed"),
    ],
    ids=["planned one", "matching one", "inventory", "gone"],
)
def test_a_saved_plan_is_refused_when_the_world_has_moved(cluster, tmp_path, change, text):
    cluster.apply()
    cluster.change("web", lxc_cores=2)
    file = tmp_path / "plan.json"
    cluster.run("plan", "--out", str(file))
    change(cluster)
    cluster.forget_calls()

    assert cluster.run("apply", str(file)) == 1

    assert text in cluster.err
    assert cluster.writes() == []


NO_PLANS = [
    "{",
    "[]",
    '{"format": 2}',
    '{"format": 1}',
    '{"format": 1, "containers": [], "matching": null}',
    '{"format": 1, "containers": {"vmid": 1}, "matching": []}',
    '{"format": 1, "containers": [1], "matching": []}',
    '{"format": 1, "containers": [{}], "matching": []}',
    '{"format": 1, "containers": [{"vmid": "a"}], "matching": []}',
]


@pytest.mark.parametrize("content", NO_PLANS)
def test_what_is_no_plan_is_refused(cluster, tmp_path, content):
    (tmp_path / "plan.json").write_text(content)

    assert cluster.run("apply", str(tmp_path / "plan.json")) == 1
    assert "plan" in cluster.err
    assert cluster.calls() == []


def test_a_plan_for_another_environment_is_refused(cluster, tmp_path):
    file = tmp_path / "plan.json"
    cluster.run("plan", "--out", str(file))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"environment": "prod"}))

    assert cluster.run("apply", str(file)) == 1
    assert "the plan is for prod, not for lab" in cluster.err


# ---------------------------------------------------------------- drift


def test_no_drift_is_0_and_any_drift_is_2(cluster):
    cluster.apply()
    assert cluster.run("drift") == 0

    cluster.ct(2156).config["swap"] = 1
    assert cluster.run("drift") == 2
    assert "swap_mib: 1 -> 256" in cluster.out

    assert cluster.run("drift", "--json") == 2
    assert json.loads(cluster.out)["drifted"]


def test_a_pending_change_and_an_orphan_are_drift(cluster):
    cluster.apply()
    cluster.ct(2156).pending["nameserver"] = "9.9.9.9"
    cluster.change("web", lxc_nameserver="9.9.9.9")
    assert cluster.run("drift") == 2

    cluster.ct(2156).pending.clear()
    cluster.change("web", lxc_nameserver="")
    cluster.inventory = inventory(web=cluster.inventory.hosts["web"])
    assert cluster.run("drift") == 2
    assert "db is ours and not in the inventory" in cluster.out


# ---------------------------------------------------------------- adopt


@pytest.fixture
def old(cluster):
    """The old installation's web container, made by hand."""
    return cluster.pve.add_ct(
        2156,
        "oldweb",
        status="running",
        config={
            "description": "Made by hand in 2023\n",
            "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:BB:CC,ip=198.18.28.156/24,tag=2028,"
            "gw=198.18.28.1,type=veth",
            "tags": "old",
            "memory": 4096,
        },
    )


def test_adopt_shows_the_differences_and_changes_only_the_mark(cluster, old):
    before = dict(old.config)

    assert cluster.run("adopt", "web", "--vmid", "2156", "--yes") == 0

    assert "memory_mib: 4096 -> 512" in cluster.out
    assert "hostname: oldweb -> web" in cluster.out
    assert "pct exec 2156 -- passwd --lock root" in cluster.out
    assert "ssh-ed25519 AAAA" in cluster.out
    assert old.status == "running"
    changed = {key for key in old.config if old.config[key] != before.get(key)}
    assert changed == {"description", "tags"}
    assert old.config["description"].startswith("Made by hand in 2023")
    assert old.config["tags"] == "ctlv;ctlv-lab;old"
    assert cluster.writes() == [("PUT", "nodes/pve1/lxc/2156/config")]


def test_an_adopted_container_is_changed_in_place_and_keeps_mac_and_disk(cluster, old):
    disk = old.config["rootfs"]
    cluster.run("adopt", "web", "--yes")
    cluster.change("web", lxc_disk_gib=8)

    assert cluster.apply() == 0

    assert old.config["hostname"] == "web"
    assert "hwaddr=BC:24:11:AA:BB:CC" in old.config["net0"]
    assert old.config["rootfs"] == disk
    assert not [t for t in cluster.pve.tasklog if t["id"] == "2156" and t["type"] != "resize"]
    assert cluster.run("plan") == 0


def test_a_missing_key_is_said_before_anything_is_adopted(cluster, old):
    (cluster.state / "id_ed25519.pub").unlink()

    assert cluster.run("adopt", "web", "--yes") == 1
    assert "the SSH public key" in cluster.err
    assert cluster.writes() == []


def test_adopting_again_changes_nothing(cluster, old):
    cluster.run("adopt", "web", "--yes")
    cluster.forget_calls()

    assert cluster.run("adopt", "web", "--yes") == 0
    assert "Adopted already" in cluster.out
    assert cluster.writes() == []


def test_adopt_with_reboot_brings_it_all_the_way(cluster, old):
    cluster.change("web", lxc_nameserver="9.9.9.9", lxc_disk_gib=8)

    assert cluster.run("adopt", "web", "--yes", "--reboot") == 0

    assert old.config["nameserver"] == "9.9.9.9"
    assert [t["type"] for t in cluster.pve.tasklog if t["id"] == "2156"] == ["vzreboot"]


@pytest.mark.parametrize(
    ("prepare", "text"),
    [
        (lambda ct: ct.config.update(unprivileged=0), "it is privileged"),
        (lambda ct: ct.config.update(ostype="alpine"), "it runs alpine, not Debian"),
        (lambda ct: ct.config.update(lock="backup"), "it is locked (backup)"),
        (lambda ct: ct.config.update(template=1), "it is a template"),
        (lambda ct: ct.config.update(
            description="```ctlv\ndeployment: ffff\nenvironment: e\nhost: h\n```"),
         "it is h of e, deployment ffff"),
    ],
    ids=["privileged", "not Debian", "locked", "template", "another deployment's"],
)  # fmt: skip
def test_what_cannot_be_adopted_is_refused_with_the_way_to_rebuild(cluster, old, prepare, text):
    prepare(old)

    assert cluster.run("adopt", "web", "--yes") == 1
    assert text in cluster.err
    assert "Next: rebuild it instead" in cluster.err
    assert cluster.writes() == []


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["mail"], "mail is not in the inventory (there are: web, db)"),
        (["web", "--vmid", "9"], "the inventory says VMID 2156 for web, not 9"),
        (["db"], "there is no container with VMID 2157"),
    ],
)
def test_what_is_not_there_is_not_adopted(cluster, argv, text):
    assert cluster.run("adopt", *argv, "--yes") == 1
    assert text in cluster.err


def test_a_virtual_machine_is_not_adopted(cluster):
    cluster.pve.add_vm(2156, "mail")

    assert cluster.run("adopt", "web", "--yes") == 1
    assert "VMID 2156 is not a container but qemu 'mail'" in cluster.err


# ---------------------------------------------------------------- doctor


def test_doctor_says_that_all_is_well(cluster, healthy):
    assert cluster.run("doctor") == 0, cluster.out

    assert "BAD" not in cluster.out
    assert cluster.out.endswith("doctor: apply would work\n")
    assert cluster.writes() == []


def spoil_storage(cluster, _):
    cluster.pve.storages["local-lvm"]["avail"] = 1


SPOILED = [
    (lambda c, _: (c.state / "id_ed25519.pub").unlink(), "SSH key: the SSH public key"),
    (lambda c, _: c.pve.apitokens.clear(), "API: "),
    (lambda c, _: setattr(c.pve, "version", "7.4-3"), "version: Proxmox VE 7.4-3 was never tried"),
    # Only who has Sys.Audit on / is told.
    (lambda c, _: (c.pve.lose_quorum(), c.pve.grant(TOKEN, "/", "Sys.Audit")),
     "cluster: it has lost its quorum"),
    (lambda c, _: c.pve.set_node_offline("pve1"), "nodes: pve1 is offline"),
    (spoil_storage, "storage: local-lvm on pve1 has 0 GiB free, 2G are wanted"),
    (lambda c, _: c.pve.storages["local-lvm"].update(content="images"), "does not take rootdir"),
    (lambda c, _: c.pve.storages["local-lvm"].update(active=0), "local-lvm on pve1 is not active"),
    (lambda c, _: c.pve.storages.pop("local-lvm"), "storage: local-lvm on pve1 is not there"),
    (lambda _, a: a.update({"/nodes/{node}/network": []}), "bridge: vmbr0 on pve1 is not there"),
    (lambda _, a: a["/nodes/{node}/network"][0].update(bridge_ports=""), "has no physical port"),
    (lambda c, _: c.pve.add_ct(2157, "stranger"), "VMIDs: VMID 2157 (wanted for db) belongs to"),
    (lambda c, _: c.pve.add_ct(9, "web"), "neighbours: guest 9 has the name web too"),
    (lambda c, _: c.pve.add_ct(109, "x", config={"net0": "name=e,ip=198.18.28.156/16"}),
     "neighbours: container 109 has 198.18.28.156 too, the address of web"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "text"), SPOILED, ids=[text for _, text in SPOILED])
def test_doctor_names_each_thing_that_would_stop_apply(cluster, healthy, spoil, text):
    spoil(cluster, healthy)

    assert cluster.run("doctor") == 1

    assert text in cluster.out
    assert "Next: " in cluster.out
    assert cluster.writes() == []


def test_doctor_sees_a_vmid_that_is_taken_by_someone_invisible(cluster, healthy):
    """Lists hold only what the token may see; the cluster's next free id knows all."""
    cluster.pve.add_ct(2157, "secret")
    cluster.pve.acl[TOKEN] = [
        (path, privileges) for path, privileges in cluster.pve.acl[TOKEN] if path != "/vms"
    ]
    cluster.pve.grant(TOKEN, "/vms/2156", *VM_PRIVILEGES)

    assert cluster.run("doctor") == 1
    assert "VMIDs: 2156 (web) is free" in cluster.out
    assert "VMIDs: 2157 (db) is taken by a guest that the token cannot see" in cluster.out


def test_doctor_lists_what_is_still_assumed(cluster, healthy):
    for host in ("web", "db"):
        cluster.change(host, lxc_assumed=["the bridge is vmbr0"])

    assert cluster.run("doctor") == 1
    assert "BAD   assumed: the bridge is vmbr0" in cluster.out


def test_doctor_knows_a_template_that_can_be_downloaded(cluster, healthy):
    cluster.pve.storages["local"]["volumes"].clear()

    assert cluster.run("doctor") == 0
    assert "will be downloaded to local" in cluster.out

    healthy["/nodes/{node}/aplinfo"].clear()
    assert cluster.run("doctor") == 1
    assert "debian-13-standard is neither on local nor in the index of pve1" in cluster.out


def test_doctor_names_a_node_that_is_not_there(cluster, healthy):
    cluster.change("web", lxc_node="pve7")

    assert cluster.run("doctor") == 1
    assert "BAD   nodes: there is no node pve7 (there are: pve1)" in cluster.out


@pytest.mark.parametrize(
    ("bridge", "text"),
    [
        ({"bridge_vlan_aware": 1, "bridge_ports": ""}, "is VLAN-aware, every interface has a tag"),
        ({"type": "OVSBridge"}, "ok    bridge: vmbr0 on pve1"),
    ],
    ids=["VLAN-aware without a port", "Open vSwitch"],
)
def test_doctor_accepts_each_kind_of_bridge_that_keeps_vlans_apart(cluster, healthy, bridge, text):
    healthy["/nodes/{node}/network"][0].update(bridge)

    assert cluster.run("doctor") == 0
    assert text in cluster.out


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "Permission check failed (/vms/109, VM.Audit)"),
        (595, "No route to host"),
        (596, "Connection timed out"),
    ],
    ids=["not ours to see", "its node is down", "its node has gone silent"],
)
def test_a_neighbour_whose_configuration_cannot_be_read_is_no_hindrance(
    cluster, healthy, monkeypatch, status, message
):
    monkeypatch.setattr(cli, "DOCTOR_RETRY_S", 0.2)
    cluster.pve.add_ct(109, "x")
    cluster.pve.fail("GET", "/lxc/109/config", status, message, times=50)

    assert cluster.run("doctor") == 0
    assert "none of 1 visible guests" in cluster.out


def test_anything_else_about_a_vmid_is_shown(cluster, healthy):
    cluster.pve.fail("GET", "/cluster/nextid", 500, "ipcc_send_rec failed: Connection refused")

    assert cluster.run("doctor") == 1
    assert "VMIDs: Proxmox refuses GET cluster/nextid: 500 ipcc_send_rec failed" in cluster.out


def test_a_clock_that_is_wrong_is_a_note(cluster, healthy):
    healthy["/nodes/{node}/time"]["time"] -= 3600

    assert cluster.run("doctor") == 0
    assert re.search(r"note  clock: pve1 and this machine differ by -36\d\d s", cluster.out)


ALL_PRIVILEGES = sorted(
    {(path.rsplit("/", 1)[0] if path.startswith("/vms") else path, privilege)
     for path, privileges in needed(desired(inventory())).items()
     for privilege in privileges}
)  # fmt: skip


@pytest.mark.parametrize("privilege", sorted({privilege for _, privilege in ALL_PRIVILEGES}))
def test_doctor_names_a_missing_privilege_and_how_to_grant_it(cluster, healthy, privilege):
    for _, privileges in cluster.pve.acl[TOKEN]:
        privileges.discard(privilege)

    assert cluster.run("doctor") == 1

    assert re.search(rf"lacks [^\n]*{re.escape(privilege)}", cluster.out)
    assert "pveum user token add ctlv@pve test --privsep 1" in cluster.out


def test_the_pveum_commands_grant_exactly_what_is_needed(cluster, healthy):
    """Run by the fake's own rules: with these grants and no others, everything works."""
    cluster.run("doctor", "--pveum")
    roles = dict(re.findall(r'pveum role add (\w+) --privs "([^"]+)"', cluster.out))
    grants = re.findall(r"pveum acl modify (\S+) --tokens '(\S+)' --roles (\w+)", cluster.out)
    assert ("/sdn/zones/localnetwork/vmbr0/2028", TOKEN, "CTLVNetwork") in grants
    assert not [path for path, _, _ in grants if path == "/"]

    cluster.pve.acl = {}
    for path, token, role in grants:
        # fakepve asks for SDN.Use on the bridge, Proxmox on bridge and tag.
        on_bridge = re.sub(r"(vmbr0)/\d+$", r"\1", path)
        cluster.pve.grant(token, on_bridge, *roles[role].split())
    assert cluster.apply() == 0


# ---------------------------------------------------------------- snapshots


def test_a_snapshot_is_taken_with_the_database_last_to_stop_and_first_to_start(cluster, able):
    cluster.apply()
    cluster.pve.tasklog.clear()

    assert cluster.run("snapshot", "--name", "before", "--yes") == 0

    order = [(task["type"], task["id"]) for task in cluster.pve.tasklog]
    assert order == [
        ("vzshutdown", "2156"), ("vzshutdown", "2157"),
        ("vzsnapshot", "2156"), ("vzsnapshot", "2157"),
        ("vzstart", "2157"), ("vzstart", "2156"),
    ]  # fmt: skip
    assert cluster.run("snapshot-list") == 0
    assert "before" in cluster.out
    assert "2 of 2" in cluster.out


def test_a_snapshot_is_restored_on_all_or_none(cluster, able):
    cluster.apply()
    cluster.run("snapshot", "--name", "before", "--yes")
    cluster.ct(2156).config["memory"] = 99

    assert cluster.run("snapshot-restore", "before", "--yes") == 0
    assert cluster.ct(2156).config["memory"] == 512
    assert {ct.status for ct in cluster.pve.cts} == {"running"}

    cluster.ct(2157).snapshots.clear()
    assert cluster.run("snapshot-restore", "before", "--yes") == 1
    assert "db has no snapshot before" in cluster.err
    assert cluster.run("snapshot-restore", "other", "--yes") == 1
    assert "there is no snapshot other" in cluster.err


def test_only_the_snapshots_we_named_are_pruned(cluster, able):
    cluster.apply()
    for name in ("mine", "ctlv-1", "ctlv-2", "ctlv-3"):
        for ct in cluster.pve.cts:
            ct.snapshots[name] = {"snaptime": len(ct.snapshots) + 1}

    assert cluster.run("snapshot", "--keep", "2", "--yes") == 0

    names = list(cluster.ct(2156).snapshots)
    assert names[:2] == ["mine", "ctlv-3"]
    assert len(names) == 3
    assert "removed ctlv-1, ctlv-2" in cluster.out


def test_a_storage_without_snapshots_is_said_before_anything_stops(cluster, monkeypatch):
    cluster.apply()
    original = cluster.pve.synthesise

    async def synthesise(match, method, info, user, values):
        if match.template.endswith("/feature"):
            return {"hasFeature": 0}
        return await original(match, method, info, user, values)

    monkeypatch.setattr(cluster.pve, "synthesise", synthesise)
    cluster.forget_calls()

    assert cluster.run("snapshot", "--yes") == 1
    assert "web: its storage local-lvm has no snapshots" in cluster.err
    assert cluster.writes() == []


@pytest.mark.parametrize("privilege", ["VM.Snapshot", "VM.PowerMgmt"])
def test_a_snapshot_without_the_right_to_it_stops_nothing(cluster, able, privilege):
    cluster.apply()
    for _, privileges in cluster.pve.acl[TOKEN]:
        privileges.discard(privilege)
    cluster.forget_calls()

    assert cluster.run("snapshot", "--yes") == 1
    assert f"web: {TOKEN} lacks {privilege} on /vms/2156" in cluster.err
    assert cluster.writes() == []


def test_a_restore_without_the_right_to_it_says_so(cluster, able):
    cluster.apply()
    cluster.run("snapshot", "--name", "before", "--yes")
    for _, privileges in cluster.pve.acl[TOKEN]:
        privileges -= {"VM.Snapshot", "VM.Snapshot.Rollback"}

    assert cluster.run("snapshot-restore", "before", "--yes") == 1
    assert re.search(r"lacks VM\.Snapshot", cluster.err)
    assert {ct.status for ct in cluster.pve.cts} == {"running"}


def test_ctrl_c_in_a_snapshot_starts_again_what_was_stopped(cluster, able, monkeypatch):
    cluster.apply()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshot, "each_snapshot", interrupted)

    assert cluster.run("snapshot", "--yes") == 1
    assert "provision: interrupted" in cluster.err
    assert {ct.status for ct in cluster.pve.cts} == {"running"}


def test_a_snapshot_that_fails_leaves_the_containers_running(cluster, able):
    cluster.apply()
    cluster.pve.fail("POST", "/lxc/2157/snapshot", 500, "boom")

    assert cluster.run("snapshot", "--yes") == 1
    assert "boom" in cluster.err
    assert {ct.status for ct in cluster.pve.cts} == {"running"}


def test_snapshot_names_and_missing_containers_are_checked(cluster):
    assert cluster.run("snapshot", "--name", "x y", "--yes") == 1
    assert "'x y' cannot name a snapshot" in cluster.err
    assert cluster.run("snapshot", "--yes") == 1
    assert "web, db does not exist" in cluster.err


def test_no_snapshots_and_double_ones_are_said(cluster, able):
    cluster.apply()
    cluster.run("snapshot-list")
    assert "No snapshots." in cluster.out
    cluster.run("snapshot", "--name", "one", "--yes")
    assert cluster.run("snapshot", "--name", "one", "--yes") == 1
    assert "there is a snapshot one already" in cluster.err


# ---------------------------------------------------------------- templates, bridges, nodes


def test_a_missing_template_is_downloaded(cluster, monkeypatch):
    file = "debian-13-standard_13.5-1_amd64.tar.zst"
    store = cluster.pve.storages["local"]["volumes"]
    store.clear()
    original = cluster.pve.synthesise

    async def synthesise(match, method, info, user, values):
        if match.template != "/nodes/{node}/aplinfo":
            return await original(match, method, info, user, values)
        if method == "GET":
            return [{"template": file}, {"template": "debian-13-standard_13.1-1_amd64.tar.zst"}]
        assert values["template"] == file

        async def body():
            store[f"vztmpl/{file}"] = {"content": "vztmpl", "size": 1, "ctime": 1}

        return await cluster.pve.task("pve1", "download", "local", user, body)

    monkeypatch.setattr(cluster.pve, "synthesise", synthesise)

    assert cluster.apply() == 0
    assert f"{file}: downloading to local" in cluster.err
    assert len([t for t in cluster.pve.tasklog if t["type"] == "download"]) == 1


def test_a_template_that_exists_nowhere_is_refused(cluster, healthy):
    cluster.pve.storages["local"]["volumes"].clear()
    healthy["/nodes/{node}/aplinfo"].clear()

    assert cluster.apply() == 1
    assert "there is no template debian-13-standard on local of pve1" in cluster.err
    assert "Next: on pve1: pveam update" in cluster.err


def test_a_bridge_that_does_not_exist_is_refused_before_the_first_call(cluster, healthy):
    healthy["/nodes/{node}/network"][0]["iface"] = "vmbr7"

    assert cluster.apply() == 1
    assert "there is no bridge vmbr0 on pve1 (there are: vmbr7)" in cluster.err
    assert cluster.writes() == []


def test_a_migrated_container_is_found_where_it_is(cluster):
    """bpg#658: HA moved it, and the plan said create."""
    cluster.apply()
    cluster.pve.add_node("pve2")
    cluster.ct(2156).node = "pve2"
    assert cluster.run("plan") == 2
    assert "0 to create" in cluster.out

    cluster.change("web", lxc_cores=2)
    assert cluster.apply() == 2
    assert "a running container moves by a restart" in cluster.out
    assert cluster.ct(2156).config["cores"] == 2
    assert cluster.ct(2156).node == "pve2"


def test_a_container_on_an_offline_node_is_not_made_twice(cluster):
    cluster.apply()
    cluster.pve.add_node("pve2")
    cluster.ct(2156).node = "pve2"
    cluster.pve.set_node_offline("pve2")
    cluster.forget_calls()

    assert cluster.apply() == 1
    assert "VMID 2156 (web): it lies on pve2, which is offline" in cluster.out
    assert cluster.writes() == []


def test_a_node_of_the_inventory_that_is_not_in_the_cluster_is_said(cluster):
    cluster.change("web", lxc_node="pve7")

    assert cluster.run("plan") == 1
    assert "VMID 2156 (web): lxc_node pve7 is no node of this cluster: pve1" in cluster.out


def test_a_lost_quorum_has_its_own_words(cluster):
    cluster.pve.lose_quorum()

    assert cluster.apply() == 1
    assert "no quorum" in cluster.out
    assert "pvecm status" in cluster.out


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.02)
def test_a_container_that_ha_starts_later_than_its_task_says_is_waited_for(cluster):
    cluster.apply()
    cluster.ct(2156).status = "stopped"
    cluster.manage(2156, state="stopped")

    assert cluster.apply() == 0
    assert cluster.ct(2156).status == "running"


def test_ha_is_shown_said_before_destroying_and_named_when_it_does_not_start(cluster, on_request):
    cluster.apply()
    cluster.manage(2156)
    assert cluster.run("status") == 0
    assert "running (HA)" in cluster.out
    assert cluster.run("status", "--json") == 0
    assert [row["ha_managed"] for row in json.loads(cluster.out)] == [True, False]

    cluster.ct(2156).status = "stopped"
    late = [True]

    def stays_down(method, path):
        if path.endswith("2156/status/current") and late[0]:
            cluster.ct(2156).status = "stopped"

    on_request(stays_down)
    assert cluster.apply("--wait-timeout", "0.5") == 1
    late[0] = False
    assert "when HA manages it, ha-manager status (in state error" in cluster.out

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0
    assert "web is managed by HA: its entry there is removed too" in cluster.out


def test_rights_on_the_container_alone_are_enough_although_they_vanish_with_it(cluster, on_request):
    """Proxmox drops the rights on /vms/ID with the container: reading it again is a 403 then."""
    cluster.apply()
    acl = [(path, privs) for path, privs in cluster.pve.acl[TOKEN] if path != "/vms"]
    cluster.pve.acl[TOKEN] = acl
    for vmid in (2156, 2157):
        cluster.pve.grant(TOKEN, f"/vms/{vmid}", *VM_PRIVILEGES)
    deleted = []

    def drop(method, path):
        if deleted and path.endswith("2156/status/current"):
            cluster.pve.acl[TOKEN] = [
                (path, privs) for path, privs in cluster.pve.acl[TOKEN] if path != "/vms/2156"
            ]
        if method == "DELETE":
            deleted.append(path)

    on_request(drop)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0
    assert [ct.vmid for ct in cluster.pve.cts] == [2157]


def test_a_half_created_leftover_is_named_with_the_way_out(cluster, monkeypatch):
    monkeypatch.setattr(creation, "SETTLE_S", 0.2)
    cluster.pve.add_ct(2156, "x", lock="create")

    assert cluster.apply() == 1
    assert "half-created (lock 'create', but no task runs)" in cluster.err
    assert "pct unlock 2156 && pct destroy 2156" in cluster.err


def test_bridges_that_nobody_shows_are_left_to_creation(cluster, healthy):
    healthy["/nodes/{node}/network"].clear()

    assert cluster.apply() == 0
