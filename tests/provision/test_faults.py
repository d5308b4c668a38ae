"""What a cluster does to a client, and what users of other tools reported: a situation each."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fakepve import TaskError
from fakepve.certs import make_cert
from fakepve.server import error

from provision import apply, cli, creation, proxmox
from tests.provision import child
from tests.provision.conftest import TOKEN
from tests.provision.situations import many

LOCK_TEXT = "can't lock file '/run/lock/lxc/pve-config-2156.lock' - got timeout"


@pytest.fixture
def quick(monkeypatch):
    """Retry for two seconds instead of ninety, so that giving up is quick to test."""
    monkeypatch.setattr(
        cli, "Proxmox", lambda endpoint, **more: proxmox.Proxmox(endpoint, retry_for_s=2.0, **more)
    )


# ---------------------------------------------------------------- many at once


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.01)
def test_twenty_containers_at_once_without_one_lock_error(cluster):
    """bpg#1929, Telmate#173: parallel creation died on "can't lock file"."""
    cluster.inventory = many(20)
    cluster.pve.ct_secs["create"] = 20

    assert cluster.apply("--parallel", "20") == 0

    assert len(cluster.pve.cts) == 20
    assert {task["exitstatus"] for task in cluster.pve.tasklog} == {"OK"}
    assert len([t for t in cluster.pve.tasklog if t["type"] == "vzcreate"]) == 20


def test_a_creation_that_loses_the_storages_lock_is_tried_again(cluster):
    """Telmate#1126: a storage's lock freed itself a second later, and the run had ended."""
    original, failures = cluster.pve.task, [2]

    async def task(node, kind, *args, **kwargs):
        if kind == "vzcreate" and failures[0]:
            failures[0] -= 1
            cluster.pve.cts = [ct for ct in cluster.pve.cts if ct.vmid != int(args[0])]

            async def body():
                raise TaskError(
                    "unable to create CT - cfs-lock 'storage-x' error: got lock request timeout"
                )

            return await original(node, kind, args[0], args[1], body)
        return await original(node, kind, *args, **kwargs)

    cluster.pve.task = task

    assert cluster.apply() == 0
    assert sorted(ct.vmid for ct in cluster.pve.cts) == [2156, 2157]


def test_one_that_fails_never_hides_anothers_success(cluster):
    cluster.pve.fail(
        "POST", "/nodes/pve1/lxc/2156/status/start", 500, "start failed: no more memory"
    )

    assert cluster.apply() == 1

    assert cluster.ct(2157).status == "running"
    assert "no more memory" in cluster.out
    lines = cluster.out.splitlines()
    assert any(line.startswith("2156") and "failed" in line for line in lines)
    assert any(line.startswith("2157") and "running" in line for line in lines)


# ---------------------------------------------------------------- races


def test_a_stranger_who_takes_the_vmid_first_is_left_alone(cluster, on_request):
    """community.proxmox#58: two hosts get one id. bpg takes "already exists" for success."""

    def steal(method, path):
        if (method, path) == ("POST", "nodes/pve1/lxc") and cluster.pve.ct(2156) is None:
            cluster.pve.add_ct(2156, "stranger", status="running")

    on_request(steal)

    assert cluster.apply() == 1

    assert "VMID 2156" in cluster.out
    assert "is not ours" in cluster.out
    stranger = cluster.ct(2156)
    assert (stranger.name, stranger.status, "ctlv" in str(stranger.config)) == (
        "stranger",
        "running",
        False,
    )
    assert not [call for call in cluster.writes() if "2156" in call[1]]


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.05)
def test_two_applies_at_once_make_each_container_once(cluster):
    """From two machines: both end well, and nothing is made twice."""
    cluster.pve.ct_secs["create"] = 20
    runs = [child.forked(cluster.inventory, "apply", "--yes") for _ in range(2)]
    for run in runs:
        run.join(180)

    assert [run.exitcode for run in runs] == [0, 0]
    assert sorted(ct.vmid for ct in cluster.pve.cts) == [2156, 2157]
    assert len(good_tasks(cluster, "vzcreate")) == 2
    # Both may see one stopped and ask: the second `systemctl start` does nothing (LXC.pm).
    assert {task["id"] for task in good_tasks(cluster, "vzstart")} == {"2156", "2157"}


