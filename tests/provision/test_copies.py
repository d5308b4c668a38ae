"""A clone, or a restore to another VMID, keeps our mark and host name: a copy, left alone."""

from __future__ import annotations

import copy
import json
import re

import pytest

from provision import cli
from tests.provision.situations import inventory

COPY = 9001
# Every command of a hint that names a VMID.
COMMANDS = re.compile(r"\bpct (\w+) (\d+)([^&;\n]*)")


@pytest.fixture
def clone(cluster):
    """Apply the inventory, then let somebody clone web as Proxmox does, in some way."""

    def make(vmid=COPY, *, of=2156, node="pve1", status="stopped", **changes):
        original = cluster.ct(of)
        config = copy.deepcopy(dict(original.config)) | changes
        config = {key: value for key, value in config.items() if value is not None}
        name = config.pop("hostname", original.name)
        if node not in cluster.pve.nodes:
            cluster.pve.add_node(node)
        made = cluster.pve.add_ct(vmid, name, node=node, status=status, config=config)
        cluster.forget_calls()
        return made

    cluster.apply()
    return make


KINDS = {
    "stopped": {},
    "running": {"status": "running"},
    "with another host name": {"hostname": "web-try"},
    "on another node": {"node": "pve2"},
    "a template": {"template": 1},
    "without our tags": {"tags": None},
    "locked": {"lock": "backup"},
    "protected": {"protection": 1},
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def any_copy(request, clone):
    return clone(**request.param)


def touched(cluster, vmid=COPY):
    return [path for _, path in cluster.writes() if f"/{vmid}" in path]


def lines_about(text, vmid=COPY):
    """What is said of one VMID: its line, and those below it."""
    found = re.search(rf"^\? {vmid} .*\n(?:    .*\n)*", text, re.MULTILINE)
    return found[0] if found else ""


# ---------------------------------------------------------------- in nobody's way


def test_a_copy_is_shown_by_its_vmid_and_the_plan_goes_on(cluster, any_copy):
    assert cluster.run("plan") == 0

    assert f"? {COPY} {any_copy.name}" in cluster.out
    assert "is a copy of web (VMID 2156)" in cluster.out
    assert "Nothing to do" in cluster.out


@pytest.mark.parametrize("verb", [["status"], ["drift"], ["apply", "--yes"], ["snapshot-list"]])
def test_a_copy_is_in_nobodys_way(cluster, able, any_copy, verb):
    assert cluster.run(*verb) == 0, cluster.err
    assert touched(cluster) == []


def test_a_change_of_the_original_is_made_and_the_copy_is_left_alone(cluster, any_copy):
    before = copy.deepcopy(dict(any_copy.config))
    cluster.change("web", lxc_cores=3)

    assert cluster.apply() == 0

    assert cluster.ct(2156).config["cores"] == 3
    assert any_copy.config == before
    assert touched(cluster) == []


def test_a_snapshot_is_taken_and_restored_beside_a_copy(cluster, able, any_copy):
    before = any_copy.status

    assert cluster.run("snapshot", "--name", "s1", "--yes") == 0, cluster.err
    assert cluster.run("snapshot-restore", "s1", "--yes") == 0, cluster.err

    assert touched(cluster) == []
    assert any_copy.status == before
    assert any_copy.snapshots == {}


def test_doctor_names_a_copy_and_stays_green(cluster, healthy, any_copy):
    assert cluster.run("doctor") == 0, cluster.out

    assert re.search(rf"^note  copies: {COPY} .* is a copy of web", cluster.out, re.MULTILINE)
    assert "ok    VMIDs: 2156 (web) is ours" in cluster.out


def test_a_copy_that_lost_name_and_tags_is_seen_by_doctor(cluster, healthy, clone):
    clone(hostname="x", tags=None)

    assert cluster.run("doctor") == 0, cluster.out
    assert f"note  copies: {COPY} x (marked as web) is a copy of web" in cluster.out


def test_an_unmarked_guest_with_our_address_is_still_a_problem(cluster, healthy, clone):
    clone(description="", tags=None, hostname="x")

    assert cluster.run("doctor") == 1
    assert f"container {COPY} has 198.18.28.156 too" in cluster.out


def test_a_copy_on_a_node_that_is_down_hinders_nobody(cluster, clone):
    clone(node="pve2")
    cluster.pve.set_node_offline("pve2")

    for verb in ("plan", "status", "drift"):
        assert cluster.run(verb) == 0, cluster.err
    assert cluster.run("plan") == 0
    assert f"? {COPY} could not be looked at: it lies on pve2, which is offline" in cluster.out
    assert cluster.run("status") == 0
    assert re.search(rf"^{COPY} .*could not be looked at", cluster.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda _, ct: ct.config.update(net1="name=eth1,tag=x"), "cannot be understood"),
        (lambda c, _: c.pve.fail("GET", f"/lxc/{COPY}/pending", 403, "Permission check failed",
                                  times=9), "Permission check failed"),
    ],
    ids=["odd", "not for our eyes"],
)  # fmt: skip
def test_a_copy_that_cannot_be_read_hinders_nobody(cluster, clone, spoil, text):
    spoil(cluster, clone())

    assert cluster.run("plan") == 0, cluster.err
    assert re.search(rf"\? {COPY} could not be looked at: .*{text}", cluster.out)


