"""What a process of the lab leaves that was killed, piece by piece: no container is needed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab import (
    checks,
    cli,
    kernellimits,
    lifecycle,
    lxc,
    lxcfs,
    settings,
    storage,
    subids,
)
from lab.commands import CommandError
from lab.errors import LabError
from lab.guest import Birth, parse_guest
from lab.settings import Settings
from lab.storage import Disks

ROOT = Path(__file__).parents[2]


def test_what_is_made_can_be_walked_through_whatever_the_umask(tmp_path):
    """Found with umask 077: no container could reach its own root."""
    before = os.umask(0o077)
    try:
        cli.main(["down", "--state", str(tmp_path)])
        assert os.umask(0o077) == 0o022
    finally:
        os.umask(before)


# A lab's network in a namespace of the test's own, left as by a kill after each of its steps.
NETWORK = """
import re, subprocess, sys
from pathlib import Path
from lab import network, settings

lab, facts = settings.Settings(state=Path("/nowhere"), name="ctlv-killed"), settings.load_facts()
steps = 0

class Killed(BaseException):
    pass

def build(limit):
    global steps
    steps = 0
    def counted(real):
        def call(args, **words):
            global steps
            steps += 1
            if steps > limit:
                raise Killed
            return real(args, **words)
        return call
    network.run, network.succeeds = counted(run), counted(succeeds)
    try:
        network.build(lab, facts)
    except Killed:
        return False
    finally:
        network.run, network.succeeds = run, succeeds
    return True

# A carrier comes a moment after its link: the kernel's own doing, whatever was set.
PASSING = re.compile(r"NO-CARRIER,|,LOWER_UP|state (UP|DOWN|UNKNOWN)|linkdown")

def look():
    found = []
    for name in (lab.netns, lab.vantage_netns):
        inside = ["ip", "netns", "exec", name]
        for words in (["ip", "-o", "link"], ["ip", "-o", "address"], ["ip", "route"],
                      ["sysctl", "-n", *[k for k in network.SYSCTLS if "bridge" not in k]]):
            said = subprocess.run([*inside, *words], capture_output=True, text=True).stdout
            said = PASSING.sub("", said)
            found += [[word for word in line.split() if ":" not in word or word.count(":") == 5]
                      for line in said.splitlines() if "vantage" not in line and "eth0" not in line]
        links = subprocess.run([*inside, "ip", "-o", "link"], capture_output=True, text=True).stdout
        found += sorted("master" in line for line in links.splitlines() if "vantage" in line)
    return found

run, succeeds = network.run, network.succeeds
Path("/run/netns").mkdir()
Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
assert build(10_000)
whole, length = look(), steps
network.remove(lab)
for limit in range(length):
    assert not build(limit)
    assert build(10_000)
    assert look() == whole, f"after {limit} steps: {look()} is not {whole}"
    network.remove(lab)