def good_tasks(cluster, kind):
    return [t for t in cluster.pve.tasklog if t["type"] == kind and t.get("exitstatus") == "OK"]


def test_someone_elses_change_between_plan_and_apply_is_not_overwritten(cluster, on_request):
    cluster.apply()
    cluster.change("web", lxc_cores=2)
    done = []

    def interfere(method, path):
        if method == "PUT" and not done:
            done.append(path)
            cluster.ct(2156).config["memory"] = 4096

    on_request(interfere)

    assert cluster.apply() == 1
    assert "memory_mib changed while this ran" in cluster.out
    assert cluster.ct(2156).config["memory"] == 4096


# ---------------------------------------------------------------- locks


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.1)
def test_a_lock_held_for_longer_than_the_server_waits_is_waited_for(cluster):
    """bpg#995, Telmate#677: 15 s against the server's own 10 s."""
    cluster.apply()
    cluster.change("web", lxc_cores=2)
    ct = cluster.ct(2156)
    ct.lock_holder = "backup"
    timer = threading.Timer(1.5, lambda: setattr(ct, "lock_holder", None))
    timer.start()

    assert cluster.apply() == 0
    timer.join()

    puts = [call for call in cluster.calls("PUT") if call[1].endswith("2156/config")]
    assert len(puts) >= 2
    assert ct.config["cores"] == 2


def test_a_lock_that_stays_is_named(cluster, quick):
    cluster.apply()
    cluster.change("web", lxc_cores=2)
    cluster.ct(2156).lock = "backup"

    assert cluster.apply() == 1

    assert "CT is locked (backup)" in cluster.out
    assert "Next: wait for the task that holds the lock" in cluster.out


# ---------------------------------------------------------------- tasks


def test_a_task_that_ends_in_warnings_is_a_success(cluster):
    """bpg#2700: systemd without nesting warns, and the container was thrown away."""
    original = cluster.pve.task

    async def task(node, kind, *args, **kwargs):
        upid = await original(node, kind, *args, **kwargs)
        cluster.pve.tasks[upid]["exitstatus"] = "WARNINGS: 1"
        return upid

    cluster.pve.task = task

    assert cluster.apply() == 0
    assert "creating: WARNINGS: 1" in cluster.err


def test_a_failed_task_shows_the_end_of_its_log(cluster):
    """bpg#1413: "task failed", and the reason was three clicks away."""
    original = cluster.pve.task

    async def task(node, kind, *args, **kwargs):
        if kind != "vzstart":
            return await original(node, kind, *args, **kwargs)

        async def body():
            raise TaskError("startup for container '2156' failed")

        log = [f"line {n}" for n in range(80)] + ["lxc_spawn: no such bridge"]
        return await original(node, kind, args[0], args[1], body, log=log)

    cluster.pve.task = task

    assert cluster.apply() == 1
    assert "startup for container '2156' failed" in cluster.out
    assert "lxc_spawn: no such bridge" in cluster.out
    assert "line 79" in cluster.out
    assert "line 3\n" not in cluster.out
    assert "Next: read its log: pvesh get '/nodes/pve1/tasks/UPID:pve1:" in cluster.out


def test_a_full_storage_is_said_and_a_later_run_finishes(cluster, monkeypatch):
    original = cluster.pve.ceph_io
    full = [True]

    async def ceph_io(vm, keys=None):
        if full[0]:
            raise TaskError("unable to create image: No space left on device")
        return await original(vm, keys)

    cluster.pve.ceph_io = ceph_io
    assert cluster.apply() == 1
    assert "No space left on device" in cluster.out
    assert "Next: free space on the storage, then run this again" in cluster.out

    full[0] = False
    assert cluster.apply() == 0
    assert len(cluster.pve.cts) == 2


# ---------------------------------------------------------------- who we are


