"""What differs, and what could not be found out; secrets are never shown."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from contextlib import nullcontext
from pathlib import Path

import jsonschema
import pytest

from rollout import drift


def report(**result):
    task = {"task": {"name": "nginx : Write"}, "hosts": {"web": result}}
    return {"plays": [{"tasks": [task]}]}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        pytest.param({"changed": False}, drift.SAME, id="as it should be"),
        pytest.param({"changed": True}, drift.DIFFERS, id="changed"),
        pytest.param({"failed": True, "msg": "no"}, drift.FAILED, id="failed"),
        pytest.param({"unreachable": True, "msg": "no"}, drift.FAILED, id="not reached"),
    ],
)
def test_exit_codes(result, code):
    assert drift.status(list(drift.from_ansible(report(**result)))) == code


def test_lines_that_differ_are_shown():
    diff = {"before": "same\nold\n", "after": "same\nnew\n", "after_header": "/etc/x"}
    (finding,) = drift.from_ansible(report(changed=True, results=[{"diff": [diff]}]))
    assert finding["how"] == ["/etc/x:", "- old", "+ new"]
    assert "~ web: nginx : Write" in drift.render([finding])


def test_a_secret_is_not_shown():
    (finding,) = drift.from_ansible(report(changed=True, censored="the output has been hidden"))
    assert finding["how"] == ["(a secret: not shown)"]


class Said:
    def __init__(self, returncode, stdout="", stderr=""):
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr


class Web:
    """`said`: to the question after migrations; `schema` and `look` to the others."""

    def __init__(self, said, schema=None, look=None):
        self.said, self.schema, self.look = said, schema or Said(0), look or Said(0)

    def of(self, group):
        return [group]

    def first(self, group):
        return group

    def run(self, _host, *words, **_options):
        if words[0] == "python3":
            return self.look
        return self.schema if "agenda_schema" in words[0] else self.said


@pytest.mark.parametrize(
    ("said", "code"),
    [
        pytest.param(Said(0), drift.SAME, id="all applied"),
        pytest.param(Said(1, "Planned operations:\nagenda.0002"), drift.DIFFERS, id="some are not"),
        pytest.param(Said(1, "", "database is away"), drift.FAILED, id="cannot be asked"),
    ],
)
def test_schema(said, code):
    assert drift.status(list(drift.schema(Web(said)))) == code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        pytest.param(Said(0, ""), drift.SAME, id="as the models say"),
        pytest.param(Said(0, "index of task: is missing"), drift.DIFFERS, id="an index is gone"),
        pytest.param(Said(1, "", "Unknown command"), drift.FAILED, id="an older release"),
    ],
)
def test_the_schema_is_compared_with_the_models(said, code):
    findings = list(drift.schema(Web(Said(0), schema=said)))
    assert drift.status(findings) == code
    assert {finding["where"] for finding in findings} <= {"database"}, "the schema is there"


def looked(found=(), **more):
    return Said(0, json.dumps({"found": list(found), "manifests": {}, **more}))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        pytest.param(looked(), drift.SAME, id="all explained"),
        pytest.param(looked([["user", "eve", "uid 0"]]), drift.DIFFERS, id="a user more"),
        pytest.param(Said(0, json.dumps({"failed": "no record"})), drift.FAILED, id="no record"),
        pytest.param(Said(1, "", "no python3"), drift.FAILED, id="cannot be asked"),
    ],
)
def test_what_is_in_effect(said, code, tmp_path):
    assert drift.status(list(drift.in_effect(Web(Said(0), look=said), {}, tmp_path))) == code


def test_a_manifest_is_compared_with_the_one_that_was_built_here(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with tarfile.open(tmp_path / "r1.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "manifest.json", "manifest.json")
    right = hashlib.sha256(b"{}").hexdigest()
    told = {"found": [], "manifests": {"r1": right, "built elsewhere": "0"}}
    assert list(drift.judged("web", told, tmp_path)) == []
    (finding,) = drift.judged("web", {**told, "manifests": {"r1": "0"}}, tmp_path)
    assert finding["how"] == ["r1: its manifest.json is not the one built here"]


def test_the_paths_of_all_tasks_count_by_host():
    told = [
        {"host": "web", "declared": ["/a"], "absent": []},
        {"host": "db", "declared": ["/b"], "absent": ["/c"]},
        {"host": "web", "declared": ["/a", "/d"], "absent": []},
    ]
    assert drift.read_declared(map(json.dumps, told)) == {
        "web": {"declared": ["/a", "/d"], "absent": []},
        "db": {"declared": ["/b"], "absent": ["/c"]},
    }


@pytest.mark.parametrize(
    ("code", "stdout", "told"),
    [
        pytest.param(0, json.dumps(report(changed=False)), drift.SAME, id="all the same"),
        pytest.param(4, json.dumps(report(changed=False)), drift.FAILED, id="failed beside a task"),
        pytest.param(2, json.dumps(report(changed=True)), drift.FAILED, id="failed after a change"),
        pytest.param(1, "no JSON", drift.FAILED, id="no report"),
    ],
)
def test_a_playbook_that_failed_is_never_called_the_same(monkeypatch, code, stdout, told):
    ended = subprocess.CompletedProcess([], code, stdout, "ERROR! something")
    monkeypatch.setattr(drift.subprocess, "run", lambda *_, **__: ended)
    assert drift.status(list(drift.guests("lab", Path("declared")))) == told


def test_a_playbook_that_does_not_end_is_said_in_a_line(monkeypatch, capsys):
    def run(*_words, **_options):
        raise subprocess.TimeoutExpired(["/x/ansible-playbook"], 1800)

    monkeypatch.setattr(drift.subprocess, "run", run)
    monkeypatch.setattr(drift.sys, "argv", ["drift", "--env", "lab"])
    assert drift.main() == drift.FAILED
    assert "ansible-playbook did not end within 1800 s" in capsys.readouterr().out


def test_what_is_said_to_machines_fits_the_schema(monkeypatch, capsys):
    plan = {"where": "proxmox", "what": "containers", "how": {"containers": []}}
    told = report(failed=True, msg="no")
    told["plays"] += report(changed=True, diff={"before": "a", "after": "b"})["plays"]
    monkeypatch.setattr(drift, "proxmox", lambda _: [plan])
    monkeypatch.setattr(drift, "guests", lambda *_: drift.from_ansible(told))
    monkeypatch.setattr(
        drift,
        "Hosts",
        lambda _: nullcontext(Web(Said(1, "0002"), look=looked([["user", "eve", "uid 0"]]))),
    )
    monkeypatch.setattr("sys.argv", ["drift", "--json"])

    assert drift.main() == drift.FAILED

    said = json.loads(capsys.readouterr().out)
    assert len(said["findings"]) == 5
    schema = Path(drift.__file__).parent / "drift.schema.json"
    jsonschema.validate(said, json.loads(schema.read_text()))
