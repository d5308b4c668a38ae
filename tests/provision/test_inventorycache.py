"""Ansible is asked once about the same files, and always about what may answer otherwise."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from provision import inventory, inventorycache

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(ROOT / "inventory/lab", tmp_path / "inventory/lab")
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """The folders that Ansible was started for."""
    seen = []
    original = inventory.ansible_inventory

    def counted(folder):
        seen.append(folder)
        return original(folder)

    monkeypatch.setattr(inventory, "ansible_inventory", counted)
    return seen


def kept(root):
    return sorted((root / "cache/ctlv/inventory").glob("*.json"))


def test_the_same_files_are_read_once(root, asked):
    first, second = (inventory.load("lab", root=root) for _ in range(2))

    assert len(asked) == 1
    assert first == second
    assert kept(root)[0].stat().st_mode & 0o777 == 0o600
    assert kept(root)[0].parent.stat().st_mode & 0o777 == 0o700


def test_only_what_provision_keeps_is_kept(root):
    file = root / "inventory/lab/group_vars/all/containers.yml"
    file.write_text(file.read_text() + "\nplain_password: hunter2\n")
    inventory.load("lab", root=root)

    assert "hunter2" not in kept(root)[0].read_text()
    assert "ansible_user" not in kept(root)[0].read_text()


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / "group_vars/all/containers.yml").write_text(
            (f / "group_vars/all/containers.yml").read_text().replace("1024", "2048")),
        lambda f: (f / "group_vars/all/more.yml").write_text("lxc_swap_mib: 7\n"),
        lambda f: (f / "group_vars/all/containers.yml").rename(f / "group_vars/all/zz.yml"),
        lambda f: (f / "group_vars/all/containers.yml").unlink(),
    ],
    ids=["content", "another file", "another name", "a file less"],
)  # fmt: skip
def test_any_change_is_seen(root, asked, change):
    inventory.load("lab", root=root)
    change(root / "inventory/lab")
    inventory.load("lab", root=root)

    assert len(asked) == 2


@pytest.mark.parametrize(
    ("name", "text", "mode"),
    [
        ("script.yml", "all:\n", 0o755),
        ("cluster.yml", "plugin: community.proxmox.proxmox\n", 0o644),
        ("more.ini", "[containers]\n", 0o644),
        ("plainlist", "ct-one\n", 0o644),
    ],
    ids=["a script", "a plugin's configuration", "INI", "a list of hosts"],
)
def test_what_may_answer_otherwise_tomorrow_is_never_kept(root, name, text, mode):
    file = root / "inventory/lab" / name
    file.write_text(text)
    file.chmod(mode)
    files = inventory.readable_files(root / "inventory/lab")

    assert inventorycache.key(root / "inventory/lab", files) is None


def test_without_a_key_nothing_is_kept(root, asked):
    (root / "inventory/lab/more.ini").write_text("[other]\n")
    for _ in range(2):
        inventory.load("lab", root=root)

    assert len(asked) == 2
    assert kept(root) == []


@pytest.mark.parametrize("damage", ["", "{", "[]", "null"])
def test_a_damaged_cache_is_asked_anew(root, asked, damage):
    first = inventory.load("lab", root=root)
    kept(root)[0].write_text(damage)

    assert inventory.load("lab", root=root) == first
    assert len(asked) == 2
    assert json.loads(kept(root)[0].read_text())


def test_a_cache_that_cannot_be_written_is_no_failure(root):
    (root / "cache").write_text("in the way")

    assert len(inventory.load("lab", root=root).hosts) == 3


def test_a_file_that_vanishes_while_it_is_read_gives_no_key(root):
    assert inventorycache.key(root, [root / "inventory/lab/nosuch.yml"]) is None


def test_the_oldest_are_forgotten(root):
    for number in range(inventorycache.MOST_KEPT + 3):
        inventorycache.save(f"k{number:02}", {})
        os.utime(root / f"cache/ctlv/inventory/k{number:02}.json", (number, number))

    names = [file.stem for file in kept(root)]
    assert len(names) <= inventorycache.MOST_KEPT + 1
    assert "k00" not in names
    assert f"k{inventorycache.MOST_KEPT + 2}" in names
