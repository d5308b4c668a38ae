"""What reach.py refuses and prints; the containers behind it are the lab tests' business."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, datetime
from functools import partial
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest

from provision.errors import OperatorError
from provision.inventory import Inventory
from rollout import reach, status
from tests.certificates import authority, certify


@pytest.fixture
def asked(monkeypatch):
    """The commands that would have run on the web container."""
    commands: list[str] = []

    class Web(reach.Hosts):
        def __init__(self, _):
            self.connections = SimpleNamespace(way=lambda host: ["ssh", host], close=lambda: None)

        def first(self, group):
            return group

        def run(self, host, *command, **_):
            commands.append(self.way(host, *command)[-1])
            return CompletedProcess(command, 0, "/agenda/reset/x/y/\n", "")

    monkeypatch.setattr(reach, "Hosts", Web)
    monkeypatch.setattr(reach, "web_root", lambda environment: f"http://{environment}")
    return commands


@pytest.mark.parametrize(
    ("yes", "confirm"), [(False, ""), (True, ""), (True, "lab"), (False, "srv-px5")]
)
def test_demo_outside_the_lab_wants_both_answers(asked, yes, confirm):
    with pytest.raises(OperatorError, match="YES=1 CONFIRM=srv-px5"):
        reach.fill_demo("srv-px5", yes=yes, confirm=confirm)
    assert asked == []


def test_demo_outside_the_lab_prints_a_link_and_no_password(asked, capsys):
    reach.fill_demo("srv-px5", yes=True, confirm="srv-px5")
    assert asked == ["agenda-manage agenda_demo --link"]
    assert capsys.readouterr().out.splitlines()[-1] == "http://srv-px5/agenda/reset/x/y/"


def test_demo_in_the_lab_asks_nothing(asked, capsys):
    reach.fill_demo("lab", yes=False, confirm="")
    assert asked == ["agenda-manage agenda_demo"]
    assert "at http://lab/agenda" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "forwards", "root"),
    [
        (("lab", "off"), {"8080": "192.0.2.7:80"}, "http://127.0.0.1:8080"),
        (("lab", "internal"), {"8080": "192.0.2.7:443"}, "https://127.0.0.1:8080"),
        (("lab", "internal"), {"8080": "192.0.2.7:80"}, "https://192.0.2.7"),
        (("srv-px5", False), {}, "http://192.0.2.7"),
        (("srv-px5", "internal"), {}, "https://192.0.2.7"),
        (("srv-px5", "files"), {}, "https://agenda.example.org"),
    ],
)
def test_links_lead_to_where_the_agenda_answers(monkeypatch, tmp_path, place, forwards, root):
    environment, tls = place
    monkeypatch.setattr(reach, "addresses", lambda *_: {"web": "192.0.2.7"})
    monkeypatch.setattr(reach, "state_folder", lambda _: tmp_path)
    (tmp_path / "lab.json").write_text(json.dumps({"forwards": forwards}))
    authority(tmp_path)
    file = str(certify(tmp_path, "agenda.example.org", ["192.0.2.7"]))
    common = {"agenda_tls": tls, "tls_site_file": file}
    monkeypatch.setattr(
        reach, "load", lambda *_, **__: Inventory(environment="", hosts={"w": common})
    )
    assert reach.web_root(environment) == root


@pytest.mark.parametrize("environment", ["", "nowhere", "../../etc", "lab/", "../inventory/lab"])
def test_an_environment_without_an_inventory_is_refused(environment):
    with pytest.raises(OperatorError, match=r"\n  Next: give ENV= one of: lab, srv-px5"):
        reach.state_folder(environment)


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_a_lab_that_is_not_up_is_said_in_two_lines(monkeypatch, tmp_path, content):
    monkeypatch.setattr(reach, "addresses", lambda *_: {"web": "192.0.2.7"})
    monkeypatch.setattr(reach, "state_folder", lambda _: tmp_path)
    monkeypatch.setattr(reach, "load", lambda *_, **__: Inventory(environment="", hosts={"w": {}}))
    if content is not None:
        (tmp_path / "lab.json").write_text(content)
    with pytest.raises(OperatorError, match=r"lab\.json cannot be read.*\n  Next: run `make up`"):
        reach.web_root("lab")


def test_a_certificate_without_names_names_nothing(tmp_path):
    """The authority's own has none."""
    authority(tmp_path)
    assert reach.named_in(tmp_path / "ca.pem") == ""


def test_a_certificate_from_elsewhere_that_is_not_there_is_said_in_two_lines(tmp_path):
    with pytest.raises(OperatorError, match=r"cannot be read.*\n  Next: set tls_site_file"):
        reach.named_in(tmp_path / "none.pem")


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"at": "soon", "rows": 1, "rto_s": 1}'])
def test_a_drills_result_that_cannot_be_read_is_a_note(tmp_path, content):
    (tmp_path / "backup-drill.json").write_text(content)
    *_, (mark, subject, text) = status.of_operator(tmp_path, at=datetime.now(UTC))
    assert (mark, subject) == ("note", "drill")
    assert "cannot be read" in text


def test_a_lost_second_factor_is_removed_by_name_and_the_name_is_no_command(asked, capsys):
    reach.act(Namespace(env="lab", verb="factor-reset", name="-x; touch harm"))
    assert asked == ["agenda-manage agenda_factor_reset -- '-x; touch harm'"]


def test_what_the_agenda_refuses_it_says_itself(asked, monkeypatch, capsys):
    refused = CompletedProcess((), 1, "", "no account named 'x'\n  Next: give NAME=\n")
    monkeypatch.setattr(reach.Hosts, "run", lambda *_, **__: refused)
    with pytest.raises(OperatorError, match="could not run agenda_factor_reset"):
        reach.manage("lab", "agenda_factor_reset", "--", "x")
    assert capsys.readouterr().err == "no account named 'x'\n  Next: give NAME=\n"


def test_the_first_administrator_is_told_of_the_second_factor(asked, capsys):
    reach.say_address("lab", admin=True)
    assert "authenticator app" in capsys.readouterr().out


def test_the_audit_is_asked_of_the_agenda(asked, capsys):
    reach.act(Namespace(env="lab", verb="audit", since="2026-11-30", name="a b", json=True))
    assert asked == ["agenda-manage agenda_audit --since=2026-11-30 '--name=a b' --json"]


def test_of_several_hosts_the_first_that_answers_is_asked(tmp_path, monkeypatch):
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\necho x >>"{tmp_path}/asked"\n'
        'case "$*" in *" web2 true") ;; *) exit 255 ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    answers = partial(reach.first_that_answers, tmp_path / "ssh_config")
    assert answers(["web", "web2", "web3"]) == "web2"
    assert answers(["web", "web3"]) == "web", "the error is then that of the first"
    (tmp_path / "asked").unlink()
    assert answers(["web"]) == "web"
    assert not (tmp_path / "asked").exists(), "one alone is not asked"
