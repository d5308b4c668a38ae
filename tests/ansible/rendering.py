"""What Ansible makes of the inventory and of the roles' templates, by its own templating."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from rollout import secrets

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "ansible/roles"
MANAGED = trust_as_template("written by Ansible")
# Lookups and the inventory's readers; once a process.
init_plugin_loader()


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


def lab_inventory(folder: Path) -> Path:
    """A copy of the lab's inventory in `folder`, for a test to add to; no secret of it is real."""
    shutil.copytree(ROOT / "inventory", folder / "inventory", symlinks=True)
    (folder / "app/api").mkdir(parents=True)
    shutil.copy(ROOT / "app/api/privileges.yml", folder / "app/api")
    lab = folder / "inventory/lab"
    vault = yaml.safe_dump(dict.fromkeys(secrets.SECRETS, "x"))
    (lab / "group_vars/all/vault.yml").write_text(vault)
    return lab


def inventory_values(folder: Path) -> Callable[[str, str], Any]:
    """`values(host, name)`: a variable of the inventory as a play sees it."""
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(folder)])
    variables = VariableManager(loader, inventory)
    # It registers itself: the variables of other hosts.
    HostVars(inventory, variables, loader)

    def values(host: str, name: str) -> Any:
        known = variables.get_vars(host=inventory.get_host(host))
        return Templar(loader, known).template(known[name])

    return values