def test_a_wrong_token_is_said_in_two_lines(cluster):
    cluster.pve.apitokens[TOKEN] = "another"

    assert cluster.run("plan") == 1
    assert f"does not accept the token {TOKEN}" in cluster.err
    assert "Next: check PROXMOX_TOKEN_ID" in cluster.err
    assert "11111111" not in cluster.err


PRIVILEGES = [
    ("/vms", "VM.Audit"),
    ("/vms", "VM.Config.CPU"),
    ("/vms", "VM.Config.Disk"),
    ("/vms", "VM.Config.Memory"),
    ("/vms", "VM.Config.Network"),
    ("/vms", "VM.Config.Options"),
    ("/vms", "VM.PowerMgmt"),
    ("/storage", "Datastore.AllocateSpace"),
    ("/sdn/zones/localnetwork/vmbr0", "SDN.Use"),
]


@pytest.mark.parametrize(("path", "privilege"), PRIVILEGES, ids=[p for _, p in PRIVILEGES])
def test_a_missing_privilege_is_named_with_its_path(cluster, path, privilege):
    """Telmate#1365: "403" and a guessing game."""
    for granted, privileges in cluster.pve.acl[TOKEN]:
        if granted == path:
            privileges.discard(privilege)

    assert cluster.apply() == 1

    assert f"lacks {privilege} on {path}" in cluster.out
    assert "Next: grant it" in cluster.out


def test_a_missing_right_to_download_templates_is_named(cluster):
    cluster.pve.storages["local"]["volumes"].clear()
    cluster.pve.fail(
        "POST", "/aplinfo", 403, "Permission check failed (/storage/local, "
        "Datastore.AllocateTemplate)"
    )  # fmt: skip
    offer(cluster, "debian-13-standard_13.1-2_amd64.tar.zst")

    assert cluster.apply() == 1
    assert "lacks Datastore.AllocateTemplate on /storage/local" in cluster.err


def offer(cluster, *templates):
    """Name templates in the index of downloadable ones, which fakepve makes up otherwise."""
    original = cluster.pve.synthesise

    async def synthesise(match, method, info, user, values):
        if match.template == "/nodes/{node}/aplinfo" and method == "GET":
            return [{"template": template} for template in templates]
        return await original(match, method, info, user, values)

    cluster.pve.synthesise = synthesise


def test_a_bare_refusal_to_create_names_what_is_missing_most_likely(cluster):
    for _, privileges in cluster.pve.acl[TOKEN]:
        privileges.discard("VM.Allocate")

    assert cluster.apply() == 1
    assert "VM.Allocate on the pool or /vms is missing, most likely" in cluster.out


# ---------------------------------------------------------------- the line


@pytest.mark.parametrize(
    ("what", "advice"),
    [
        ("/, Sys.Modify for modifying tag 'ctlv'", "User Tag Access"),
        ("changing feature flags (except nesting) is only allowed for root@pam", "as root on"),
        ("URI '/x' not available with API token, need proper ticket.", "takes no token at all"),
    ],
)
def test_what_no_privilege_of_ours_would_help_is_not_called_one(cluster, what, advice):
    """pve-guest-common GuestHelpers.pm, pve-container LXC.pm, pve-manager HTTPServer.pm."""
    cluster.pve.fail("POST", "/nodes/pve1/lxc", 403, f"Permission check failed ({what})")

    assert cluster.apply() == 1
    assert advice in cluster.out
    assert "VM.Allocate on the pool or /vms is missing" not in cluster.out


def test_an_api_that_is_down_is_said_at_once(cluster):
    (cluster.state / "lab.json").write_text((cluster.state / "lab.json").read_text().replace(
        str(cluster.pve.port), "1"))  # fmt: skip
    began = time.monotonic()

    assert cluster.run("plan") == 1

    assert "cannot be reached: [Errno 111] Connection refused" in cluster.err
    assert "Next: start the lab: make up" in cluster.err
    assert time.monotonic() - began < 10


