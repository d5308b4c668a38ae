"""What the verbs print for machines is what the schemas in the repository say, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from provision import report

FOLDER = Path(report.__file__).parent
PLAN, STATUS = (
    json.loads((FOLDER / name).read_text()) for name in ("schema.json", "status.schema.json")
)
SAID = [
    (("plan", "--json"), PLAN),
    (("plan", "--all-fields", "--json"), PLAN),
    (("drift", "--json"), PLAN),
    (("status", "--json"), STATUS),
]


def nothing_there(_):
    pass


def as_wanted(cluster):
    cluster.apply()


def all_kinds(cluster):
    """A difference, one that stays, a pending one, a missing container, an orphan, a copy."""
    cluster.apply()
    orphan, copy = (dict(cluster.ct(vmid).config) for vmid in (2157, 2156))
    cluster.pve._drop(cluster.ct(2157))
    cluster.pve.add_ct(3001, "old", config={
        **orphan, "description": orphan["description"].replace("host: db", "host: old"),
        "hostname": "old"})  # fmt: skip
    cluster.pve.add_ct(3002, "web", config=copy)
    cluster.ct(2156).pending["nameserver"] = "9.9.9.9"
    cluster.ct(2156).config["lock"] = "backup"
    cluster.change("web", lxc_memory_mib=640, lxc_template="debian-12-standard")


@pytest.mark.parametrize("situation", [nothing_there, as_wanted, all_kinds])
@pytest.mark.parametrize(("argv", "schema"), SAID, ids=[" ".join(argv) for argv, _ in SAID])
def test_what_is_printed_for_machines_fits_its_schema(cluster, situation, argv, schema):
    situation(cluster)

    cluster.run(*argv)

    jsonschema.validate(json.loads(cluster.out), schema)


def test_what_the_inventory_does_not_steer_is_told_to_machines_when_asked(cluster):
    cluster.apply()
    cluster.change("web", lxc_memory_mib=640)
    for vmid in (2156, 2157):
        cluster.ct(vmid).config |= {"cpulimit": 2, "tty": 2}

    cluster.run("plan", "--json")
    assert "unmanaged" not in cluster.out
    cluster.run("plan", "--all-fields", "--json")

    told = json.loads(cluster.out)
    found = {entry["vmid"]: entry["unmanaged"] for entry in told["containers"] + told["matching"]}
    assert found == {vmid: [{"key": "cpulimit", "value": "2"}] for vmid in (2156, 2157)}


def test_a_saved_plan_fits_the_schema(cluster, tmp_path):
    cluster.run("plan", "--out", str(tmp_path / "plan.json"))

    jsonschema.validate(json.loads((tmp_path / "plan.json").read_text()), PLAN)


def test_a_key_that_no_schema_names_is_refused(cluster):
    cluster.apply()
    cluster.run("status", "--json")
    rows = json.loads(cluster.out)
    rows[0]["new"] = 1

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(rows, STATUS)
