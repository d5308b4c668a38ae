"""What reach.py refuses and prints; the containers behind it are the lab tests' business."""

from __future__ import annotations

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
