"""The API's own behaviour, over a dictionary instead of containers."""

from __future__ import annotations

import json

import pytest

from lab.certificates import CA_FILE
from lab.guest import GIB
from tests.lab.support import NODE, ROOT, Client, creation, layers, served

LXC = f"/nodes/{NODE}/lxc"


@pytest.fixture
def container(api):
    api.done("POST", LXC, **creation())
    return 2156


@pytest.fixture
def running(api, container):
    api.done("POST", f"{LXC}/{container}/status/start")
    return container


def test_create_hands_the_runtime_all_it_needs(api, runtime):
    log = api.done("POST", LXC, **creation(**{"ssh-public-keys": KEY}))

    guest = runtime.guests[2156]
    assert (guest.hostname, guest.memory_mib, guest.cores) == ("ct-2156", 512, 1)
    assert [(d.key, d.name, d.size_bytes) for d in guest.disks] == [
        ("rootfs", "vm-2156-disk-0", 4 * GIB)
    ]
    assert runtime.births[2156].ssh_public_keys == KEY
    assert log == ["extracting archive", "TASK OK"]


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl op"


def test_a_container_is_locked_while_it_is_created(api, runtime):
    runtime.slow_s["create"] = 0.3
    upid = api.data("POST", LXC, **creation())

    assert api.config(2156)["lock"] == "create"
    api.task(upid)
    assert "lock" not in api.config(2156)


def test_a_failed_creation_ends_the_task_with_the_reason_and_leaves_nothing(api, runtime):
    runtime.fails["create"] = "No space left on device"

    status, log = api.task(api.data("POST", LXC, **creation()))

    assert status == "unable to create CT 2156 - No space left on device"
    assert log[-1] == f"TASK ERROR: {status}"
    assert api.data("GET", LXC) == []


def test_start_at_creation_is_a_task_of_its_own(api, runtime):
    api.done("POST", LXC, **creation(start=1))

    assert sorted(wait_for_types(api, 2)) == ["vzcreate", "vzstart"]
    assert api.state(2156) == "running"


def wait_for_types(api, count):
    while True:
        tasks = api.data("GET", f"/nodes/{NODE}/tasks", source="all")
        if len(tasks) == count and all("status" in task for task in tasks):
            return [task["type"] for task in tasks]


def test_a_failed_start_is_a_failed_task_with_its_log(api, runtime, container):
    runtime.fails["start"] = "startup for container '2156' failed"

    status, log = api.task(api.data("POST", f"{LXC}/{container}/status/start"))

    assert status == "startup for container '2156' failed"
    assert log[-1].startswith("TASK ERROR:")
    assert api.state(container) == "stopped"


def test_shutdown_that_takes_too_long_leaves_it_running(api, runtime, running):
    runtime.running.clear()  # the dictionary's way to say that it does not end
    path = f"{LXC}/{running}/status/shutdown"

    status, _ = api.task(api.data("POST", path, timeout=3))

    assert status == "container did not stop"
    assert ("shutdown", 2156, 3.0) in runtime.calls


def test_shutdown_with_force_kills(api, runtime, running):
    runtime.running.clear()
    api.done("POST", f"{LXC}/{running}/status/shutdown", timeout=1, forceStop=1)

    assert runtime.calls[-1] == ("kill", 2156)
    assert api.state(running) == "stopped"


def test_stop_and_destroy(api, runtime, running):
    api.done("POST", f"{LXC}/{running}/status/stop")
    api.done("DELETE", f"{LXC}/{running}")

    assert runtime.guests == {}
    answer = api.ask("GET", f"{LXC}/2156/config")
    assert (answer.status_code, answer.reason) == (
        500,
        f"Configuration file 'nodes/{NODE}/lxc/2156.conf' does not exist",
    )


def test_a_protected_container_is_not_destroyed(api, runtime, container):
    api.data("PUT", f"{LXC}/{container}/config", protection=1)

    assert api.ask("DELETE", f"{LXC}/{container}").status_code == 500
    assert ("destroy", 2156) not in runtime.calls


def test_a_change_reaches_the_running_container(api, runtime, running):
    api.data("PUT", f"{LXC}/{running}/config", memory=1024, hostname="other")

    _, before, after = runtime.calls[-1]
    assert (before.memory_mib, after.memory_mib, after.hostname) == (512, 1024, "other")


