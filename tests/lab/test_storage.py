"""Disks of the lab on this machine: real images, loop devices and mounts. Needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.storage import Disks

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]
ROOT_DISK = "vm-2156-disk-0"
MIB = 1024**2


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Disks]:
    made = Disks(images=tmp_path / "images", mounts=tmp_path / "mounts", id_base=100_000)
    made.allocate(ROOT_DISK, 512 * MIB)
    yield made
    made.remove()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    return folder


@pytest.fixture
def hold() -> Iterator[object]:
    """Let another process take a private copy of all mounts, as `unshare -m` does, and keep it."""
    holders: list[subprocess.Popen[str]] = []

    def take() -> None:
        command = ["unshare", "--mount", "sh", "-c", "echo held; exec sleep 120"]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

    yield take
    for holder in holders:
        holder.terminate()
        holder.communicate(timeout=10)


def test_a_snapshot_comes_back_while_another_process_holds_a_copy_of_the_mounts(
    disks, template, hold
):
    """The old file system stays in use there, and the kernel knows its UUID from it."""
    tree = disks.mount(ROOT_DISK, template)
    (tree / "word").write_text("before")
    disks.snapshot("s1")
    (tree / "word").write_text("after")
    hold()

    disks.rollback("s1")

    assert (disks.mount(ROOT_DISK, template) / "word").read_text() == "before"


def test_what_came_back_lasts_and_grows_while_the_copy_is_held(disks, template, hold):
    disks.mount(ROOT_DISK, template)
    disks.snapshot("s1")
    hold()
    disks.rollback("s1")
    (disks.mount(ROOT_DISK, template) / "word").write_text("again")

    disks.resize(ROOT_DISK, 640 * MIB)
    disks.unmount()

    assert (disks.mount(ROOT_DISK, template) / "word").read_text() == "again"
    assert disks.usage(ROOT_DISK)[1] > 512 * MIB


def test_a_disk_that_is_mounted_again_is_the_one_that_the_copy_holds(disks, template, hold):
    """Two loop devices over one image would ruin it."""
    (disks.mount(ROOT_DISK, template) / "word").write_text("before")
    hold()
    disks.unmount()

    (disks.mount(ROOT_DISK, template) / "word").write_text("after")
    disks.resize(ROOT_DISK, 640 * MIB)
    disks.unmount()

    assert (disks.mount(ROOT_DISK, template) / "word").read_text() == "after"
    devices = subprocess.run(
        ["losetup", "--noheadings", "--output", "NAME", "--associated", disks.image(ROOT_DISK)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert len(devices.stdout.split()) == 1


def test_a_disk_is_made_anew_while_the_copy_of_the_old_one_is_held(disks, template, hold):
    (disks.mount(ROOT_DISK, template) / "word").write_text("old")
    hold()

    disks.remove()
    disks.allocate(ROOT_DISK, 512 * MIB)

    assert not (disks.mount(ROOT_DISK, template) / "word").exists()