def test_a_certificate_of_another_ca_is_refused(cluster, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_cert(str(tmp_path / "other"), hosts=("127.0.0.1",))[0]
    text = (cluster.state / "lab.json").read_text()
    (cluster.state / "lab.json").write_text(json.dumps(json.loads(text) | {"ca_file": other}))

    assert cluster.run("plan") == 1
    assert "is not trusted by" in cluster.err
    assert "pve-root-ca.pem" in cluster.err
    assert cluster.calls() == []


@pytest.mark.parametrize("status", [595, 596, 599, 502, 503, 504])
def test_a_node_lost_for_a_moment_is_asked_again(cluster, status):
    """packer#8476: 596, and the run had ended."""
    cluster.pve.fail("GET", "/nodes/pve1/lxc", status, "Connection timed out", times=3)
    cluster.pve.fail("GET", "/nodes/pve1/lxc/2156/pending", status, "Connection timed out", times=2)

    assert cluster.apply() == 0
    assert cluster.run("plan") == 0


LOSSES = {
    "596 before": ("before", "596"),
    "596 after": ("after", "596"),
    "502 before": ("before", "502"),
    "504 after": ("after", "504"),
    "cut before": ("before", "cut"),
    "cut after": ("after", "cut"),
}


@pytest.fixture
def lose(cluster, monkeypatch):
    """Lose the answer of one write, before or after the server has done what it says."""
    monkeypatch.setattr(creation, "SETTLE_S", 0.3)

    def install(method, suffix, loss):
        when, how = LOSSES[loss]
        original, left = cluster.pve._answer, [1]

        async def answer(request, *args):
            if not (request.method == method and request.path.endswith(suffix) and left[0]):
                return await original(request, *args)
            left[0] -= 1
            if when == "after":
                await original(request, *args)
            if how != "cut":
                return error(int(how), "Connection timed out")
            request.transport.close()
            raise ConnectionResetError("cut by the test")

        monkeypatch.setattr(cluster.pve, "_answer", answer)

    return install


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("suffix", ["/nodes/pve1/lxc", "/lxc/2156/status/start"])
def test_a_lost_answer_is_looked_into_never_guessed(cluster, lose, suffix, loss):
    """The node may have done it or not: never twice, never not at all."""
    lose("POST", suffix, loss)

    assert cluster.apply() == 0
    assert len(good_tasks(cluster, "vzcreate")) == 2
    assert len(good_tasks(cluster, "vzstart")) == 2


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("suffix", ["/lxc/2156/config", "/lxc/2156/resize"])
def test_a_lost_answer_to_a_change_is_looked_into(cluster, lose, suffix, loss):
    cluster.apply()
    cluster.change("web", lxc_cores=2, lxc_disk_gib=6)
    lose("PUT", suffix, loss)

    assert cluster.apply() == 0
    assert cluster.run("plan") == 0
    assert len(good_tasks(cluster, "resize")) == 1


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("suffix", ["/lxc/2156", "/lxc/2156/status/shutdown"])
def test_a_lost_answer_to_destroy_is_looked_into(cluster, lose, suffix, loss):
    cluster.apply()
    lose("DELETE" if suffix.endswith("2156") else "POST", suffix, loss)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0
    assert [ct.vmid for ct in cluster.pve.cts] == [2157]


def test_an_answer_that_is_lost_each_time_is_named_in_the_end(cluster):
    """Not "Proxmox reported success": it reported nothing."""
    cluster.pve.fail("POST", "/lxc/2156/status/start", 596, "Connection timed out", times=99)

    assert cluster.apply() == 1
    assert "reported success" not in cluster.out
    assert "was lost during POST nodes/pve1/lxc/2156/status/start: 596" in cluster.out


def test_a_proxy_without_proxmox_behind_it_is_said_at_once(cluster):
    cluster.pve.fail("GET", "/cluster/resources", 502, "Bad Gateway", times=99)
    began = time.monotonic()

    assert cluster.run("plan") == 1
    assert "answers GET cluster/resources: 502 Bad Gateway" in cluster.err
    assert time.monotonic() - began < 5


def lose_the_lock(cluster, kind, times):
    """Tasks of this kind end as they do when a backup holds the container's lock."""
    original, left = cluster.pve.task, [times]

    async def locked():
        raise TaskError(LOCK_TEXT)

    async def task(node, started, *args, **kwargs):
        if started == kind and left[0]:
            left[0] -= 1
            return await original(node, started, args[0], args[1], locked)
        return await original(node, started, *args, **kwargs)

    cluster.pve.task = task


def test_a_start_whose_task_loses_the_lock_is_tried_again(cluster, monkeypatch):
    """The call is accepted, the task takes the lock: no refusal that could be sent again."""
    monkeypatch.setattr(apply, "LOCKED_PAUSE_S", 0.01)
    lose_the_lock(cluster, "vzstart", 3)

    assert cluster.apply() == 0, cluster.out
    assert len(good_tasks(cluster, "vzstart")) == 2
    assert "got timeout; waiting" in cluster.err


def test_a_start_whose_task_never_gets_the_lock_is_named(cluster, monkeypatch):
    monkeypatch.setattr(apply, "LOCKED_PAUSE_S", 0.01)
    lose_the_lock(cluster, "vzstart", 999)

    assert cluster.apply() == 1
    assert f"task vzstart 2156 failed: {LOCK_TEXT}" in cluster.out


@pytest.mark.parametrize(("times", "code"), [(3, 0), (9999, 1)], ids=["a moment", "for good"])
def test_a_task_that_is_not_known_yet_is_asked_for_again(cluster, monkeypatch, times, code):
    """bpg retries 400 just after a creation: the UPID is there before its task is."""
    monkeypatch.setattr(proxmox, "NEW_TASK_S", 1.0)
    original, left = cluster.pve._answer, [times]

    async def answer(request, *args):
        if ":vzcreate:2156:" in request.path and request.path.endswith("/status") and left[0]:
            left[0] -= 1
            return error(400, "Parameter verification failed.", {"upid": "no such task"})
        return await original(request, *args)

    monkeypatch.setattr(cluster.pve, "_answer", answer)

    assert cluster.apply() == code
    assert ("upid: no such task" in cluster.out) == bool(code)


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.02)
def test_a_server_restarted_in_the_middle_is_waited_for(cluster, on_request, fakepve_pki):
    cluster.pve.ct_secs["create"] = 20
    restarted = []

    async def restart():
        await asyncio.sleep(0.1)
        await cluster.pve.stop()
        await asyncio.sleep(0.5)
        await cluster.pve.start(*fakepve_pki)

    def once(method, path):
        if method == "POST" and not restarted:
            restarted.append(asyncio.get_running_loop().create_task(restart()))

    on_request(once)

    assert cluster.apply() == 0
    assert restarted
    assert len(good_tasks(cluster, "vzcreate")) == 2