def test_a_name_server_waits_for_the_next_start(api, runtime, running):
    api.data("PUT", f"{LXC}/{running}/config", nameserver="198.18.28.1")

    assert not [call for call in runtime.calls if call[0] == "reconfigure"]
    pending = api.data("GET", f"{LXC}/{running}/pending")
    assert {"key": "nameserver", "pending": "198.18.28.1"} in pending


def test_a_change_the_container_refuses_answers_400_and_changes_nothing(api, runtime, running):
    """API2/LXC/Config.pm: "don't write to config if we get any errors"."""
    before = api.config(running)
    runtime.fails["reconfigure"] = "Device or resource busy"

    answer = api.ask("PUT", f"{LXC}/{running}/config", memory=64, nameserver="198.18.28.1")

    assert answer.status_code == 400
    assert answer.json()["errors"] == {
        "memory": "unable to hotplug memory: Device or resource busy"
    }
    assert api.config(running) == before


def test_a_nic_with_another_mac_that_cannot_be_plugged_is_gone_and_waits(api, runtime, running):
    """LXC.pm, update_net: the file is written without the old NIC before the new one is plugged."""
    runtime.fails["reconfigure"] = "bridge 'vmbr0' does not exist"
    nic = "name=eth0,bridge=vmbr0,hwaddr=02:00:00:00:00:01,tag=2112,type=veth"

    assert api.ask("PUT", f"{LXC}/{running}/config", net0=nic).status_code == 400

    assert layers(api, running, "net0") == {"pending": nic}


def test_what_waits_is_taken_at_the_next_start(api, runtime, running):
    api.data("PUT", f"{LXC}/{running}/config", nameserver="198.18.28.1", delete="features")
    api.done("POST", f"{LXC}/{running}/status/reboot")

    assert layers(api, running, "nameserver") == {"value": "198.18.28.1"}
    assert layers(api, running, "features") == {}


def test_a_value_that_waits_outlives_the_deletion_that_waits_beside_it(api, runtime, running):
    """LXC/Config.pm, vmconfig_apply_pending: deletions first, then values."""
    api.data("PUT", f"{LXC}/{running}/config", features="nesting=0")
    api.data("PUT", f"{LXC}/{running}/config", delete="features")
    api.done("POST", f"{LXC}/{running}/status/reboot")

    assert layers(api, running, "features") == {"value": "nesting=0"}


def test_a_zero_that_will_be_deleted_goes_on_being_shown(api, runtime):
    """AbstractConfig.pm, load_current_config: `delete $conf->{$opt} if $conf->{$opt}`."""
    api.done("POST", LXC, **creation(console=0))
    api.done("POST", f"{LXC}/2156/status/start")

    api.data("PUT", f"{LXC}/2156/config", delete="console")

    assert api.config(2156)["console"] == 0
    assert layers(api, 2156, "console") == {"value": 0, "delete": 1}


def test_a_mount_that_waited_has_its_real_size_after_the_start(api, runtime, running):
    path = f"{LXC}/{running}"
    api.data("PUT", f"{path}/config", mp0="local:1,mp=/srv")
    waits = api.config(running)["mp0"] + ",backup=1"
    api.data("PUT", f"{path}/config", mp0=waits)
    api.done("PUT", f"{path}/resize", disk="mp0", size="2G")
    assert layers(api, running, "mp0")["pending"] == waits

    api.done("POST", f"{path}/status/reboot")

    volume = waits.split(",")[0]
    assert layers(api, running, "mp0") == {"value": f"{volume},mp=/srv,backup=1,size=2G"}


def test_a_disk_that_cannot_be_made_leaves_no_trace_in_the_configuration(api, runtime, container):
    runtime.fails["allocate"] = "No space left on device"

    answer = api.ask("PUT", f"{LXC}/{container}/config", mp0="local:1,mp=/srv", memory=1024)

    assert (answer.status_code, sorted(answer.json()["errors"])) == (400, ["mp0"])
    assert layers(api, container, "mp0") == {}
    assert layers(api, container, "memory") == {"value": 512}


