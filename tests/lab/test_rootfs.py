"""Writing into a tree that its container's root may have filled with traps."""

from __future__ import annotations

import contextlib
import os
import stat

import pytest

from lab.rootfs import Rootfs


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    return Rootfs(root, id_base=os.getuid())


@pytest.fixture
def outside(tmp_path):
    file = tmp_path / "outside"
    file.write_text("the machine's own")
    return file


def test_a_file_is_written_with_its_mode(tree):
    tree.write("/etc/key", "text", mode=0o600)

    file = tree.root / "etc/key"
    assert file.read_text() == "text"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [p.name for p in (tree.root / "etc").iterdir()] == ["key"]


def test_a_link_to_the_outside_is_replaced_and_not_followed(tree, outside):
    (tree.root / "etc/hostname").symlink_to(outside)

    tree.write("/etc/hostname", "web")

    assert outside.read_text() == "the machine's own"
    assert not (tree.root / "etc/hostname").is_symlink()


@pytest.mark.parametrize("target", ["/", "../../..", "absolute"])
def test_a_folder_that_leads_outside_ends_inside(tree, outside, target):
    where = str(outside.parent) if target == "absolute" else target
    (tree.root / "etc/network").symlink_to(where)

    with contextlib.suppress(OSError):  # no such folder inside: fine
        tree.write("/etc/network/outside", "web")

    assert outside.read_text() == "the machine's own"


def test_reading_does_not_leave_the_tree_either(tree, outside):
    (tree.root / "etc/shadow").symlink_to(outside)

    with pytest.raises(FileNotFoundError):
        tree.read("/etc/shadow")


def test_folders_are_made_with_the_asked_mode(tree):
    tree.make_folder("/root/.ssh", mode=0o700)

    assert stat.S_IMODE((tree.root / "root/.ssh").stat().st_mode) == 0o700


def test_an_unchanged_file_is_left_alone(tree):
    tree.write("/etc/hosts", "same")
    before = (tree.root / "etc/hosts").stat().st_ino

    tree.write_if_changed("/etc/hosts", "same")
    assert (tree.root / "etc/hosts").stat().st_ino == before

    tree.write_if_changed("/etc/hosts", "other")
    assert tree.read("/etc/hosts") == "other"


def test_a_fifo_where_a_file_is_expected_does_not_stop_the_lab(tree):
    os.mkfifo(tree.root / "etc/hosts")

    tree.write_if_changed("/etc/hosts", "text")

    assert tree.read("/etc/hosts") == "text"
