"""`make environment`: another one beside it, that takes nothing of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from provision.desired import desired
from provision.errors import OperatorError
from provision.inventory import load
from rollout import environments
from rollout.environments import made

OURS = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path):
    shutil.copytree(OURS / "inventory", tmp_path / "inventory", symlinks=True)
    shutil.copy(OURS / "ansible.cfg", tmp_path)
    folder = tmp_path / "inventory/srv-px5"
    (folder / "backup-key.pub").write_text("age1word\n")
    (folder / "group_vars/all/vault.yml").write_text("$ANSIBLE_VAULT;1.2;AES256;srv-px5\n00\n")
    return tmp_path


def own_files(folder):
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_symlink()
    )


def test_it_has_names_vmids_and_addresses_of_its_own_and_shares_the_rest(root):
    said = made(root, "staging", "srv-px5", shift=20)
    before, after = (desired(load(name, root=root)) for name in ("srv-px5", "staging"))
    assert after.environment == "staging"
    assert after.deployment != before.deployment
    assert [(w.host, w.vmid) for w in after.containers] == [
        (f"{w.host}-staging", w.vmid + 20) for w in before.containers
    ]
    assert not environments.addresses(before) & environments.addresses(after)
    assert all(str(wanted.vmid) in said for wanted in after.containers)
    folder = root / "inventory/staging"
    assert (folder / "group_vars/all/00-shared").is_symlink()
    assert not [name for name in own_files(folder) if name.endswith(("vault.yml", ".pub"))]
    assert "staging@ansible/vault-client" in (root / "ansible.cfg").read_text()


def test_nothing_is_created_before_somebody_confirmed_what_was_counted(root):
    made(root, "staging", "srv-px5", shift=20)
    assumed = desired(load("staging", root=root)).assumed
    assert len(assumed) == 2
    assert "2176, 2177" in assumed[0]


def test_a_rest_server_that_waits_for_its_day_is_another_one_too(root):
    made(root, "staging", "srv-px5", shift=20)
    folder = root / "inventory/staging"
    (folder / "hosts-rest.yml.txt").rename(folder / "hosts-rest.yml")
    rest = [
        w for w in desired(load("staging", root=root)).containers if w.host.endswith("REST-staging")
    ]
    assert [wanted.vmid for wanted in rest] == [2178]
    text = "".join(path.read_text() for path in environments.written(folder))
    assert not re.search(r"\b(215[678]|10\.2[01]\.\d+\.15[678])\b|srv-px5/", text)


@pytest.mark.parametrize(
    ("name", "source", "shift", "said"),
    [
        ("lab", "srv-px5", 20, "it is there"),
        ("srv-px5", "srv-px5", 20, "it is there"),
        ("../x", "srv-px5", 20, "small letters"),
        ("Staging", "srv-px5", 20, "small letters"),
        ("staging", "lab", 20, "none to copy\n  Next: give FROM=srv-px5"),
        ("staging", "nowhere", 20, "none to copy"),
        ("staging", "srv-px5", 99, "no address for a host of 10.2"),
        ("staging", "srv-px5", 1, "srv-px5 has 2157"),
    ],
)
def test_what_would_collide_is_refused_and_leaves_nothing(root, name, source, shift, said):
    before = own_files(root)
    with pytest.raises(OperatorError) as refused:
        made(root, name, source, shift=shift)
    assert said in str(refused.value)
    assert own_files(root) == before


def test_a_third_one_takes_nothing_of_the_second(root):
    made(root, "staging", "srv-px5", shift=20)
    with pytest.raises(OperatorError, match="staging has 2176"):
        made(root, "school", "srv-px5", shift=20)
    made(root, "school", "staging", shift=20)
    assert len(desired(load("school", root=root)).containers) == 2
