"""What a reader sees, kind by kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from provision import report
from provision.apply import Result
from provision.desired import desired
from provision.errors import OperatorError
from provision.model import Actual, Change, HaStep, Pending, Refusal, Storage
from provision.plan import plan, plan_one
from tests.provision.situations import desired_of, found_from, inventory, many, wanted

WEB, DB = (w.container for w in desired(inventory()).containers)
PENDING = (Pending(key="nameserver", before="1.1.1.1", after=None),)
SCHEMA, STATUS = (
    json.loads((Path(report.__file__).parent / name).read_text())
    for name in ("schema.json", "status.schema.json")
)


def numbered(container):
    return plan_one(wanted(container), None).moves[0].container


def plan_of(*, found):
    return plan(desired_of(wanted(WEB)), Actual(ours={f.container.vmid: f for f in found}))


@pytest.mark.parametrize(
    ("value", "text"), [(None, "none"), (True, "yes"), (False, "no"), (7, "7"), ("x", "x")]
)
def test_values_read_as_words(value, text):
    assert report.shown(value) == text


def test_an_empty_plan_says_so():
    planned = plan_of(found=[found_from(numbered(WEB))])
    assert report.plan_text(planned) == "Nothing to do: the containers match the inventory."


def test_orphans_and_pending_changes_are_shown():
    text = report.plan_text(
        plan_of(found=[found_from(numbered(WEB), pending=PENDING), found_from(numbered(DB))])
    )

    assert ". 2156 web\n    waits for a restart: nameserver: 1.1.1.1 -> none" in text
    assert (
        "? 2157 db is ours and not in the inventory; nothing is done (make destroy NAMES=db "
        in text
    )


def test_an_orphan_is_hinted_at_by_the_name_in_its_mark():
    renamed = found_from(replace(numbered(DB), hostname="old"))

    text = report.plan_text(plan_of(found=[renamed]))

    assert "? 2157 old (marked as db) is ours" in text
    assert "make destroy NAMES=db " in text


def test_two_orphans_of_one_name_are_removed_by_hand_each():
    twins = [found_from(numbered(DB)), found_from(replace(numbered(DB), vmid=9001))]

    text = report.plan_text(plan_of(found=twins))

    assert "make destroy" not in text
    assert "    Next: on pve1, as root: pct shutdown 9001 && pct destroy 9001;" in text


# ---------------------------------------------------------------- copies


def copy_of_web(*, with_original=True, **changes):
    found = found_from(replace(numbered(WEB), vmid=9001), **changes)
    original = [found_from(numbered(WEB))] if with_original else []
    return plan_of(found=[found, *original])


def test_a_copy_is_shown_with_where_it_is_and_what_harms_it_alone():
    assert report.plan_text(copy_of_web(uptime_s=65)) == (
        "? 9001 web is a copy of web (VMID 2156): left alone\n"
        "    it is VMID 9001 on pve1, running, up 1 min\n"
        "    it has 198.18.28.156, 198.18.112.156 too: what is meant for web may reach it\n"
        "    Next: when nothing in it is needed, on pve1, as root: "
        "pct shutdown 9001 && pct destroy 9001; "
        "or, to keep it as none of ours: pct set 9001 --delete description,tags\n"
        "    Next: when this one is web, set lxc_vmid: 9001 in host_vars/web/container.yml\n"
        "Nothing to do: the containers match the inventory."
    )


def test_a_copy_without_its_original_is_kept_or_moved_and_never_removed():
    lines = report.plan_text(copy_of_web(with_original=False, status="stopped")).splitlines()

    assert lines[-7:-1] == [
        "? 9001 web is a copy of web (VMID 2156): left alone",
        "    it is VMID 9001 on pve1, stopped",
        "    VMID 2156 does not exist: apply makes web anew there, empty",
        "    Next: when this one is web, set lxc_vmid: 9001 in host_vars/web/container.yml",
        "    Next: to move it with its data, on pve1, as root: pct clone 9001 2156 --full 1 && "
        "pct set 9001 --delete description,tags --onboot 0",
        "    Next: while people work, a new host beside it (docs/operations.md, "
        '"Another container in the place of one")',
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"status": "stopped", "is_template": True}, "VMID 9001 on pve1, a template\n"),
        ({"status": "stopped", "lock": "backup"}, "VMID 9001 on pve1, stopped, locked (backup)\n"),
        ({"status": "running", "uptime_s": 90000}, "running, up 1 d 1 h\n"),
    ],
    ids=["template", "locked", "running"],
)
def test_what_a_copy_is_doing_is_said(changes, text):
    assert text in report.plan_text(copy_of_web(**changes))


def test_a_running_copy_with_other_addresses_says_nothing_of_them():
    nics = tuple(replace(nic, ip=None) for nic in numbered(WEB).nics)
    found = found_from(replace(numbered(WEB), vmid=9001, nics=nics))

    assert " too: " not in report.plan_text(plan_of(found=[found]))


def test_a_protected_copy_that_ha_manages_is_released_before_it_is_removed():
    protected = replace(numbered(WEB), vmid=9001, protection=True)
    found = found_from(protected, status="stopped", ha_managed=True)

    text = report.plan_text(plan_of(found=[found, found_from(numbered(WEB))]))

    assert "as root: pct set 9001 --protection 0 && pct destroy 9001 --purge;" in text


def test_what_could_not_be_looked_at_is_said_with_the_reason():
    planned = plan(desired_of(wanted(WEB)), Actual(unread={9001: "it lies on pve2"}))

    assert "? 9001 could not be looked at: it lies on pve2" in report.plan_text(planned)
    rows = report.status_rows(planned, [])
    jsonschema.validate(rows, STATUS)
    row = rows[-1]
    assert row["drift"] == ["could not be looked at: it lies on pve2"]


HA = (
    HaStep(subject="HA rule old", method="DELETE", path="cluster/ha/rules/old"),
    HaStep(subject="HA ct:2156", method="POST", changes=(Change("state", None, "started"),)),
    HaStep(subject="HA rule near", method="PUT", changes=(Change("nodes", "a", "b"),)),
    HaStep(subject="HA ct:2157", refusal=Refusal(Change("HA", None, None), "no", "do it")),
)


def test_what_differs_in_ha_is_shown_beside_the_containers():
    planned = replace(plan_of(found=[found_from(numbered(WEB))]), ha=HA)

    assert report.plan_text(planned).splitlines() == [
        "- HA rule old",
        "+ HA ct:2156", "    state: started",
        "~ HA rule near", "    nodes: a -> b",
        "! HA ct:2157: no", "    Next: do it",
        "Plan: 0 to create, 0 to change, 1 match, 4 of HA.",
    ]  # fmt: skip
    jsonschema.validate(report.plan_data(planned), SCHEMA)
    assert (planned.has_moves, planned.has_refusals) == (True, True)


def test_an_entry_of_ha_has_no_vmid_in_the_table():
    result = Result(host="HA ct:2156", vmid=0, did=("added",), proof="none", took_s=0.1)

    assert "-     HA ct:2156  added" in report.results_text([result])


def test_every_plan_fits_the_schema():
    changed = replace(WEB, cores=3, template="debian-12-standard")
    planned = plan(
        desired_of(wanted(changed), wanted(DB)),
        Actual(ours={2156: found_from(numbered(WEB), pending=PENDING)}),
    )
    matching = plan_of(found=[found_from(numbered(WEB), pending=PENDING), found_from(numbered(DB))])

    beside = replace(copy_of_web(), unread={7: "it lies on pve2, which is offline"})
    for each in (planned, matching, beside):
        jsonschema.validate(report.plan_data(each), SCHEMA)
    assert "1 with differences that stay" in report.plan_text(planned)
    assert "waits for a restart" in report.plan_text(planned)


def result(**changes):
    usual = {"host": "web", "vmid": 2156, "did": (), "proof": "ssh", "took_s": 1.25}
    return Result(**(usual | changes))


def test_the_table_at_the_end():
    error = OperatorError("it broke", next_step="mend it")

    text = report.results_text(
        [result(did=("created", "started"), pending=PENDING), result(host="db", error=error)]
    )

    assert text.splitlines()[1].split() == ["2156", "web", "created,", "started", "ssh", "1.2", "s"]
    assert "failed" in text.splitlines()[2]
    assert "web: waits for a restart: nameserver" in text
    assert text.endswith("db: it broke\n  Next: mend it")
    assert report.results_text([]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (65, "1 min"), (3700, "1 h 1 min"), (90000, "1 d 1 h")],
)
def test_durations(seconds, text):
    assert report.duration(seconds) == text


def test_status_rows_of_all_kinds():
    wanteds = desired(many(2)).containers
    here = found_from(numbered(wanteds[0].container), lock="backup", uptime_s=65, pending=PENDING)
    orphan = found_from(numbered(DB))
    twin = found_from(replace(numbered(wanteds[0].container), vmid=9001))
    planned = plan(desired_of(*wanteds), Actual(ours={3000: here, 2157: orphan, 9001: twin}))

    rows = report.status_rows(planned, [here, orphan, twin])

    jsonschema.validate(rows, STATUS)
    assert [(row["vmid"], row["status"], row["drift"]) for row in rows] == [
        (2157, "running", ["not in the inventory"]),
        (3000, "running", []),
        (3001, "missing", ["missing"]),
        (9001, "running", ["a copy of ct000 (VMID 3000)"]),
    ]
    lines = report.status_text(rows).splitlines()
    assert "running (backup)" in lines[2]
    assert "1 min" in lines[2]
    assert "nameserver" in lines[2]


def test_a_plan_with_reboot_says_what_restarts_and_one_without_how_to():
    found = found_from(numbered(WEB), pending=PENDING)
    with_reboot = plan_one(wanted(WEB), found, reboot=True)
    without = plan_one(wanted(replace(WEB, cores=7)), found)

    assert report.step_lines(with_reboot)[1] == "    restarts for nameserver: 1.1.1.1 -> none"
    assert report.step_lines(without)[-1].endswith(
        "1.1.1.1 -> none (apply --reboot; make: REBOOT=1)"
    )


def test_a_new_container_is_shown_with_its_node():
    assert report.step_lines(plan_one(wanted(WEB), None))[0] == "+ 2156 web on pve1"


def test_what_a_question_is_about_is_named_with_vmid_node_and_uptime():
    renamed = found_from(replace(numbered(WEB), hostname="other"), uptime_s=65)

    assert report.named_lines([renamed]) == ["  web: VMID 2156 on pve1, running, up 1 min"]


def test_ha_and_lock_stand_beside_the_status():
    found = found_from(numbered(WEB), lock="backup", ha_managed=True)
    rows = report.status_rows(plan_of(found=[found]), [found])

    assert "running (HA) (backup)" in report.status_text(rows)


def test_all_fields_shows_what_the_inventory_has_no_word_for():
    found = found_from(numbered(WEB), unmanaged=(("cpulimit", "2"),))
    line = "    not in the inventory, left as it is: cpulimit: 2"
    assert line in report.plan_text(plan_of(found=[found]), all_fields=True).splitlines()
    assert "cpulimit" not in report.plan_text(plan_of(found=[found]))


def test_the_storages_of_a_plan_are_shown_to_machines_too():
    storage = Storage(
        name=WEB.disk.storage, node=WEB.node, type="zfspool", content="rootdir", is_active=True,
        is_shared=False, free_bytes=1, can_snapshot=True, can_resize=True, is_thin=True,
    )  # fmt: skip
    planned = plan(desired_of(wanted(WEB)), Actual(storages=(storage,)))
    told = report.plan_data(planned)
    jsonschema.validate(told, SCHEMA)
    assert [(entry["name"], entry["takes_containers"]) for entry in told["storages"]] == [
        (WEB.disk.storage, True)
    ]
