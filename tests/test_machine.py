"""setup/machine check: what would stop `make up`, said before anything is touched."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOBODY = 65534
# Stands for sudo, which would ask for a password: says what root would read.
SUDO = """#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
[ -z "$ROOT_READS" ] || printf '%s\\n' "$ROOT_READS" | "$1" "$2" "$3"
"""


@pytest.fixture
def clone() -> Iterator[Path]:
    """What `check` needs of a clone, where a user without root reaches it."""
    folder = Path(tempfile.mkdtemp(prefix="ctlv-machine-"))
    folder.chmod(0o777)
    for name in ("setup/machine", "requirements/debian.txt"):
        (folder / name).parent.mkdir(mode=0o755, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "bin").mkdir(mode=0o755)
    sudo = folder / "bin/sudo"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    yield folder
    if (state := folder / ".lab").exists():
        state.chmod(0o700)
    shutil.rmtree(folder)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of 127.0.0.1 that somebody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def check(clone: Path, port: int, *, root_reads: str = "") -> subprocess.CompletedProcess[str]:
    """As a user without root, whoever runs the tests."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    path = f"{clone}/bin:{os.environ['PATH']}"
    asked = {"ASKED": str(clone / "asked"), "ROOT_READS": root_reads}
    return subprocess.run(
        [clone / "setup/machine", "check", "lab", ".lab", str(port)],
        env={**os.environ, **asked, "PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        **user,
    )


def closed_state(clone: Path) -> None:
    """A lab's folder as root leaves it: its user may not look inside."""
    state = clone / ".lab"
    state.mkdir()
    (state / "lab.json").write_text("{}")
    state.chmod(0)


def test_a_taken_port_is_named_and_nothing_else_is_done(clone, port):
    checked = check(clone, port)
    assert checked.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken by another program\n  Next: " in checked.stderr
    assert not (clone / "asked").exists()


def test_a_port_that_our_running_lab_holds_is_not_taken(clone, port):
    """Found by running `make up` twice as a user with sudo."""
    closed_state(clone)
    running = json.dumps({"name": "ctlv-lab", "pid": os.getpid()})
    checked = check(clone, port, root_reads=running)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert (clone / "asked").read_text().endswith(".lab/lab.json\n")


def test_a_port_is_taken_when_the_lab_in_the_folder_is_down(clone, port):
    closed_state(clone)
    checked = check(clone, port)
    assert checked.returncode == 1
    assert f"port {port}" in checked.stderr
