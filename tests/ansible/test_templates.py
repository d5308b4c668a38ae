"""What roles write, as those read it who must: rendered by Ansible's own templating."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[2] / "ansible/roles"
MANAGED = trust_as_template("written by Ansible")


def trusted(value: Any) -> Any:
    """Of a file of ours, as Ansible takes it."""
    if isinstance(value, dict):
        return {name: trusted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [trusted(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


def templar(role: str, **variables: Any) -> Templar:
    files = [ROLES / role / folder / "main.yml" for folder in ("defaults", "vars")]
    known = {name: v for file in files for name, v in yaml.safe_load(file.read_text()).items()}
    return Templar(DataLoader(), trusted(known) | {"ansible_managed": MANAGED} | variables)


def rendered(role: str, template: str, **variables: Any) -> str:
    text = trust_as_template((ROLES / role / "templates" / template).read_text())
    return str(templar(role, **variables).template(text, preserve_trailing_newlines=True))


def value_of(role: str, name: str, **variables: Any) -> Any:
    return templar(role, **variables).template(trust_as_template(f"{{{{ {name} }}}}"))


@pytest.mark.parametrize(
    "value",
    ["agenda@example.org", "L'agenda d'ici <agenda@example.org>", 'a; b $(id) `id` \\ "$HOME"'],
)
def test_a_shell_reads_the_settings_as_systemd_does(tmp_path, value):
    """agenda-manage and a restore read them in a shell, as root; the units by systemd."""
    variables = {"agenda_smtp_from": value, "agenda_smtp_user": value}
    names = {"agenda_smtp_host": "mail", "agenda_database_host": "db", "agenda_hosts": ["a", "b"]}
    file = tmp_path / "agenda.env"
    file.write_text(rendered("agenda", "agenda.env.j2", **variables, **names))
    told = 'set -eu; . "$1"; printf "%s\\n" "$AGENDA_SMTP_FROM" "$AGENDA_SMTP_USER"'
    ended = subprocess.run(
        ["sh", "-c", told, "sh", file], capture_output=True, text=True, timeout=10, check=False
    )
    assert (ended.returncode, ended.stdout.splitlines()) == (0, [value, value]), ended.stderr


@pytest.mark.parametrize(
    ("database", "take_from", "gone"),
    [
        ("agenda", [], ["ctlv-backup-take.timer"]),
        ("", [{"address": "192.0.2.7", "alias": "db"}], ["ctlv-backup.timer"]),
        ("", [], ["ctlv-backup.timer", "ctlv-backup-take.timer"]),
        ("agenda", [{"address": "192.0.2.7", "alias": "db"}], []),
    ],
)
def test_a_host_that_no_longer_takes_backups_loses_its_timer(database, take_from, gone):
    names = ("ctlv-backup.timer", "ctlv-backup-take.timer")
    there = {"files": [{"path": f"/etc/systemd/system/{name}"} for name in names]}
    variables = {"backup_database": database, "backup_take_from": take_from}
    found = value_of("backup", "__backup_timers_gone", __backup_timers=there, **variables)
    assert sorted(found) == sorted(gone)


def families(text: str) -> set[str]:
    lines = [line for line in text.splitlines() if line.startswith("RestrictAddressFamilies=")]
    return {word for line in lines for word in line.partition("=")[2].split()}


@pytest.mark.parametrize(
    "unit", sorted(ROLES.glob("*/templates/ctlv-*.service.j2")), ids=lambda path: path.name
)
def test_a_unit_does_not_claim_to_be_narrower_than_the_sandbox(unit):
    """The sandbox is a drop-in, read after it: the lists are added."""
    own = families(unit.read_text())
    assert not own or own >= families((ROLES / "base/templates/sandbox.conf.j2").read_text())


def test_a_release_that_ended_comes_back_however_it_ended():
    """Told to stop by somebody else than systemd, gunicorn exits 0."""
    unit = (ROLES / "agenda/templates/agenda@.service.j2").read_text().splitlines()
    assert "Restart=always" in unit
    assert "StartLimitIntervalSec=0" in unit