def test_ours_that_cannot_be_read_still_stops(cluster, clone):
    clone()
    cluster.pve.fail("GET", "/lxc/2156/pending", 403, "Permission check failed", times=9)

    assert cluster.run("plan") == 1


def test_machines_are_told_of_a_copy(cluster, clone):
    clone(status="running", hostname="web-try")

    assert cluster.run("plan", "--json") == 0
    (entry,) = json.loads(cluster.out)["copies"]
    assert entry == {
        "vmid": COPY, "hostname": "web-try", "node": "pve1", "status": "running",
        "copy_of": "web", "vmid_in_inventory": 2156, "is_original_there": True,
    }  # fmt: skip
    assert cluster.run("drift", "--json") == 0
    assert not json.loads(cluster.out)["drifted"]
    assert cluster.run("status", "--json") == 0
    row = json.loads(cluster.out)[-1]
    assert (row["vmid"], row["host"]) == (COPY, "web-try")
    assert row["drift"] == ["a copy of web (VMID 2156)"]


# ---------------------------------------------------------------- the hint


def test_the_hint_harms_the_copy_alone(cluster, any_copy):
    cluster.run("plan")

    said = lines_about(cluster.out)
    assert {vmid for _, vmid, _ in COMMANDS.findall(said)} == {str(COPY)}
    assert f"on {any_copy.node}, as root" in said
    assert f"pct destroy {COPY}" in said
    assert "make destroy" not in said


def test_whoever_unmarks_the_copy_as_told_sees_it_no_more(cluster, clone):
    made = clone()
    cluster.run("plan")
    (options,) = [rest for verb, _, rest in COMMANDS.findall(cluster.out) if verb == "set"]
    assert options.split()[:2] == ["--delete", "description,tags"]
    for key in ("description", "tags"):
        made.config.pop(key, None)

    assert cluster.run("plan") == 0
    assert str(COPY) not in cluster.out


def test_a_running_copy_is_stopped_before_it_is_removed_and_its_address_is_said(cluster, clone):
    clone(status="running")
    cluster.run("plan")

    said = lines_about(cluster.out)
    assert "running, up " in said
    assert "has 198.18.28.156, 198.18.112.156 too" in said
    assert f"pct shutdown {COPY} && pct destroy {COPY}" in said


def test_a_protected_copy_is_released_before_it_is_removed(cluster, clone):
    clone(protection=1)
    cluster.run("plan")

    assert f"pct set {COPY} --protection 0 && pct destroy {COPY}" in lines_about(cluster.out)


# ---------------------------------------------------------------- without the original


def test_when_only_the_copy_is_left_the_plan_says_that_it_makes_an_empty_one(cluster, clone):
    clone(status="running")
    cluster.pve.cts.remove(cluster.ct(2156))

    assert cluster.run("plan") == 2

    assert "+ 2156 web on pve1" in cluster.out
    said = lines_about(cluster.out)
    assert "2156 does not exist: apply makes web anew there, empty" in said
    assert f"lxc_vmid: {COPY} in host_vars/web/container.yml" in said
    assert "destroy" not in said