def test_another_volume_on_a_mount_leaves_the_old_one_unused(api, runtime, container):
    api.data("PUT", f"{LXC}/{container}/config", mp0="local:1,mp=/srv")
    api.data("PUT", f"{LXC}/{container}/config", mp0="local:2,mp=/srv")

    config = api.config(container)
    assert config["mp0"] == "local:2156/vm-2156-disk-2.raw,mp=/srv,size=2G"
    assert config["unused0"] == "local:2156/vm-2156-disk-1.raw"
    api.data("PUT", f"{LXC}/{container}/config", mp1="local:2156/vm-2156-disk-1.raw,mp=/old")
    assert api.config(container)["mp1"] == "local:2156/vm-2156-disk-1.raw,mp=/old,size=1G"


def test_mount_points_are_made_kept_and_freed(api, runtime, container):
    api.data("PUT", f"{LXC}/{container}/config", mp0="local:1,mp=/srv")
    assert (2156, "vm-2156-disk-1") in runtime.disks

    api.data("PUT", f"{LXC}/{container}/config", delete="mp0")
    assert api.config(container)["unused0"].startswith("local:2156/vm-2156-disk-1")
    assert (2156, "vm-2156-disk-1") in runtime.disks

    api.data("PUT", f"{LXC}/{container}/config", delete="unused0")
    assert (2156, "vm-2156-disk-1") not in runtime.disks


def test_resize_reaches_the_disk(api, runtime, container):
    api.done("PUT", f"{LXC}/{container}/resize", disk="rootfs", size="+1G")

    assert runtime.disks[2156, "vm-2156-disk-0"] == 5 * GIB
    assert "size=5G" in api.config(container)["rootfs"]


def test_a_failed_resize_leaves_the_size_as_it_was(api, runtime, container):
    runtime.fails["resize"] = "No space left on device"
    path = f"{LXC}/{container}/resize"

    status, _ = api.task(api.data("PUT", path, disk="rootfs", size="8G"))

    assert status == "No space left on device"
    assert "size=4G" in api.config(container)["rootfs"]


def test_snapshot_rollback_and_deletion(api, runtime, running):
    api.done("POST", f"{LXC}/{running}/snapshot", snapname="before")
    api.data("PUT", f"{LXC}/{running}/config", memory=1024)
    api.done("POST", f"{LXC}/{running}/snapshot/before/rollback")

    assert api.config(running)["memory"] == 512
    assert api.state(running) == "stopped"
    api.done("DELETE", f"{LXC}/{running}/snapshot/before")
    assert runtime.snapshots == {}


def test_a_failed_snapshot_is_not_listed(api, runtime, container):
    runtime.fails["snapshot"] = "No space left on device"

    api.task(api.data("POST", f"{LXC}/{container}/snapshot", snapname="before"))

    names = [item["name"] for item in api.data("GET", f"{LXC}/{container}/snapshot")]
    assert names == ["current"]


def test_a_failed_rollback_leaves_the_configuration(api, runtime, container):
    api.done("POST", f"{LXC}/{container}/snapshot", snapname="before")
    api.data("PUT", f"{LXC}/{container}/config", memory=1024)
    runtime.fails["rollback"] = "Input/output error"

    api.task(api.data("POST", f"{LXC}/{container}/snapshot/before/rollback"))

    assert api.config(container)["memory"] == 1024


def test_interfaces_are_those_the_container_has(api, running):
    (found,) = api.data("GET", f"{LXC}/{running}/interfaces")

    assert (found["name"], found["inet"]) == ("eth0", "198.18.28.9/24")


def test_an_unexpected_error_still_ends_the_task(api, runtime, container, monkeypatch):
    def broken(*_args, **_words):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(runtime, "start", broken)

    status, _ = api.task(api.data("POST", f"{LXC}/{container}/status/start"))

    assert status == "ZeroDivisionError: a mistake of ours"


@pytest.mark.parametrize(
    ("limit", "count"), [(0, 120), (None, 50), (3, 3)], ids=["0 is all", "50 by default", "3"]
)
def test_a_task_log_is_cut_as_proxmox_cuts_it(api, container, limit, count):
    upid = api.data("POST", f"{LXC}/{container}/status/start")
    api.task(upid)
    with_lines = {} if limit is None else {"limit": limit}
    path = f"/nodes/{NODE}/tasks/{upid}/log"
    api.pve.tasks[upid]["log"] = ["line"] * 120

    assert len(api.data("GET", path, **with_lines)) == count