print("completed", length)
"""


def test_a_network_that_was_cut_at_any_step_is_completed():
    apart = ["unshare", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may make no namespaces")
    inside = 'mount -t tmpfs none /run && exec "$@"'
    done = subprocess.run(
        [*apart, "sh", "-c", inside, "sh", sys.executable, "-c", NETWORK],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )
    assert done.stdout.startswith("completed"), done.stdout + done.stderr


def test_kernel_limits_are_noted_before_they_are_raised(tmp_path, monkeypatch):
    limit = tmp_path / "sys/fs/inotify/max_user_instances"
    limit.parent.mkdir(parents=True)
    limit.write_text("128")

    def killed(*_: object) -> None:
        assert limit.read_text() == "128"
        raise KeyboardInterrupt

    monkeypatch.setattr(kernellimits, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        kernellimits.raise_limits(run=tmp_path, sysctl=tmp_path / "sys")


@pytest.fixture
def id_files(tmp_path, monkeypatch):
    files = (tmp_path / "subuid", tmp_path / "subgid")
    monkeypatch.setattr(subids, "FILES", files)
    monkeypatch.setattr(subids, "LOCK", tmp_path / "lock")
    return files


def test_labs_that_start_at_once_get_ids_of_their_own(id_files):
    got: list[int] = []

    def keep(base: int) -> None:
        time.sleep(0.05)
        got.append(base)

    labs = [threading.Thread(target=subids.claim, args=(0,), kwargs={"keep": keep}) for _ in "abc"]
    for lab in labs:
        lab.start()
    for lab in labs:
        lab.join()
    assert len(set(got)) == 3
    assert len(id_files[0].read_text().splitlines()) == 3


def test_ids_of_a_lab_that_was_killed_before_it_kept_them_are_nobodys(id_files):
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        subids.claim(0, keep=killed)
    assert not id_files[0].exists()


@pytest.mark.parametrize("line", ["# a remark", "broken", "a:b:c", "x:1:", ""])
def test_a_line_that_is_no_range_of_ids_is_left_alone(line):
    assert subids.free_base([f"{line}\nroot:1000000:65536\n"]) == 1_065_536


@pytest.fixture
def lab(tmp_path, monkeypatch, id_files):
    monkeypatch.setattr(settings, "RUN", tmp_path / "run")
    monkeypatch.setattr(lifecycle, "run", lambda *_, **__: "")
    state = tmp_path / "state"
    state.mkdir()
    return Settings(state=state, name="ctlv-t", proxy_port=checks.free_port(), id_base=1_000_000)


@pytest.mark.parametrize("runs", [True, False])
def test_a_port_of_the_proxy_that_another_program_took_is_given_up(lab, runs):
    with socket.socket() as other:
        other.bind(("127.0.0.1", lab.proxy_port))
        other.listen()
        port = lifecycle._complete(lab, runs=runs).proxy_port
    assert (port == lab.proxy_port) == runs
    assert settings.load(lab.state).proxy_port == port
    assert settings.claimed(lab.run_folder).proxy_port == port


def test_the_folders_in_run_can_be_walked_through(lab):
    settings.RUN.mkdir(mode=0o700)
    lifecycle._complete(lab, runs=False)
    assert [p.stat().st_mode & 0o777 for p in (settings.RUN, lab.run_folder)] == [0o755] * 2


def test_disks_that_a_cut_snapshot_holds_are_let_go_before_containers_stop(lab, monkeypatch):
    disk = f"{lab.run_folder}/lxc/ctlv-t-9/disks/vm-9-disk-0"
    called = []
    monkeypatch.setattr(
        storage, "mounted", lambda *, below: [disk, f"{below}/ctlv-t-9/rootfs"] if below else []
    )
    monkeypatch.setattr(lifecycle, "_end_api", lambda _: called.append("end"))
    monkeypatch.setattr(lifecycle, "succeeds", lambda words: called.append(" ".join(words)))
    monkeypatch.setattr(lifecycle, "inits", lambda _: called.append("stop") or [])
    lifecycle._stop_containers(lab, how=[], say=print)
    assert called == ["end", f"fsfreeze --unfreeze {disk}", "stop"]


@pytest.fixture
def orphan(lab, monkeypatch, tmp_path):
    """A process in the cgroup of a container whose monitor was killed."""
    monkeypatch.setattr(lxc, "CGROUPS", tmp_path / "cgroup")
    cgroup = tmp_path / "cgroup" / "lxc.payload.ctlv-t-9"
    cgroup.mkdir(parents=True)
    (lab.run_folder / "lxc" / "ctlv-t-9").mkdir(parents=True)
    process = subprocess.Popen(["sleep", "300"])
    (cgroup / "cgroup.procs").write_text(f"{process.pid}\n")

    def reap() -> None:
        process.wait()
        (cgroup / "cgroup.procs").write_text("")

    reaper = threading.Thread(target=reap)
    reaper.start()
    yield process
    process.kill()
    reaper.join()


def test_no_process_of_a_container_outlives_the_lab(lab, orphan, monkeypatch):
    monkeypatch.setattr(lifecycle, "inits", lambda _: [])
    lifecycle._stop_containers(lab, how=["--kill"], say=print)
    assert orphan.wait(20) == -9


def test_a_disk_is_let_go_when_another_cannot_be_held(tmp_path, monkeypatch):
    called = []

    def freeze(words, **_):
        called.append(str(words[1]))
        if len(called) == 2:
            raise CommandError(["fsfreeze"], "no")
        return ""

    monkeypatch.setattr(storage, "run", freeze)
    monkeypatch.setattr(storage, "succeeds", lambda words: called.append(str(words[1])))
    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    for name in "ab":
        (tmp_path / f"{name}.img").touch()
    with pytest.raises(CommandError):
        Disks(images=tmp_path, mounts=tmp_path, id_base=0).snapshot("s")
    assert called == ["--freeze"] * 2 + ["--unfreeze"] * 2


def test_a_stranger_with_the_number_of_a_killed_lxcfs_is_left_alone(lab):
    lab.run_folder.mkdir(parents=True)
    stranger = subprocess.Popen(["sleep", "300"])
    (lab.run_folder / "lxcfs.pid").write_text(f"{stranger.pid}\n")
    lxcfs.stop(lab)
    time.sleep(0.1)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    ours = subprocess.Popen(
        [sys.executable, "-c", "input()", str(lab.run_folder / "lxcfs")], stdin=subprocess.PIPE
    )
    (lab.run_folder / "lxcfs.pid").write_text(f"{ours.pid}\n")
    time.sleep(0.5)
    lxcfs.stop(lab)
    assert ours.wait(20) == -15
    ours.stdin.close()


def test_a_creation_that_cannot_unpack_is_a_failed_task_and_leaves_nothing(lab, monkeypatch):
    runtime = object.__new__(lxc.LxcRuntime)
    runtime.keys = type("Keys", (), {"fill": lambda _: None})()
    removed = []

    def unpack(*_: object) -> None:
        raise LabError("processes [7] still write", next_step="look")

    monkeypatch.setattr(runtime, "_unpack", unpack)
    monkeypatch.setattr(runtime, "destroy", lambda guest: removed.append(guest.vmid))
    with pytest.raises(LabError, match="still write"):
        runtime.create(parse_guest(9, {}), Birth(template="t"), say=print)
    assert removed == [9]


def test_a_lock_file_that_another_user_made_is_taken_as_it_is(tmp_path, monkeypatch):
    """In a folder for everybody the kernel refuses even root to open it as one to be made."""
    monkeypatch.setattr(settings, "LOCKS", tmp_path)
    with settings.locked(tmp_path):
        pass
    (file,) = tmp_path.iterdir()
    opened = []
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode="r", *more: opened.append(mode) or real(path, mode, *more)
    )
    with settings.locked(tmp_path):
        pass
    assert (opened, file.exists()) == (["r+"], True)


def test_settings_are_kept_with_their_ids(lab):
    lifecycle._complete(lab, runs=False)
    assert json.loads(settings.settings_file(lab.state).read_text())["id_base"] == 1_000_000