@pytest.fixture
def fakepve_pki(_fakepve_pki):
    return _fakepve_pki


# ---------------------------------------------------------------- killed


@pytest.fixture
def killed_at_each(cluster, on_request):
    """SIGKILL an apply at every API call in turn; after each the test looks, then all is as before.

    `prepare` makes the cluster as it was before the run, and is called before each.
    """
    victim, seen, kill_at = [], [0], [0]

    def count(*_):
        seen[0] += 1
        if seen[0] == kill_at[0]:
            os.kill(victim[0].pid, signal.SIGKILL)

    on_request(count)

    def run(prepare, *words):
        for call in range(1, 200):
            prepare()
            cluster.pve.tasklog.clear()
            seen[0], kill_at[0] = 0, call
            victim[:] = [child.forked(cluster.inventory, "apply", "--yes", *words)]
            victim[0].join(180)
            kill_at[0] = 0
            if victim[0].exitcode == 0:
                return
            assert victim[0].exitcode == -signal.SIGKILL
            code = cluster.apply(*words)
            assert code == 0, f"after a kill at call {call}: {cluster.err} {cluster.out}"
            yield call

    return run


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.01)
def test_a_run_killed_at_any_call_is_finished_by_the_next(cluster, killed_at_each):
    """The same end, nothing twice."""
    cluster.pve.ct_secs["create"] = 10

    for call in killed_at_each(cluster.pve.cts.clear):
        assert sorted(ct.vmid for ct in cluster.pve.cts) == [2156, 2157]
        assert all(ct.status == "running" for ct in cluster.pve.cts)
        assert len(good_tasks(cluster, "vzcreate")) == 2, f"kill at call {call}"
        assert len(good_tasks(cluster, "vzstart")) == 2, f"kill at call {call}"
        assert cluster.run("plan") == 0
    assert call > 10


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.01)
def test_a_run_killed_while_disks_grow_changes_wait_and_ha_starts_is_finished_too(
    cluster, killed_at_each
):
    """What waits was put there by hand, and by the run itself; the second container is HA's."""
    data = {"path": "/srv/data", "size_gib": 1, "backup_enabled": False}
    cluster.change("web", lxc_mounts=[data], lxc_nameserver="198.18.28.1")
    cluster.apply()
    cluster.manage(2157)
    before = {ct.vmid: dict(ct.config) for ct in cluster.pve.cts}
    cluster.change(
        "web", lxc_memory_mib=640, lxc_cores=2, lxc_disk_gib=6, lxc_nameserver="198.18.28.2",
        lxc_mounts=[
            data | {"size_gib": 2, "backup_enabled": True}, {"path": "/srv/new", "size_gib": 1},
        ],
    )  # fmt: skip
    cluster.change("db", lxc_disk_gib=5, lxc_note="HA's")

    def prepare():
        for ct in cluster.pve.cts:
            ct.config, ct.pending = dict(before[ct.vmid]), {}
        by_hand = {"delete": "nameserver", "features": "nesting=0", "searchdomain": "example.net"}
        cluster.ct(2156).pending |= by_hand
        cluster.ct(2157).status = "stopped"
        cluster.manage(2157, state="stopped")

    for call in killed_at_each(prepare, "--reboot"):
        assert len(good_tasks(cluster, "resize")) == 3, f"kill at call {call}"
        assert len(good_tasks(cluster, "vzreboot")) == 1, f"kill at call {call}"
        assert [(ct.status, ct.pending) for ct in cluster.pve.cts] == [("running", {})] * 2
        for ct in cluster.pve.cts:
            kept = [key for key in before[ct.vmid] if key.startswith("net")]
            assert [ct.config[key] for key in kept] == [before[ct.vmid][key] for key in kept]
            assert not [key for key in ct.config if key.startswith("unused")]
        assert cluster.run("plan") == 0, f"after a kill at call {call}: {cluster.out}"
    assert call > 20


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.01)
def test_a_move_to_another_node_killed_at_any_call_is_finished_by_the_next(cluster, killed_at_each):
    cluster.inventory = many(1)
    assert cluster.apply() == 0
    cluster.pve.add_node("pve2")
    cluster.pve.grant(TOKEN, "/vms", "VM.Migrate")
    cluster.inventory = many(1, lxc_node="pve2")
    cluster.pve.ct_secs["migrate"] = 20

    def prepare():
        cluster.ct(3000).node, cluster.ct(3000).status = "pve1", "running"

    for call in killed_at_each(prepare, "--reboot"):
        assert (cluster.ct(3000).node, cluster.ct(3000).status) == ("pve2", "running")
        begun = [task for task in cluster.pve.tasklog if task["type"] == "vzmigrate"]
        assert len(begun) == 1, f"kill at call {call}: a move under way is waited for"
    assert call > 5


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=1.0)
def test_ctrl_c_ends_at_once_while_the_server_still_works_and_the_next_run_goes_on(
    cluster, on_request
):
    cluster.pve.ct_secs["create"] = 8
    polled = threading.Event()
    on_request(lambda _, path: polled.set() if path.endswith("/status") else None)
    with subprocess.Popen(
        CHILD, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert polled.wait(60)
        pressed = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)

    assert time.monotonic() - pressed < 5
    assert run.returncode == 1
    assert err.endswith(
        "provision: interrupted\n  Next: run the same command again, it goes on there\n"
    )
    assert cluster.apply() == 0
    assert len(good_tasks(cluster, "vzcreate")) == 2


ROOT = Path(__file__).parents[2]
CHILD = [sys.executable, "-m", "tests.provision.child"]
