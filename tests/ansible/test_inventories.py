"""Both inventories have one shape, so that what works in the lab works on the cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision import inventory
from rollout import secrets

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted(path.parent.name for path in ROOT.glob("inventory/*/hosts.yml"))
# What one environment alone has, and why.
ONLY_IN = {
    ("lab", "group_vars/all/lab.yml"),  # what the lab offers around the containers
    # The lab's vault lies in its state folder and is read from here; elsewhere it lies here itself.
    ("lab", "group_vars/all/vault.yml"),
    ("srv-px5", "group_vars/all/vault.yml"),
}
SHARED = sorted(path for path in (ROOT / "inventory/shared").iterdir())
# The lab's own state has the endpoint of its API.
NOT_IN_THE_LAB = {"lxc_api_host", "lxc_api_port", "lxc_api_ca_file"}
# What is shared, and is not so in the lab: its folder, and how this machine reaches it.
ONLY_IN_THE_LAB = {
    *("ctlv_state", "operators_folder"),
    *("forwarded_addresses", "agenda_api_plain_http"),
}


def variables(environment: str) -> dict[str, dict[str, Any]]:
    """Of the environment's own files."""
    folder = ROOT / "inventory" / environment
    return {
        str(path.relative_to(folder)): yaml.safe_load(path.read_text())
        for path in sorted(folder.glob("group_vars/*/*.yml"))
        if (environment, str(path.relative_to(folder))) not in ONLY_IN
    }


def test_there_is_more_than_one_environment():
    assert "lab" in ENVIRONMENTS
    assert len(ENVIRONMENTS) > 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_links_to_all_that_is_shared(environment):
    """By relative links, for copies of the folder; and Ansible reads them before its own files."""
    for shared in SHARED:
        link = ROOT / "inventory" / environment / "group_vars" / shared.name / "00-shared"
        assert str(link.readlink()) == f"../../../shared/{shared.name}"
        assert min(link.parent.iterdir()) == link


@pytest.mark.parametrize("environment", [name for name in ENVIRONMENTS if name != "lab"])
def test_inventories_have_the_same_files(environment):
    assert variables(environment).keys() == variables("lab").keys()


@pytest.mark.parametrize("environment", [name for name in ENVIRONMENTS if name != "lab"])
def test_inventories_have_the_same_variables(environment):
    lab = variables("lab")
    for file, own in variables(environment).items():
        assert own.keys() - NOT_IN_THE_LAB == lab[file].keys() - ONLY_IN_THE_LAB, file


def test_what_all_environments_say_alike_is_shared():
    """But for what a container is: an environment is read whole, sizes included."""
    own = [variables(environment) for environment in ENVIRONMENTS]
    alike = [
        f"{file}: {name}"
        for file, lab in own[0].items()
        for name, value in lab.items()
        if not name.startswith("lxc_") and all(other[file].get(name) == value for other in own)
    ]
    assert not alike


def test_addresses_of_hosts_are_written_in_their_host_vars_alone():
    """Others ask the host's group: who joins it is let in, granted and handed on to."""
    written = re.compile(r"(?<![\d.])\d+\.\d+\.\d+\.\d+(?![\d.])")
    of_hosts = {
        address
        for path in ROOT.glob("inventory/*/host_vars/*/*.yml")
        for address in written.findall(path.read_text())
    }
    assert len(of_hosts) == 2 * 17

    offences = [
        f"{path.relative_to(ROOT)}: {address}"
        for pattern in ("*/group_vars/*/*.yml", "shared/*/*.yml")
        for path in (ROOT / "inventory").glob(pattern)
        for address in of_hosts & set(written.findall(path.read_text()))
        # A sentence for people, which says what is assumed.
        if f'"{address}' not in path.read_text()
        # What was a host's own until edges hold it.
        and path.name != "published.yml"
    ]
    assert not offences


def test_vault_password_of_every_environment_is_found():
    settings = (ROOT / "ansible.cfg").read_text()
    for environment in ENVIRONMENTS:
        assert f"{environment}@ansible/vault-client" in settings, environment


def test_lab_reads_every_secret_there_is():
    pointer = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/vault.yml").read_text())

    assert pointer.keys() == {*secrets.SECRETS, secrets.GENERATION}
    for name, value in pointer.items():
        assert f"'{name}'" in value


def test_every_secret_in_the_inventories_is_one_that_is_made():
    used = {
        name
        for pattern in ("*/group_vars/*/*.yml", "shared/*/*.yml")
        for path in (ROOT / "inventory").glob(pattern)
        for name in re.findall(r"\bvault_\w+", path.read_text())
        if path.name != "vault.yml"
    }

    assert used == {*secrets.SECRETS, secrets.GENERATION}


def test_what_lies_beside_an_inventory_for_git_is_no_host(tmp_path):
    """To Ansible a file of one word is a host of that name."""
    shutil.copytree(ROOT / "inventory", tmp_path / "inventory", symlinks=True)
    shutil.copy(ROOT / "ansible.cfg", tmp_path)
    (tmp_path / "ansible").symlink_to(ROOT / "ansible")
    folder = tmp_path / "inventory/srv-px5"
    for name in ("backup-key.pub", "operators.age", "operators.txt"):
        (folder / name).write_text("age1word\n")
    listed = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "-i", folder, "--list"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "age1word" not in listed.stdout
    assert all(path.suffix not in {".pub", ".age"} for path in inventory.readable_files(folder))