def test_when_only_the_copy_is_left_it_can_be_kept_as_told(cluster, clone):
    clone(status="running")
    cluster.pve.cts.remove(cluster.ct(2156))
    cluster.change("web", lxc_vmid=COPY)

    assert cluster.run("plan") == 0
    assert "Nothing to do" in cluster.out


def test_when_only_the_copy_is_left_the_original_is_made_beside_it(cluster, clone):
    made = clone(status="running")
    cluster.pve.cts.remove(cluster.ct(2156))
    before = copy.deepcopy(dict(made.config))

    assert cluster.apply() == 0

    assert cluster.ct(2156).status == "running"
    assert (made.config, made.status) == (before, "running")


def test_a_vmid_changed_on_purpose_is_told_how_to_move(cluster):
    cluster.apply()
    cluster.change("web", lxc_vmid=3156)

    assert cluster.run("plan") == 2

    said = lines_about(cluster.out, 2156)
    assert "pct shutdown 2156 && pct clone 2156 3156" in said
    assert "destroy" not in said


def test_a_container_moved_as_told_matches(cluster, clone):
    clone(3156, status="running")
    cluster.change("web", lxc_vmid=3156)
    cluster.ct(2156).status = "stopped"

    assert cluster.run("plan") == 0
    assert "? 2156 web is a copy of web (VMID 3156)" in cluster.out


def test_status_shows_the_missing_one_and_the_copy(cluster, clone):
    clone()
    cluster.pve.cts.remove(cluster.ct(2156))

    assert cluster.run("status", "--json") == 0
    drift = {row["vmid"]: row["drift"] for row in json.loads(cluster.out)}
    assert drift == {2156: ["missing"], 2157: [], COPY: ["a copy of web (VMID 2156)"]}


# ---------------------------------------------------------------- what destroys


def test_destroy_by_name_takes_the_original_and_says_what_it_leaves(cluster, any_copy):
    assert cluster.run("destroy", "web", "--yes", "--stop") == 0, cluster.err

    assert {ct.vmid for ct in cluster.pve.cts} == {2157, COPY}
    assert touched(cluster) == []
    assert re.search(r"^  web: VMID 2156 on pve1, running, up ", cluster.out, re.MULTILINE)
    assert f"Left alone: VMID {COPY} on {any_copy.node}" in cluster.out


def test_destroy_of_all_leaves_the_copy(cluster, any_copy):
    assert cluster.run("destroy", "--yes", "--stop") == 0

    assert [ct.vmid for ct in cluster.pve.cts] == [COPY]
    assert f"Left alone: VMID {COPY}" in cluster.out


def test_destroy_never_takes_the_copy_for_the_original(cluster, clone):
    clone()
    cluster.pve.cts.remove(cluster.ct(2156))

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0

    assert "Nothing to destroy" in cluster.out
    assert f"Left alone: VMID {COPY} on pve1, stopped: a copy of web" in cluster.out
    assert cluster.writes() == []


def test_a_name_that_only_the_copy_has_is_no_name_of_ours(cluster, clone):
    clone(hostname="web-try")

    assert cluster.run("destroy", "web-try", "--yes", "--stop") == 1
    assert "web-try is not a container of this environment" in cluster.err
    assert cluster.writes() == []


def test_a_vmid_that_changed_hands_while_the_question_stood_is_not_destroyed(cluster, monkeypatch):
    cluster.apply()

    def changes_hands(*_, **__):
        cluster.pve.cts.remove(cluster.ct(2156))
        cluster.pve.add_ct(2156, "strangers", status="running")
        cluster.forget_calls()

    monkeypatch.setattr(cli, "confirm_destruction", changes_hands)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert "web (VMID 2156) is not ours any more" in cluster.err
    assert cluster.writes() == []


def test_what_was_started_while_the_question_stood_is_not_stopped_unasked(cluster, monkeypatch):
    cluster.apply()
    cluster.ct(2156).status = "stopped"

    def is_started(*_, **__):
        cluster.ct(2156).status = "running"
        cluster.forget_calls()

    monkeypatch.setattr(cli, "confirm_destruction", is_started)

    assert cluster.run("destroy", "web", "--yes") == 1
    assert "web (VMID 2156) was started while the question stood" in cluster.err
    assert cluster.writes() == []


