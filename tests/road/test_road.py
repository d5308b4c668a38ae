"""The whole road, as a stranger walks it, on a lab of the tests' own: never the operator's.

The tests stand in the order of the road and stop at the first that fails (`tests/run` passes -x).
What each command printed lies under build/road/.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra import secret_values

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "build/road"
STATE = ROOT / ".lab-test"
# Of this clone alone: what a killed run in another clone left alive is in nobody's way.
NAME = f"ctlv-road-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"


def free_ports(count: int) -> list[int]:
    """Ports below those the kernel gives to clients: servers are ended and started again."""
    free: list[int] = []
    for port in range(18000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            break
    return free


API_PORT, WEB_PORT, REST_PORT = free_ports(3)
SETTINGS = (
    f"LAB_STATE={STATE}",
    f"LAB_NAME={NAME}",
    f"LAB_API_PORT={API_PORT}",
    f"LAB_WEB_PORT={WEB_PORT}",
    f"LAB_REST_PORT={REST_PORT}",
)
# Seconds after which `make up` is killed, one run after another: in the lab's start, while
# containers are created, and in early and late parts of the playbook.
KILLED_AFTER_S = (2, 6, 14, 28, 45)

# A management command on the web container, as the operator would run it.
MANAGE = (".venv/bin/python", "-m", "rollout.reach", "ssh", "--to", "web", "agenda-manage")
COUNT_PROBES = (
    'from accounts.models import User; print("probes:", User.objects.filter(is_probe=True).count())'
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]


def environment() -> dict[str, str]:
    state = {"CTLV_LAB_STATE": str(STATE)}
    return {**os.environ, **state, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}


def run(
    name: str, *command: str, timeout_s: float = 900, where: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `command` in the repository; its whole output is kept in build/road/NAME.log."""
    log = LOGS / f"{name}.log"
    with log.open("w", encoding="utf-8") as out:
        ended = subprocess.run(
            command,
            cwd=where,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    return subprocess.CompletedProcess(command, ended.returncode, log.read_text("utf-8"), "")


def make(name: str, *goals: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
    return run(name, "make", *goals, *SETTINGS, timeout_s=timeout_s)


def succeeded(ended: subprocess.CompletedProcess[str]) -> bool:
    """True when it exited 0; else its last lines are shown, so that CI explains itself."""
    if ended.returncode != 0:
        print("\n".join(ended.stdout.splitlines()[-60:]))
    return ended.returncode == 0


def reset() -> None:
    lab = (".venv/bin/python", "-m", "lab")
    ended = run("reset", *lab, "reset", "--state", str(STATE), "--keep-templates")
    assert succeeded(ended)
    shutil.rmtree(STATE, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def own_lab() -> Iterator[None]:
    """Our own lab: clean at the start even after a killed run, without a trace at the end."""
    LOGS.mkdir(parents=True, exist_ok=True)
    reset()
    yield
    reset()


def kill_up_after(seconds: float, *, where: Path) -> None:
    log = LOGS / f"up-killed-after-{seconds:.0f}s.log"
    with log.open("w", encoding="utf-8") as out:
        up = subprocess.Popen(
            ("make", "up", *SETTINGS),
            cwd=where,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        up.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(up.pid, signal.SIGKILL)
    up.wait()


def containers(where: Path = ROOT) -> list[str]:
    """Those that the lab's inventory in that tree has."""
    graph = run(
        "graph", ".venv/bin/ansible-inventory", "-i", "inventory/lab", "--graph", where=where
    )
    return sorted(set(re.findall(r"--(ct-\S+)", graph.stdout)))


def tree_of_what_is_committed(name: str) -> Path:
    tree = LOGS / name
    shutil.rmtree(tree, ignore_errors=True)
    cloned = run("clone", "git", "clone", "--quiet", "--shared", str(ROOT), str(tree))
    assert succeeded(cloned)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    return tree


def tree_without_a_rest_server_and_with_tls() -> Path:
    """With the changes that an operator makes: one file moved, one word."""
    tree = tree_of_what_is_committed("without-rest")
    hosts = tree / "inventory/lab/hosts-rest.yml"
    hosts.rename(hosts.with_name("hosts-rest.yml.txt"))
    tls = tree / "inventory/lab/group_vars/all/tls.yml"
    before = tls.read_text("utf-8")
    tls.write_text(before.replace('agenda_tls: "off"', "agenda_tls: internal"), "utf-8")
    assert tls.read_text("utf-8") != before
    return tree


def tree_of_a_small_cluster() -> Path:
    """The example of the large shape, less a web and a REST server, as an operator shortens it."""
    tree = tree_of_what_is_committed("cluster")
    for example in (tree / "inventory/lab").rglob("*.yml.txt"):
        example.rename(example.with_suffix(""))
    hosts = tree / "inventory/lab/hosts-cluster.yml"
    text, left_out = re.subn(r", ct-\S+-server(Django3|REST2): ", "", hosts.read_text("utf-8"))
    assert left_out == 2
    hosts.write_text(text, "utf-8")
    return tree


def answers(path: str) -> int:
    """The status that the web's loopback forward, to port 80, answers with."""
    connection = http.client.HTTPConnection("127.0.0.1", WEB_PORT, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def changed_counts(output: str) -> dict[str, int]:
    """The last PLAY RECAP's changed= of each host."""
    found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", output, flags=re.MULTILINE)
    return {host: int(changed) for host, changed in found}


def test_up_completes_after_being_killed_at_five_moments():
    """From nothing to the two containers of the smallest site. `make up` ends with `make verify`,
    which proves the API and TLS too.
    """
    tree = tree_without_a_rest_server_and_with_tls()
    for seconds in KILLED_AFTER_S:
        kill_up_after(seconds, where=tree)
        time.sleep(0.5)
    assert succeeded(run("up-after-kills", "make", "up", *SETTINGS, where=tree))
    assert "verify lab: proved" in (LOGS / "up-after-kills.log").read_text("utf-8")
    assert len(containers(tree)) == len(containers()) - 1 == 2
    assert answers("/api/v1/health") == 308  # to https
    status = run("status-after-kills", "make", "status", *SETTINGS, where=tree)
    assert succeeded(status)
    assert len(set(re.findall(r"\b21\d\d\b", status.stdout))) == 2, status.stdout


def test_up_adds_a_rest_server_to_what_runs_and_takes_tls_back():
    assert succeeded(make("up-with-rest", "up"))
    assert answers("/api/v1/health") == 200


def test_deploying_again_changes_nothing():
    again = make("deploy-again", "deploy")
    assert succeeded(again)
    counts = changed_counts(again.stdout)
    assert len([host for host in counts if host.startswith("ct-")]) == len(containers()), counts
    assert set(counts.values()) == {0}, counts
    plan = run("plan", ".venv/bin/python", "-m", "provision", "plan", "--env", "lab")
    assert plan.returncode == 0, plan.stdout


def test_a_killed_database_comes_back_and_has_lost_nothing():
    """The small version of `make drill-faults`: one fault of ten."""
    options = ("ONLY=SIGKILL of MariaDB", "YES=1")
    assert succeeded(make("drill-faults", "drill-faults", *options))


def test_releases_are_switched_under_load_and_broken_ones_refused():
    """The small version of `make drill-redeploy`: one redeploy, one rollback, two of seven."""
    options = ("SWITCHES=2", "BROKEN=import,page", "YES=1")
    assert succeeded(make("drill-redeploy", "drill-redeploy", *options))


@pytest.mark.parametrize("verb", ["redeploy", "rollback"])
def test_a_release_that_serves_already_is_not_touched(verb):
    """The drill ended with a rollback to what this tree holds."""
    again = make(f"{verb}-again", verb)
    assert succeeded(again)
    counts = changed_counts(again.stdout)
    assert counts, again.stdout
    assert set(counts.values()) == {0}, counts


def test_a_stranger_uses_the_agenda_in_a_browser():
    assert succeeded(run("e2e", "pytest", "-q", "-m", "e2e", "tests/e2e"))


def test_web_and_rest_server_do_without_each_other():
    drill = (".venv/bin/python", "-m", "tests.drills.rest", "--env", "lab", "--yes")
    assert succeeded(run("drill-rest", *drill))


def test_everything_comes_back_after_a_restart_in_both_orders():
    assert succeeded(make("drill-reboot", "drill-reboot", "YES=1"))


# After the restart, because a boot may replace what a deployment wrote.
# The plays of redeploy.yml are among those of site.yml.
@pytest.mark.parametrize("playbook", ["site", "rollback"])
def test_playbook_runs_in_check_mode_on_a_deployed_host(playbook):
    command = ("ansible-playbook", "-i", "inventory/lab", f"ansible/{playbook}.yml", "--check")
    checked = run(f"check-{playbook}", *command, "--diff")
    assert succeeded(checked)
    assert set(changed_counts(checked.stdout).values()) == {0}, checked.stdout[-3000:]


def test_a_backup_comes_back_row_for_row_and_forgotten_stays_forgotten():
    assert succeeded(run("demo", *MANAGE, "agenda_probe", "create"))
    assert succeeded(make("backup", "backup"))
    drill = make("drill-restore", "drill-restore")
    assert succeeded(drill)
    assert "all equal" in drill.stdout
    assert re.search(r"RTO [\d.]+ s, RPO \d+ s", drill.stdout)
    assert succeeded(run("demo-removed", *MANAGE, "agenda_probe", "remove"))
    restored = make("restore", "restore", "FROM=latest", "YES=1")
    assert succeeded(restored)
    # The probe is in the backup; its owner's account was removed since, so it does not come back.
    assert int(re.findall(r"erased again: (\d+)", restored.stdout)[0]) >= 1
    left = run("accounts", *MANAGE, "shell", "--verbosity=0", "--command", f"'{COUNT_PROBES}'")
    assert left.stdout.strip().splitlines()[-1] == "probes: 0"
    assert succeeded(make("status", "status"))


def test_no_secret_lies_where_it_does_not_belong_on_the_operators_machine(monkeypatch):
    monkeypatch.setenv("CTLV_LAB_STATE", str(STATE))
    secrets = secret_values.runs("lab", environment())
    assert len(secrets) >= 5
    homes = {path for pattern in secret_values.HOMES for path in STATE.glob(pattern)}
    assert {oct(path.stat().st_mode & 0o077) for path in homes} == {"0o0"}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    files = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    files += (ROOT / "build").rglob("*")
    # Not images/ and templates/: those are the containers' disks, which `make verify` searches.
    for part in STATE.iterdir():
        if part.name not in {"images", "templates", "lxc"}:
            files += [part, *part.rglob("*")]
    files += Path("/proc").glob("[0-9]*/cmdline")
    found = {
        f"{name} in {path}"
        for path in files
        if path.is_file() and path not in homes
        for name in secret_values.named_in(content(path), secrets)
    }
    assert found == set()


def test_a_cluster_grows_from_it_and_loses_one_of_each_kind():
    """The small version of `make drill-edge`: four faults of thirteen, with three times the limits.
    HAProxy of an edge, nginx and gunicorn of a web container, the database that takes writes.
    """
    tree = tree_of_a_small_cluster()
    assert succeeded(run("grow", "make", "provision", "deploy", "YES=1", *SETTINGS, where=tree))
    assert len(containers(tree)) == 8
    drill = (".venv/bin/python", "-m", "tests.drills.edge", "--env", "lab", "--yes")
    kills = run("drill-edge", *drill, "--only", "SIGKILL", "--slack", "3", where=tree)
    assert succeeded(kills)
    assert "passed: 4 faults" in kills.stdout


def test_destroy_leaves_no_container_and_provision_makes_them_anew():
    """The last: `provision` waits for SSH, and thereby proves that the old host keys are gone."""
    assert succeeded(run("destroy", "make", "destroy", "YES=1", *SETTINGS, where=LOGS / "cluster"))
    status = make("status-after-destroy", "status")
    assert status.returncode != 0
    assert "running" not in status.stdout, status.stdout
    assert succeeded(make("provision-anew", "provision", "YES=1"))


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # a process that ended meanwhile