# ---------------------------------------------------------------------- what the token may do


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        pytest.param(
            {"net0": "name=eth0,bridge=vmbr0,tag=40"}, "vmbr0/40, SDN.Use", id="another tag"
        ),
        pytest.param({"net0": "name=eth0,bridge=vmbr0"}, "vmbr0, SDN.Use", id="no tag"),
        pytest.param({"unprivileged": 0}, "Sys.Modify", id="privileged"),
        pytest.param(
            {"features": "nesting=1,keyctl=1"}, "except nesting", id="a feature beside nesting"
        ),
    ],
)
def test_the_token_may_not(api, runtime, changes, missing):
    answer = api.ask("POST", LXC, **creation(**changes))

    assert answer.status_code == 403
    assert missing in answer.reason
    assert runtime.calls == []


def test_a_wrong_secret_is_refused(api):
    api.session.headers["Authorization"] = "PVEAPIToken=ctlv@pve!test=wrong"

    assert api.ask("GET", "/version").status_code == 401


# ---------------------------------------------------------------------- killed and back


def test_a_killed_lab_comes_back_with_all_it_knew(runtime, tmp_path):
    mark = {"description": "ctlv:abc", "tags": "ctlv;lab"}
    with served(runtime, tmp_path) as pve:
        api = Client(pve.url, tmp_path / CA_FILE)
        api.done("POST", LXC, **creation(**mark))
        api.done("POST", f"{LXC}/2156/status/start")
        upid = api.data("POST", f"{LXC}/2156/snapshot", snapname="s1")
        api.task(upid)
        before = api.config(2156)

    with served(runtime, tmp_path) as pve:
        api = Client(pve.url, tmp_path / CA_FILE)
        assert api.config(2156) == before
        assert api.state(2156) == "running"
        assert api.task(upid)[0] == "OK"
    assert [call[0] for call in runtime.calls].count("start") == 1


def test_containers_that_ran_start_again_in_their_order(runtime, tmp_path):
    with served(runtime, tmp_path) as pve:
        api = Client(pve.url, tmp_path / CA_FILE)
        for vmid, order in ((101, 2), (102, 1)):
            api.done("POST", LXC, **creation(vmid, startup=f"order={order}"))
            api.done("POST", f"{LXC}/{vmid}/status/start")
        api.done("POST", LXC, **creation(103))
    runtime.running.clear()
    runtime.calls.clear()

    with served(runtime, tmp_path) as pve:
        assert {ct.vmid: ct.status for ct in pve.cts} == {
            101: "running",
            102: "running",
            103: "stopped",
        }
    assert [vmid for name, vmid in runtime.calls if name == "start"] == [102, 101]


@pytest.mark.parametrize("lock", ["create", "destroyed"])
def test_a_container_cut_in_its_creation_or_destruction_is_removed(runtime, tmp_path, lock):
    keep(tmp_path, config={"lock": lock})

    with served(runtime, tmp_path) as pve:
        assert pve.cts == []
    assert ("destroy", 2156) in runtime.calls


def test_a_cut_rollback_is_done_again(runtime, tmp_path):
    keep(tmp_path, config={"lock": "rollback", "parent": "s1"}, snapshots={"s1": {"memory": 64}})

    with served(runtime, tmp_path) as pve:
        assert pve.cts[0].lock is None
    assert ("rollback", 2156, "s1") in runtime.calls


def test_a_cut_snapshot_is_forgotten(runtime, tmp_path):
    keep(
        tmp_path,
        config={"lock": "snapshot", "parent": "s2"},
        snapshots={"s1": {}, "s2": {"snapstate": "prepare", "parent": "s1"}},
    )

    with served(runtime, tmp_path) as pve:
        assert list(pve.cts[0].snapshots) == ["s1"]
        assert pve.cts[0].config == {"parent": "s1"}


def test_a_task_that_was_cut_is_over(runtime, tmp_path):
    task = {"upid": "UPID:x", "id": "1", "type": "vzstart", "user": TOKEN_USER, "node": NODE}
    keep(tmp_path, task={**task, "status": "running", "log": [], "starttime": 1, "pid": 7})

    with served(runtime, tmp_path) as pve:
        assert pve.tasks["UPID:x"]["exitstatus"] == "unexpected status"
        assert next(pve._pids) == 8


TOKEN_USER = "ctlv@pve!test"


