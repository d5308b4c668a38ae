"""What reach.py refuses and prints; the containers behind it are the lab tests' business."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import certificates
import pytest
import reach


@pytest.fixture
def asked(monkeypatch):
    """The commands that would have run on the web container."""
    commands: list[list[str]] = []

    def ssh(environment, to, command, *, capture=False):
        commands.append(command)
        return 0, "/agenda/reset/x/y/\n"

    monkeypatch.setattr(reach, "ssh", ssh)
    monkeypatch.setattr(reach, "web_root", lambda environment: f"http://{environment}")
    return commands


@pytest.mark.parametrize(
    ("yes", "confirm"), [(False, ""), (True, ""), (True, "lab"), (False, "srv-px5")]
)
def test_demo_outside_the_lab_wants_both_answers(asked, yes, confirm):
    with pytest.raises(reach.ReachError, match="YES=1 CONFIRM=srv-px5"):
        reach.fill_demo("srv-px5", yes=yes, confirm=confirm)
    assert asked == []


def test_demo_outside_the_lab_prints_a_link_and_no_password(asked, capsys):
    reach.fill_demo("srv-px5", yes=True, confirm="srv-px5")
    assert asked == [["agenda-manage", "agenda_demo", "--link"]]
    assert capsys.readouterr().out.splitlines()[-1] == "http://srv-px5/agenda/reset/x/y/"


def test_demo_in_the_lab_asks_nothing(asked, capsys):
    reach.fill_demo("lab", yes=False, confirm="")
    assert asked == [["agenda-manage", "agenda_demo"]]
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
    now = datetime.now(UTC)
    certificates.authority(tmp_path, name="elsewhere", at=now)
    certificates.host(tmp_path, name="agenda.example.org", addresses=["192.0.2.7"], at=now)
    file = str(tmp_path / "tls/agenda.example.org.pem")
    common = {"agenda_tls": tls, "certificate_site_file": file}
    monkeypatch.setattr(reach, "read_inventory", lambda _: {"_meta": {"hostvars": {"w": common}}})
    assert reach.web_root(environment) == root
