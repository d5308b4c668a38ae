"""What the lab asks of the machine it is on, and says when it is not there."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
import time
from dataclasses import replace

import pytest

from lab import checks, hostkeys, hotplug, machine
from lab.errors import LabError
from lab.guest import parse_guest
from lab.settings import Settings
from tests.lab.labs import free_port

OLD = machine.Machine(unified=False, apparmor=False, cpus=(0, 1), swap_limit=True)
LIMIT, BOTH = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"


@pytest.fixture
def wanted(tmp_path, monkeypatch):
    """A lab on a machine that has all it needs, whatever this one has."""
    monkeypatch.setattr(checks.os, "geteuid", lambda: 0)
    monkeypatch.setattr(checks, "machine_codename", lambda: "trixie")
    monkeypatch.setattr(checks, "PROGRAMS", ())
    monkeypatch.setattr(checks, "NEEDED_BYTES", 1)
    ports = {name: free_port() for name in ("api_port", "web_port", "rest_port")}
    return Settings(state=tmp_path / "not" / "there", **ports)


def test_a_machine_that_has_everything_is_taken(wanted):
    checks.check_machine(wanted, own=None)

    assert not wanted.state.exists()


def test_every_want_is_said_at_once(wanted, monkeypatch):
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(checks, "machine_codename", lambda: "")
    monkeypatch.setattr(checks, "PROGRAMS", ("no-such-program",))
    monkeypatch.setattr(checks, "NEEDED_BYTES", 1 << 62)

    with pytest.raises(LabError) as error:
        checks.check_machine(wanted, own=None)

    problem, following = str(error.value).split("\n  Next: ")
    for part in ("needs root", "not Debian", "not installed: no-such-program", "needs 5 GiB"):
        assert part in problem
    assert "sudo" in following


def test_a_taken_port_is_named_with_the_option_that_changes_it(wanted):
    with socket.create_server(("127.0.0.1", wanted.web_port)):
        with pytest.raises(LabError, match=f"port {wanted.web_port} .* taken") as error:
            checks.check_machine(wanted, own=None)
        assert "--web-port" in error.value.next_step

        checks.check_machine(wanted, own=replace(wanted, api_port=1))  # it is the lab's own


@pytest.mark.parametrize(
    ("enabled", "parser", "used"),
    [
        pytest.param("Y\n", "sh", True, id="on, with its parser"),
        pytest.param("Y\n", "no-such-parser", False, id="on, without its parser"),
        pytest.param("N\n", "sh", False, id="off"),
        pytest.param(None, "sh", False, id="not in the kernel"),
    ],
)
def test_apparmor_is_used_where_lxc_can_load_a_profile(enabled, parser, used, tmp_path):
    file = tmp_path / "enabled"
    if enabled:
        file.write_text(enabled)

    assert machine.look(apparmor=file, parser=parser).apparmor is used


def test_a_process_was_started_when_it_was():
    with subprocess.Popen(["sleep", "5"]) as child:
        assert machine.started_at(child.pid) == pytest.approx(time.time(), abs=2)
        child.kill()
    assert machine.started_at(os.getpid()) < time.time()


@pytest.mark.parametrize("kind", hostkeys.KINDS)
def test_a_fingerprint_is_the_one_ssh_keygen_shows(kind, tmp_path):
    key = hostkeys.make(kind, "root@web", where=tmp_path)
    (tmp_path / "key.pub").write_text(key.public)
    command = ["ssh-keygen", "-l", "-E", "sha256", "-f", str(tmp_path / "key.pub")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    assert key.fingerprint == shown[1]
    assert shown[2] == "root@web"


def test_no_container_gets_the_key_of_another(tmp_path):
    keys = hostkeys.HostKeys(tmp_path / "keys", ready=1)
    keys._fill()

    taken = [key.private for _ in range(2) for key in keys.take("web.example.org")]

    assert len(set(taken)) == 2 * len(hostkeys.KINDS)
    assert {re.split(r"\s", key.public)[2] for key in keys.take("web.example.org")} == {"root@web"}
    assert list((tmp_path / "keys").iterdir()) == []


def test_keys_that_a_killed_lab_left_are_removed(tmp_path):
    left = tmp_path / "keys" / "tmpabcdefgh"
    left.mkdir(parents=True)
    (left / "key").write_text("private")
    hostkeys.HostKeys(tmp_path / "keys")
    assert list((tmp_path / "keys").iterdir()) == []


def test_keys_are_made_ahead_by_one_thread_behind_everything_else(monkeypatch, tmp_path):
    """Three containers boot when their keys are replaced: that must not take their processors."""
    made = []

    def make(kind, comment, *, where, niceness=0):
        made.append((kind, niceness))
        time.sleep(0.02)
        return hostkeys.HostKey(kind, "private", f"{kind} AAAA {comment}\n")

    monkeypatch.setattr(hostkeys, "make", make)
    keys = hostkeys.HostKeys(tmp_path / "keys", ready=3)
    fillers = [threading.Thread(target=keys._fill) for _ in range(4)]
    for filler in fillers:
        filler.start()
    for filler in fillers:
        filler.join()

    assert made == [("rsa", 19)] * 3


@pytest.mark.parametrize(
    ("before", "after", "order"),
    [(512, 1024, [BOTH, LIMIT]), (1024, 512, [LIMIT, BOTH])],
    ids=["growing", "shrinking"],
)
def test_memory_is_never_above_memory_with_swap(before, after, order):
    written: list[str] = []
    guests = [parse_guest(9, {"memory": size, "swap": 0, "cores": 1}) for size in (before, after)]

    hotplug.change_limits(*guests, OLD, lambda file, _value: written.append(file))

    assert written == order


def test_what_did_not_change_is_not_written():
    guest = parse_guest(9, {"memory": 512})

    hotplug.change_limits(guest, guest, OLD, lambda *_: pytest.fail("written"))
