"""setup/machine check: what would stop `make up`, said before anything is touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOBODY = 65534
# Stands for sudo, which would ask for a password: says what root would read.
SUDO = """#!/bin/sh
[ "$*" != true ] || exit "${SUDO_SAYS:-0}"
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


def check(
    clone: Path,
    *ports: object,
    root_reads: str = "",
    sudo_says: int = 0,
    environment: str = "lab",
    state: str = ".lab",
) -> subprocess.CompletedProcess[str]:
    """As a user without root, whoever runs the tests."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    path = f"{clone}/bin:{os.environ['PATH']}"
    asked = {"ASKED": str(clone / "asked"), "ROOT_READS": root_reads, "SUDO_SAYS": str(sudo_says)}
    return subprocess.run(
        ["bash", clone / "setup/machine", "check", environment, state, *map(str, ports)],
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
    lab = subprocess.Popen([sys.executable, "-c", "input()", "lab"], stdin=subprocess.PIPE)
    running = json.dumps({"name": "ctlv-lab", "pid": lab.pid})
    checked = check(clone, port, root_reads=running)
    lab.communicate(b"\n", timeout=60)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert (clone / "asked").read_text().endswith(".lab/lab.json\n")


def test_a_port_is_taken_when_the_lab_in_the_folder_is_down(clone, port):
    closed_state(clone)
    checked = check(clone, port)
    assert checked.returncode == 1
    assert f"port {port}" in checked.stderr


def refused(checked: subprocess.CompletedProcess[str], problem: str) -> None:
    assert checked.returncode == 1
    assert problem in checked.stderr
    assert checked.stderr.count("machine: ") == checked.stderr.count("\n  Next: ") >= 1


def test_nothing_is_made_by_a_check(clone):
    before = sorted(clone.rglob("*"))
    assert check(clone).returncode == 0
    assert sorted(clone.rglob("*")) == before


def test_a_sudo_that_refuses_is_as_good_as_none(clone):
    refused(check(clone, sudo_says=1), "sudo does not let ")


def test_a_clone_that_one_may_not_write_in_is_refused(clone):
    clone.chmod(0o555)
    refused(check(clone), " may not write ")
    clone.chmod(0o777)
    (clone / "build").mkdir(mode=0o755)
    (clone / "build").chmod(0o555)
    refused(check(clone), "/build'\n  Next: run this as '")


def test_a_clone_where_nothing_can_be_run_is_refused(clone):
    (clone / "setup/machine").chmod(0o644)
    refused(check(clone), "nothing can be run in ")


# What the lab's folder cannot have (settings.UNSAFE_IN_PATH), and what the shell, make or ssh read.
@pytest.mark.parametrize("character", [*" \t,:\\\"'#", "$", "`", "%", "{", ";", "&"])
def test_a_path_that_some_program_cannot_bear_is_refused(clone, character):
    refused(check(clone, state=f"a{character}b"), "has a blank, a quote or another character")
    odd = clone / f"a{character}b"
    (odd / "setup").mkdir(parents=True)
    (odd / "requirements").mkdir()
    shutil.copy(ROOT / "setup/machine", odd / "setup/machine")
    shutil.copy(ROOT / "requirements/debian.txt", odd / "requirements/debian.txt")
    odd.chmod(0o777)
    refused(check(odd), "has a blank, a quote or another character")


@pytest.mark.parametrize(
    "port", ["0", "65536", "99999999999999999999", "http", "", "-1", "1;x", "08"]
)
def test_what_is_no_port_is_refused(clone, port):
    refused(check(clone, port), f"'{port}' is no port")


def test_a_port_that_is_given_twice_is_refused(clone):
    refused(check(clone, 1, 2, 1), "port 1 is given twice")


def test_a_port_is_taken_when_another_program_has_the_number_of_a_killed_lab(clone, port):
    closed_state(clone)
    stranger = json.dumps({"name": "ctlv-lab", "pid": 1})
    refused(check(clone, port, root_reads=stranger), f"port {port} of 127.0.0.1 is taken")


RELEASE = 'ID={}\nVERSION_ID="{}"\nPRETTY_NAME="This one"\n'


@pytest.mark.parametrize(
    ("release", "is_good"),
    [
        (RELEASE.format("debian", 12), True),
        (RELEASE.format("debian", 13), True),
        (RELEASE.format("debian", 11), False),
        (RELEASE.format("debian", ""), False),
        (RELEASE.format("ubuntu", 12), False),
        ("", False),
    ],
)
def test_only_debian_12_and_13_will_do(clone, release, is_good):
    """In a mount namespace of its own, where /etc/os-release is another file."""
    apart = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may make no namespaces")
    (clone / "release").write_text(release)
    mounted = 'mount --bind "$0/release" "$(realpath /etc/os-release)"'
    inside = f'{mounted} && "$0/setup/machine" check lab .lab'
    checked = subprocess.run(
        [*apart, "sh", "-c", inside, clone], check=False, capture_output=True, text=True, timeout=60
    )
    if is_good:
        assert (checked.returncode, checked.stderr) == (0, "")
    else:
        refused(checked, ", not Debian 12 or 13\n")


# Stand for dpkg and apt: note what they are called with, fail as often as told with what is told.
APT = """#!/bin/sh
printf '%s %s\\n' "${0##*/}" "$*" >>"$CALLS"
if [ "${0##*/}" = "$FAILS" ] && [ "$(grep -c "^$FAILS " "$CALLS")" -le "$TIMES" ]; then
  printf '%s\\n' "$REASON" >&2
  exit 100
