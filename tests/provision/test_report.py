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
from provision.errors import StepError
from provision.model import Actual, Pending
from provision.plan import plan, plan_one
from tests.provision.situations import desired_of, found_from, inventory, many, wanted

WEB, DB = (w.container for w in desired(inventory()).containers)
PENDING = (Pending(key="nameserver", before="1.1.1.1", after=None),)
SCHEMA = json.loads((Path(report.__file__).parent / "schema.json").read_text())


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
    assert "? 2157 db is ours and not in the inventory; nothing is done" in text


def test_every_plan_fits_the_schema():
    changed = replace(WEB, cores=3, template="debian-12-standard")
    planned = plan(
        desired_of(wanted(changed), wanted(DB)),
        Actual(ours={2156: found_from(numbered(WEB), pending=PENDING)}),
    )
    matching = plan_of(found=[found_from(numbered(WEB), pending=PENDING), found_from(numbered(DB))])

    for each in (planned, matching):
        jsonschema.validate(report.plan_data(each), SCHEMA)
    assert "1 with differences that stay" in report.plan_text(planned)
    assert "waits for a restart" in report.plan_text(planned)


def result(**changes):
    usual = {"host": "web", "vmid": 2156, "did": (), "proof": "ssh", "took_s": 1.25}
    return Result(**(usual | changes))


def test_the_table_at_the_end():
    error = StepError("it broke", next_step="mend it")

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
    planned = plan(desired_of(*wanteds), Actual(ours={3000: here, 2157: orphan}))

    rows = report.status_rows(planned, [here, orphan])

    assert [(row["vmid"], row["status"], row["drift"]) for row in rows] == [
        (2157, "running", ["not in the inventory"]),
        (3000, "running", []),
        (3001, "missing", ["missing"]),
    ]
    lines = report.status_text(rows).splitlines()
    assert "running (backup)" in lines[2]
    assert "1 min" in lines[2]
    assert "nameserver" in lines[2]


def test_a_row_about_nothing_known_is_still_a_row():
    assert report.status_row(1, None, None, is_orphan=False)["host"] == ""


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


def test_ha_and_lock_stand_beside_the_status():
    found = found_from(numbered(WEB), lock="backup", ha_managed=True)
    rows = report.status_rows(plan_of(found=[found]), [found])

    assert "running (HA) (backup)" in report.status_text(rows)