def test_a_vmid_that_changed_hands_while_the_question_stood_is_not_rolled_back(
    cluster, able, monkeypatch
):
    cluster.apply()
    cluster.run("snapshot", "--name", "s1", "--yes")

    def changes_hands(*_, **__):
        cluster.ct(2156).config["description"] = ""
        cluster.forget_calls()

    monkeypatch.setattr(cli, "confirm_destruction", changes_hands)

    assert cluster.run("snapshot-restore", "s1", "--yes") == 1
    assert "web (VMID 2156) is not ours any more" in cluster.err
    assert cluster.writes() == []


# ---------------------------------------------------------------- ours, not in the inventory


def test_the_hint_about_an_orphan_names_what_destroy_takes(cluster):
    cluster.apply()
    cluster.inventory = inventory(web=cluster.inventory.hosts["web"])
    cluster.ct(2157).config["hostname"] = "old-database"
    cluster.run("plan")
    (name,) = re.findall(r"make destroy NAMES=(\S+)", lines_about(cluster.out, 2157))

    assert cluster.run("destroy", name, "--yes", "--stop") == 0, cluster.err
    assert [ct.vmid for ct in cluster.pve.cts] == [2156]


def test_an_orphan_on_a_node_that_is_down_is_not_called_unknown(cluster):
    cluster.apply()
    cluster.inventory = inventory(web=cluster.inventory.hosts["web"])
    cluster.pve.add_node("pve2")
    cluster.ct(2157).node = "pve2"
    cluster.pve.set_node_offline("pve2")

    assert cluster.run("destroy", "db", "--yes", "--stop") == 1
    assert "ours are: web (not to be looked at: VMID 2157)" in cluster.err


def test_of_two_orphans_of_one_name_none_is_destroyed_by_name(cluster, clone):
    clone(of=2157)
    cluster.inventory = inventory(web=cluster.inventory.hosts["web"])
    cluster.run("plan")

    for vmid in (2157, COPY):
        said = lines_about(cluster.out, vmid)
        assert {found for _, found, _ in COMMANDS.findall(said)} == {str(vmid)}
        assert "make destroy" not in said
    assert cluster.run("destroy", "db", "--yes", "--stop") == 1
    assert f"db is VMID 2157 on pve1 and VMID {COPY} on pve1" in cluster.err
    assert cluster.writes() == []


def test_destroy_of_all_leaves_orphans_of_one_name(cluster, clone):
    clone(of=2157)
    cluster.inventory = inventory(web=cluster.inventory.hosts["web"])

    assert cluster.run("destroy", "--yes", "--stop") == 0
    assert {ct.vmid for ct in cluster.pve.cts} == {2157, COPY}
    assert f"Left alone: VMID {COPY} on pve1" in cluster.out


# ---------------------------------------------------------------- adopt and the questions


def test_adopting_a_copy_by_its_vmid_is_refused(cluster, clone):
    clone()

    assert cluster.run("adopt", "web", "--vmid", str(COPY), "--yes") == 1
    assert f"the inventory says VMID 2156 for web, not {COPY}" in cluster.err
    assert "2156 is the copy then" in cluster.err
    assert cluster.writes() == []


def test_a_copy_of_another_host_on_a_wanted_vmid_is_not_adopted(cluster, clone):
    cluster.pve.cts.remove(cluster.ct(2157))
    clone(2157)

    assert cluster.run("adopt", "db", "--yes") == 1
    assert "it is web of lab" in cluster.err
    assert cluster.writes() == []


@pytest.mark.parametrize(
    "verb",
    [["destroy", "web", "--stop"], ["snapshot-restore", "s1"], ["snapshot"], ["adopt", "web"],
     ["apply"]],
    ids=lambda words: words[0],
)  # fmt: skip
def test_every_question_names_vmid_node_and_how_long_it_runs(cluster, able, verb):
    cluster.apply()
    cluster.run("snapshot", "--name", "s1", "--yes")
    cluster.change("web", lxc_cores=2)
    if verb[0] == "adopt":
        cluster.ct(2156).config["description"] = ""
    cluster.forget_calls()

    assert cluster.run(*verb) == 1
    assert "nobody is there to ask" in cluster.err
    assert re.search(r"web: VMID 2156 on pve1, running, up \d", cluster.out)
    assert cluster.writes() == []