def keep(folder, *, config=None, snapshots=None, task=None):
    """Write the state a killed lab left."""
    item = {"vmid": 2156, "node": NODE, "pending": {}, "pool": None, "running": False}
    item |= {"config": config or {}, "snapshots": snapshots or {}}
    containers = [item] if config is not None else []
    tasks = [task] if task else []
    (folder / "api.json").write_text(json.dumps({"containers": containers, "tasks": tasks}))


# ---------------------------------------------------------------------- templates and storage


def test_a_template_of_the_index_is_fetched(api):
    index = api.data("GET", f"/nodes/{NODE}/aplinfo")
    name = next(item["template"] for item in index if item["package"] == "debian-12-standard")
    listing = f"/nodes/{NODE}/storage/local/content"
    assert name not in str(api.data("GET", listing, content="vztmpl"))

    log = api.done("POST", f"/nodes/{NODE}/aplinfo", storage="local", template=name)

    assert log == [f"building {name}", "TASK OK"]
    assert f"local:vztmpl/{name}" in str(api.data("GET", listing, content="vztmpl"))


def test_a_root_disk_that_a_put_replaced_is_an_orphan_and_not_lost(api, runtime, container):
    api.data("PUT", f"{LXC}/{container}/config", rootfs="local:2")

    assert list(runtime.disks) == [(2156, "vm-2156-disk-0")]


@pytest.mark.parametrize(("source", "seen"), [("archive", False), ("active", True), ("all", True)])
def test_running_tasks_are_listed_when_asked_for(api, runtime, source, seen):
    runtime.slow_s["create"] = 0.5
    upid = api.data("POST", LXC, **creation())

    tasks = api.data("GET", f"/nodes/{NODE}/tasks", source=source)

    assert (upid in [task["upid"] for task in tasks]) == seen
    api.task(upid)


def test_the_storage_has_the_machines_space(api):
    found = api.data("GET", f"/nodes/{NODE}/storage/local/status")

    assert (found["total"], found["avail"], found["used"]) == (100 * GIB, 60 * GIB, 40 * GIB)


def test_snapshots_and_copies_are_features_and_linked_clones_are_not(api, container):
    path = f"{LXC}/{container}/feature"

    found = [api.data("GET", path, feature=name) for name in ("snapshot", "copy", "clone")]

    assert [item["hasFeature"] for item in found] == [1, 1, 0]


@pytest.mark.parametrize(
    ("method", "path", "values"),
    [
        ("POST", f"/nodes/{NODE}/startall", {}),
        ("PUT", f"/nodes/{NODE}/dns", {"search": "example.org"}),
        ("POST", f"/nodes/{NODE}/qemu", {"vmid": 900}),
    ],
)
def test_what_the_lab_cannot_do_is_refused_and_not_feigned(runtime, tmp_path, method, path, values):
    with served(runtime, tmp_path) as pve:
        answer = Client(pve.url, tmp_path / CA_FILE, ROOT).ask(method, path, **values)

        assert answer.status_code == 501
        assert pve.tasklog == []


@pytest.mark.parametrize(
    ("user", "password"),
    [("root@pam", "secret"), ("root@pam", ""), ("root@pam", None), ("ctlv@pve", None)],
)
def test_only_the_token_opens_the_api_and_no_password_does(api, user, password):
    """fakepve knows root@pam by "secret", and a user without a password by none at all."""
    login = {"username": user, "password": password}
    for how in ({"json": login}, {"data": login}):
        answer = api.session.post(f"{api.url}/access/ticket", timeout=30, **how)
        assert answer.status_code == 401, answer.text


def test_suspend_is_a_failed_task_and_leaves_the_container_running(api, running):
    status, _ = api.task(api.data("POST", f"{LXC}/{running}/status/suspend"))

    assert status.startswith("command 'lxc-checkpoint")
    assert api.state(running) == "running"


def test_a_warning_in_the_log_makes_the_status_a_warning(api, runtime, monkeypatch):
    def create(guest, birth, *, say):
        say("WARN: Systemd 257 detected. You may need to enable nesting.")

    monkeypatch.setattr(runtime, "create", create)

    status, log = api.task(api.data("POST", LXC, **creation(features=None)))

    assert (status, log[-1]) == ("WARNINGS: 1", "TASK WARNINGS: 1")
