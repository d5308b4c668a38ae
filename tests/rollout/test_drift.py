"""What differs, and what could not be found out; secrets are never shown."""

from __future__ import annotations

import json
import subprocess
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
    def __init__(self, said):
        self.said = said

    def of(self, _group):
        return ["web"]

    def run(self, *_words, **_options):
        return self.said


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
    assert drift.status(list(drift.guests("lab"))) == told


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
    monkeypatch.setattr(drift, "guests", lambda _: drift.from_ansible(told))
    monkeypatch.setattr(drift, "Hosts", lambda _: nullcontext(Web(Said(1, "0002"))))
    monkeypatch.setattr("sys.argv", ["drift", "--json"])

    assert drift.main() == drift.FAILED

    said = json.loads(capsys.readouterr().out)
    assert len(said["findings"]) == 4
    schema = Path(drift.__file__).parent / "drift.schema.json"
    jsonschema.validate(said, json.loads(schema.read_text()))