fi
"""
HELD = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
LOCKED = "dpkg: error: dpkg frontend lock was locked by another process with pid 7"


def packages(clone: Path, **told: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    for name in ("dpkg", "apt-get", "systemctl", "dpkg-query"):
        (clone / "bin" / name).write_text(APT)
        (clone / "bin" / name).chmod(0o755)
    (clone / "bin/sudo").write_text('#!/bin/sh\nexec "$@"\n')
    calls = clone / "calls"
    told = {"FAILS": "nothing", "TIMES": "0", "REASON": "", "CALLS": str(calls), **told}
    done = subprocess.run(
        [clone / "setup/machine", "packages"],
        env={**os.environ, **told, "PATH": f"{clone}/bin:/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = calls.read_text().splitlines()
    return done, [line for line in lines if line.startswith(("dpkg ", "apt-get "))]


@pytest.mark.parametrize(
    ("program", "reason"), [("dpkg", LOCKED), ("apt-get", HELD)], ids=["dpkg", "lists"]
)
def test_debians_own_upgrade_is_waited_for(clone, program, reason):
    done, calls = packages(clone, FAILS=program, TIMES="1", REASON=reason)
    assert done.returncode == 0, done.stderr
    assert "another program changes Debian packages: waiting for it" in done.stdout
    assert [call.split()[:2] for call in dict.fromkeys(calls)] == [
        ["dpkg", "--configure"],
        ["apt-get", "update"],
        ["apt-get", "install"],
    ]


@pytest.mark.parametrize("program", ["dpkg", "apt-get"])
def test_packages_that_cannot_be_had_are_two_lines_and_the_reason(clone, program):
    done, _ = packages(clone, FAILS=program, TIMES="9", REASON="E: no space left")
    assert done.returncode == 1
    assert "E: no space left\nmachine: '" in done.stderr
    assert " failed\n  Next: read build/apt.log" in done.stderr
    assert "installed" not in done.stdout


@pytest.fixture
def stale(clone: Path) -> Path:
    """A complete .venv, but for what a test makes of its pip."""
    (clone / "requirements/dev.txt").write_text("# nothing\n")
    digest = 'cat requirements/dev.txt <(/usr/bin/python3 --version) | sha256sum | cut -d " " -f 1'
    (clone / ".venv/bin").mkdir(parents=True)
    with (clone / ".venv/.complete").open("w") as stamp:
        subprocess.run(["bash", "-c", digest], cwd=clone, stdout=stamp, check=True, timeout=30)
    return clone


def stale_pip(clone: Path, folder: object) -> None:
    (clone / ".venv/bin/pip").write_text(f"#!{folder}/.venv/bin/python3\n")
    (clone / ".venv/bin/pip").chmod(0o755)


def test_a_venv_that_was_moved_is_made_anew(stale):
    """Found by moving a clone: its programs named an interpreter that was no more."""
    stale_pip(stale, "/elsewhere")

    def venv() -> str:
        command = [stale / "setup/machine", "venv"]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=120, umask=0o077
        ).stdout

    assert "making .venv" in venv()
    assert f"{stale}/.venv/bin/python" in (stale / ".venv/bin/pip").read_text()
    assert (stale / ".venv").stat().st_mode & 0o777 == 0o755
    assert venv() == "machine: .venv: up to date\n"


def test_a_venv_of_the_python_before_an_upgrade_of_debian_is_made_anew(stale):
    """Its packages are below another version's folder: pip itself is not found."""
    stale_pip(stale, stale)
    (stale / ".venv/.complete").write_text("of another Python\n")
    begun = subprocess.Popen(
        [stale / "setup/machine", "venv"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with begun:
        said = begun.stdout.readline()
        os.killpg(begun.pid, signal.SIGKILL)  # the making itself is tested above
    assert "making .venv" in said


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "setup").iterdir()))
def test_nothing_is_installed_but_what_is_pinned_with_its_hash(script):
    lines = (ROOT / "setup" / script).read_text().splitlines()
    installing = [line for line in lines if "pip install" in line]
    assert [line for line in installing if "--require-hashes" not in line] == []
