"""Several files in one call: right content, owner and mode, or nothing at all."""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
import stat
import subprocess
from pathlib import Path

import pytest

# A module is a program for the host, and lies in no package.
MODULE = Path(__file__).parents[2] / "ansible/library/host_files.py"
SPEC = importlib.util.spec_from_file_location("host_files", MODULE)
host_files = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(host_files)
OURS = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


class Module:
    def __init__(self, *, check_mode=False):
        self.check_mode = check_mode

    def run_command(self, command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        return done.returncode, done.stdout, done.stderr

    def fail_json(self, *, msg):
        raise RuntimeError(msg)


def place(path, content=None, *, mode="0644", validate="", check_mode=False, **given):
    item = {"path": str(path), "content": content, "mode": mode, "validate": validate}
    return host_files.place(Module(check_mode=check_mode), {**item, **OURS, **given})


def test_what_is_right_already_is_left_alone(tmp_path):
    path = tmp_path / "file"
    assert place(path, "one\n")
    before = path.stat().st_ino
    assert place(path, "one\n") is None
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        pytest.param("two\n", "0644", {"before": "one\n", "after": "two\n"}, id="content"),
        pytest.param("one\n", "0640", {"mode": "0640"}, id="mode"),
    ],
)
def test_what_differs_is_put_right_and_shown(tmp_path, content, mode, told):
    path = tmp_path / "file"
    place(path, "one\n")
    change = place(path, content, mode=mode)
    assert told.items() <= {**change, **(change["after"] if mode == "0640" else {})}.items()
    assert path.read_text() == content
    assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
    assert place(path, content, mode=mode) is None


def test_folder_is_made_with_its_mode_and_its_parents(tmp_path):
    assert place(tmp_path / "a/b", mode="0750")
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o750
    assert place(tmp_path / "a/b", mode="0750") is None


def test_check_mode_shows_and_touches_nothing(tmp_path):
    assert place(tmp_path / "file", "one", check_mode=True)["after"] == "one"
    assert place(tmp_path / "folder", check_mode=True, owner="not-made-yet")
    assert not list(tmp_path.iterdir())


def test_content_that_does_not_validate_never_lies_there(tmp_path):
    path = tmp_path / "file"
    place(path, "right\n")
    with pytest.raises(RuntimeError, match="file: what should be written is wrong"):
        place(path, "wrong\n", validate="grep -q right %s")
    assert path.read_text() == "right\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert place(path, "right again\n", validate="grep -q right %s")


def test_link_is_replaced_by_the_file_and_its_target_stays(tmp_path):
    target, path = tmp_path / "target", tmp_path / "file"
    target.write_text("theirs")
    path.symlink_to(target)
    assert place(path, "ours")
    assert (target.read_text(), path.is_symlink()) == ("theirs", False)


def test_link_is_pointed_elsewhere_and_what_lay_there_replaced(tmp_path):
    path = tmp_path / "file"
    place(path, "text")
    assert place(path, link="there", check_mode=True)["after"] == "there\n"
    assert not path.is_symlink()
    assert place(path, link="there")
    assert place(path, link="there") is None
    assert place(path, link="elsewhere")["before"] == "there\n"
    assert path.readlink() == Path("elsewhere")


def test_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(RuntimeError, match="is a folder"):
        place(tmp_path / "x", "text")


def test_a_file_that_is_not_wanted_is_removed_and_its_secret_not_shown(tmp_path):
    path = tmp_path / "password"
    path.write_text("hunter2")
    assert place(path, state="absent", check_mode=True)["before"] == "present\n"
    assert path.exists()
    change = place(path, state="absent")
    assert "hunter2" not in str(change)
    assert not path.exists()
    assert place(path, state="absent") is None


@pytest.mark.parametrize("content", [None, "ours"])
def test_a_link_in_the_place_of_a_folder_lends_its_target_to_nobody(tmp_path, content):
    """Whoever owns a folder on the way may put a link there: what it points to stays as it was."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    (tmp_path / "folder").symlink_to(theirs)
    path = tmp_path / "folder" / "file" if content else tmp_path / "folder"
    for state in ["present"] + ["absent"] * bool(content):
        with pytest.raises(OSError, match="folder is a link"):
            place(path, content, mode="0755", state=state)
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o700
    assert not list(theirs.iterdir())


def test_a_link_is_not_read_for_what_is_shown(tmp_path):
    secret, path = tmp_path / "secret", tmp_path / "file"
    secret.write_text("hunter2")
    path.symlink_to(secret)
    assert "hunter2" not in str(place(path, "ours"))
    assert secret.read_text() == "hunter2"
