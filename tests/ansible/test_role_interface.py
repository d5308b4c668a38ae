"""A role's defaults and its argument_specs say the same thing, and no role reads another's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "ansible/roles").iterdir() if path.is_dir())
# What somebody may want to set, though neither environment does.
CHOICES = re.compile(
    r"agenda_smtp_\w+|watch_(alert|heartbeat)_\w+"  # letters and alerts
    r"|tls_site_(key_)?file"  # agenda_tls: files
    r"|backup_at|agenda_(grace_s|audit_days)"  # when to back up, how long to keep what
    r"|agenda_session_\w+|agenda_most_\w+"  # how long a sign-in lasts, what one account may hold
    r"|base_connections_\w+|nginx_(requests|sign_ins)_s"  # what one address may take
    # How a release is served; what a run does, and whether it insists.
    r"|agenda_(workers|threads|memory_mib|ready_s|keep|action|force|unlock)"
)
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def documented(role: Path) -> dict[str, Any]:
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    return spec["argument_specs"]["main"].get("options", {})


def defaults(role: Path) -> dict[str, Any]:
    file = role / "defaults/main.yml"
    return yaml.safe_load(file.read_text()) if file.exists() else {}


@each_role
def test_defaults_and_argument_specs_agree(role):
    options = documented(role)

    assert {k: v["default"] for k, v in options.items() if "default" in v} == defaults(role)


@each_role
def test_every_default_is_one_that_somebody_sets(role):
    """Inventory, playbooks, or the operator by make; what nobody sets is a literal where it is."""
    patterns = ("inventory/*/group_vars/*/*.yml", "inventory/shared/*/*.yml", "Makefile",
                "ansible/*.yml", "ansible/group_vars/*.yml")  # fmt: skip
    text = "\n".join(path.read_text() for glob in patterns for path in ROOT.glob(glob))
    set_somewhere = set(re.findall(r"\b(\w+)\"?(?=:\s|=)", text))

    unset = {name for name in defaults(role) if not CHOICES.fullmatch(name)} - set_somewhere

    assert not unset


@each_role
def test_every_option_has_a_type_and_a_default_or_is_required(role):
    for name, option in documented(role).items():
        assert name.startswith(f"{role.name}_"), f"{name} lacks the prefix {role.name}_"
        assert "type" in option, name
        assert ("default" in option) != option.get("required", False), name


@each_role
def test_role_says_what_it_promises(role):
    assert (role / "README.md").exists()
    assert documented(role) is not None


@each_role
def test_role_reads_only_its_own_variables(role):
    others = [name for other in ROLES if other != role for name in documented(other)]
    files = [path for path in role.rglob("*") if path.is_file() and path.name != "README.md"]

    offences = [
        f"{path.relative_to(ROOT)} reads {name}"
        for path in files
        if path.parts[-2] in {"tasks", "templates", "handlers", "vars", "defaults"}
        for name in others
        if re.search(rf"(?<![\w]){re.escape(name)}\b(?!:)", path.read_text())
    ]

    assert not offences, "\n".join(offences)


@each_role
def test_every_internal_variable_is_named_after_its_role(role):
    for path in (role / "vars").glob("*.yml"):
        for name in yaml.safe_load(path.read_text()) or {}:
            assert name.startswith(f"__{role.name}_"), f"{path}: {name}"


def test_database_and_application_name_the_same_collation():
    settings = (ROOT / "app/config/settings.py").read_text()
    internal = yaml.safe_load((ROOT / "ansible/roles/mysql/vars/main.yml").read_text())

    assert internal["__mysql_collation"] in settings
