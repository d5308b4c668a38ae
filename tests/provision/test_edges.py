"""What goes wrong between two calls: each move of apply and of destroy, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest
from fakepve import TaskError
from fakepve.server import error, ok

from provision import cli, creation, credentials, power
from provision.creation import download_state
from provision.desired import desired
from provision.errors import TaskError as FailedTask
from provision.plan import numbered
from provision.proxmox import Proxmox
from provision.wire import create_params
from tests.provision.conftest import PUBLIC_KEY, TEMPLATES
from tests.provision.situations import WEB, inventory, many
from tests.provision.test_faults import good_tasks, offer

# ---------------------------------------------------------------- apply


def test_a_change_that_proxmox_takes_and_forgets_is_said(cluster, monkeypatch):
    """200, and the value is as it was: a bug of the server, or somebody who undoes it."""
    cluster.apply()
    cluster.change("web", lxc_cores=2)

    original = cluster.pve._answer

    async def forgets(request, *args):
        return ok() if request.method == "PUT" else await original(request, *args)

    monkeypatch.setattr(cluster.pve, "_answer", forgets)

    assert cluster.apply() == 1
    assert "web: Proxmox reported success, but these still differ: cores" in cluster.out
    assert "Next: compare 'pct config 2156' on pve1 with the inventory" in cluster.out


def test_a_container_that_becomes_someone_elses_while_this_runs_is_left(cluster, on_request):
    cluster.apply()
    cluster.change("web", lxc_cores=2)

    def taken(method, path):
        if method == "PUT":
            config = cluster.ct(2156).config
            config["description"] = config["description"].replace("0123456789abcdef", "f" * 16)

    on_request(taken)

    assert cluster.apply() == 1
    assert "web (VMID 2156): it was taken by someone else meanwhile" in cluster.out


def test_a_virtual_machine_that_takes_the_vmid_first_is_left_alone(cluster, on_request):
    def steal(method, path):
        if (method, path) == ("POST", "nodes/pve1/lxc") and cluster.pve.guest(2156) is None:
            cluster.pve.add_vm(2156, "mail")

    on_request(steal)

    assert cluster.apply() == 1
    assert "web (VMID 2156): it exists on pve1 and is not ours" in cluster.out
    assert "2157" in cluster.out


def test_any_other_refusal_of_a_creation_is_shown(cluster):
    cluster.pve.fail("POST", "/nodes/pve1/lxc", 500, "cluster not ready - no quorum?")

    assert cluster.apply() == 1
    assert "cluster not ready - no quorum?" in cluster.out
    assert "Next: bring the cluster's nodes back (pvecm status)" in cluster.out


def test_a_creation_that_fails_for_good_is_not_tried_again(cluster):
    async def full(vm, keys=None):
        raise TaskError("unable to create CT: broken archive")

    cluster.pve.ceph_io = full

    assert cluster.apply() == 1
    assert len([t for t in cluster.pve.tasklog if t["type"] == "vzcreate"]) == 2
    assert "broken archive" in cluster.out


def test_a_disk_that_grew_meanwhile_is_fine(cluster, on_request):
    cluster.apply()
    cluster.change("web", lxc_disk_gib=6)

    def grow_first(method, path):
        if method == "PUT" and path.endswith("2156/resize"):
            config = cluster.ct(2156).config
            config["rootfs"] = config["rootfs"].replace("size=4G", "size=6G")

    on_request(grow_first)

    assert cluster.apply() in (0, 1)
    assert cluster.run("plan") == 0
    assert good_tasks(cluster, "resize") == []


def test_a_resize_that_is_refused_is_shown(cluster):
    cluster.apply()
    cluster.change("web", lxc_disk_gib=6)
    cluster.pve.fail("PUT", "/lxc/2156/resize", 500, "storage is read-only")

    assert cluster.apply() == 1
    assert "storage is read-only" in cluster.out


def test_a_start_that_someone_else_did_first_is_fine(cluster, on_request):
    cluster.apply()
    cluster.ct(2156).status = "stopped"

    def start_first(method, path):
        if path.endswith("2156/status/start"):
            cluster.ct(2156).status = "running"

    on_request(start_first)

    assert cluster.apply() == 0


def test_a_start_that_is_refused_is_shown(cluster):
    cluster.pve.fail("POST", "/lxc/2156/status/start", 500, "no such bridge")

    assert cluster.apply() == 1
    assert "no such bridge" in cluster.out


def test_a_refused_change_that_stays_pending_is_taken_back(cluster, monkeypatch):
    """400 does not mean unchanged: the bad value waits for the next start, which then fails."""
    cluster.apply()
    cluster.change("web", lxc_nics=[WEB["lxc_nics"][0] | {"mtu": 1400}, WEB["lxc_nics"][1]])
    original = cluster.pve._answer
    refused = []

    async def answer(request, *args):
        if request.method == "PUT" and not refused:
            refused.append(request.path)
            cluster.ct(2156).pending["net0"] = "name=eth0,bridge=vmbr9"
            reason = "unable to hotplug net0: bridge 'vmbr9' does not exist"
            return error(400, "Parameter verification failed.", {"net0": reason})
        return await original(request, *args)

    monkeypatch.setattr(cluster.pve, "_answer", answer)

    assert cluster.apply() == 1
    assert "unable to hotplug net0" in cluster.out
    assert "web: taking back net0" in cluster.err
    assert "net0" not in cluster.ct(2156).pending


def test_a_container_destroyed_while_this_runs_is_not_made_unasked(cluster, on_request):
    cluster.apply()
    cluster.change("web", lxc_cores=2)

    def remove(method, path):
        if method == "GET" and path.endswith("2156/status/current"):
            cluster.pve.cts = [ct for ct in cluster.pve.cts if ct.vmid != 2156]

    on_request(remove)

    assert cluster.apply() == 1
    assert "web (VMID 2156): it was destroyed while this ran" in cluster.out
    assert [ct.vmid for ct in cluster.pve.cts] == [2157]


def test_a_container_that_moves_to_another_node_while_this_runs_is_followed(cluster, on_request):
    cluster.apply()
    cluster.pve.add_node("pve2")
    cluster.change("web", lxc_cores=2, lxc_disk_gib=6)

    def migrate(method, path):
        if method == "PUT" and path.endswith("2156/config"):
            asyncio.get_running_loop().call_later(
                0.001, lambda: setattr(cluster.ct(2156), "node", "pve2")
            )

    on_request(migrate)

    assert cluster.apply() in (0, 1, 2)
    assert cluster.apply() == 2, "it runs where the inventory does not want it"
    config = cluster.ct(2156).config
    assert (config["cores"], config["rootfs"].endswith("size=6G")) == (2, True)


def test_a_reader_of_something_that_vanishes_after_the_list_sees_nothing(cluster, on_request):
    cluster.apply()

    def remove(method, path):
        if path.endswith("2156/pending"):
            cluster.pve.cts = [ct for ct in cluster.pve.cts if ct.vmid != 2156]

    on_request(remove)

    assert cluster.run("plan") == 2
    assert "+ 2156 web" in cluster.out


def test_any_other_failure_of_reading_is_shown(cluster):
    cluster.apply()
    cluster.pve.fail("GET", "/lxc/2156/pending", 500, "unable to parse value of 'net0'")

    assert cluster.run("plan") == 1
    assert "VMID 2156 (web): Proxmox refuses GET nodes/pve1/lxc/2156/pending" in cluster.out
    assert "unable to parse value of 'net0'" in cluster.out


def test_a_container_that_does_not_come_up_in_time_is_said(cluster, on_request):
    def stays_down(method, path):
        if path.endswith("2156/status/current"):
            cluster.ct(2156).status = "stopped"

    on_request(stays_down)

    assert cluster.apply("--wait-timeout", "0.4") == 1
    assert "web: VMID 2156 is not running after 0 s" in cluster.out
    assert "Next: see its console in Proxmox" in cluster.out


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.02)
def test_what_an_interrupted_run_left_under_way_is_waited_for(cluster):
    """Our own creation goes on at the server while its client is gone."""
    cluster.pve.ct_secs["create"] = 30
    ours = next(c for c in desired(inventory()).containers if c.host == "web")
    api = Proxmox(cli_endpoint(cluster))
    params = creation_params(ours)
    api.post("nodes/pve1/lxc", params)

    assert cluster.apply() == 0
    assert "web: waiting for a creation under way" in cluster.err
    assert len(good_tasks(cluster, "vzcreate")) == 2


def cli_endpoint(cluster):
    return credentials.endpoint(desired(cluster.inventory), credentials.site("lab", root=cli.ROOT))


def creation_params(wanted):
    return create_params(
        numbered(wanted.container), ostemplate=f"local:vztmpl/{TEMPLATES[1]}", ssh_keys=PUBLIC_KEY
    )


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=1.0)
def test_a_task_that_does_not_end_in_time_is_left_and_said(cluster):
    now = [0.0]
    api = Proxmox(cli_endpoint(cluster), clock=lambda: now[0], sleep=lambda _: None)
    cluster.pve.ct_secs["create"] = 3600
    ours = next(c for c in desired(inventory()).containers if c.host == "web")
    upid = api.post("nodes/pve1/lxc", creation_params(ours))

    def polled():
        now[0] += 400

    with pytest.raises(FailedTask, match="still runs after 600 s") as failure:
        api.wait_for_task(upid, on_poll=polled)
    assert failure.value.exit_status is None
    assert "watch it in Proxmox under Tasks" in failure.value.next_step


# ---------------------------------------------------------------- destroy


def test_one_that_cannot_be_destroyed_never_hides_the_others(cluster):
    cluster.apply()
    cluster.pve.fail("DELETE", "/lxc/2156", 500, "rbd error: image has watchers")

    assert cluster.run("destroy", "--yes", "--stop") == 1
    assert "image has watchers" in cluster.err
    assert "web: failed: Proxmox refuses DELETE" in cluster.err
    assert "db: destroyed" in cluster.err
    assert [ct.vmid for ct in cluster.pve.cts] == [2156]


def test_one_that_someone_else_destroys_first_is_gone(cluster, on_request):
    cluster.apply()

    def remove(method, path):
        if method == "DELETE":
            cluster.pve.cts = [ct for ct in cluster.pve.cts if ct.vmid != 2156]

    on_request(remove)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0


def test_one_that_stops_by_itself_meanwhile_is_fine(cluster, on_request):
    cluster.apply()

    def stop_first(method, path):
        if path.endswith("2156/status/shutdown"):
            cluster.ct(2156).status = "stopped"

    on_request(stop_first)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 0
    assert [ct.vmid for ct in cluster.pve.cts] == [2157]


@pytest.mark.parametrize(
    ("ending", "code"), [("container did not stop", 0), ("lxc-stop: broken", 1)]
)
def test_a_shutdown_that_fails_is_followed_by_a_stop_only_when_it_was_slow(cluster, ending, code):
    cluster.apply()
    original = cluster.pve.task

    async def task(node, kind, *args, **kwargs):
        if kind != "vzshutdown":
            return await original(node, kind, *args, **kwargs)

        async def body():
            raise TaskError(ending)

        return await original(node, kind, args[0], args[1], body)

    cluster.pve.task = task

    assert cluster.run("destroy", "web", "--yes", "--stop") == code
    assert {ct.vmid for ct in cluster.pve.cts} == ({2157} if code == 0 else {2156, 2157})


def test_a_shutdown_that_is_refused_is_shown(cluster):
    cluster.apply()
    cluster.pve.fail("POST", "/lxc/2156/status/shutdown", 500, "the node is in maintenance")

    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert "the node is in maintenance" in cluster.err


def test_one_that_moves_to_another_node_meanwhile_is_not_called_destroyed(cluster, on_request):
    cluster.apply()
    cluster.pve.add_node("pve2")

    def migrate(method, path):
        if method == "DELETE":
            cluster.ct(2156).node = "pve2"

    on_request(migrate)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert "web (VMID 2156) moved to pve2 meanwhile" in cluster.err
    assert cluster.run("destroy", "web", "--yes", "--stop") == 0
    assert [ct.vmid for ct in cluster.pve.cts] == [2157]


def test_one_that_stays_whatever_is_done_is_said(cluster, monkeypatch):
    cluster.apply()
    original = cluster.pve.task

    async def task(node, kind, *args, **kwargs):
        if kind != "vzdestroy":
            return await original(node, kind, *args, **kwargs)

        async def nothing():
            return None

        return await original(node, kind, args[0], args[1], nothing)

    monkeypatch.setattr(cluster.pve, "task", task)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert "web (VMID 2156) is still there" in cluster.err


def test_rights_that_are_missing_from_the_start_are_not_taken_for_success(cluster, on_request):
    cluster.apply()

    def deny(method, path):
        if method == "DELETE":
            cluster.pve.fail("DELETE", "/lxc/2156", 596, "Connection timed out", times=1)
            cluster.pve.fail(
                "GET", "/lxc/2156/status/current", 403,
                "Permission check failed (/vms/2156, VM.Audit)",
            )  # fmt: skip

    on_request(deny)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert "lacks VM.Audit on /vms/2156" in cluster.err


@pytest.mark.parametrize("verb", ["destroy", "snapshot"])
def test_ha_that_stops_it_later_than_its_task_says_is_waited_for(cluster, able, verb):
    """ha-manager takes the wish and answers at once; Proxmox refuses to destroy what still runs."""
    cluster.apply()
    original = cluster.pve.task

    async def task(node, kind, *args, **kwargs):
        if kind != "vzshutdown":
            return await original(node, kind, *args, **kwargs)

        async def wish():
            ct = cluster.ct(int(args[0]))
            asyncio.get_running_loop().call_later(0.6, lambda: setattr(ct, "status", "stopped"))

        return await original(node, "hastop", args[0], args[1], wish)

    cluster.pve.task = task
    words = ["web", "--stop"] if verb == "destroy" else ["--name", "s1"]

    assert cluster.run(verb, *words, "--yes") == 0, cluster.err


def test_one_that_never_stops_is_said(cluster, monkeypatch, on_request):
    monkeypatch.setattr(power, "SHUTDOWN_S", 1)
    monkeypatch.setattr(power, "HA_S", 0)
    cluster.apply()

    def stays_up(method, path):
        if path.endswith("2156/status/current"):
            cluster.ct(2156).status = "running"

    on_request(stays_up)

    assert cluster.run("destroy", "web", "--yes", "--stop") == 1
    assert "VMID 2156 is not stopped after 1 s" in cluster.err


# ---------------------------------------------------------------- templates


WGET = [
    "downloading http://example.org/debian-13.tar.zst to /var/lib/vz/template/cache",
    "     0K ........ ........ ........ ........ 24% 5.1M 9s",
    " 32768K ........ ........ ........ ........ 48% 6.0M 6s",
]


@pytest.mark.parametrize(
    ("log", "text"),
    [
        (WGET, "downloading, 48 %"),
        (WGET[:1], f"downloading: {WGET[0][:60]}"),
        (["", " "], "downloading"),
        ([], "downloading"),
    ],
)
def test_the_state_of_a_download_is_its_last_percentage(log, text):
    assert download_state(log) == text


@pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.5)
def test_a_download_shows_its_progress(cluster):
    file = "debian-13-standard_13.5-1_amd64.tar.zst"
    store = cluster.pve.storages["local"]["volumes"]
    store.clear()
    offer(cluster, file)
    listed = cluster.pve.synthesise

    async def synthesise(match, method, info, user, values):
        if match.template != "/nodes/{node}/aplinfo" or method != "POST":
            return await listed(match, method, info, user, values)

        async def body():
            await asyncio.sleep(0.6)
            store[f"vztmpl/{file}"] = {"content": "vztmpl", "size": 1, "ctime": 1}

        return await cluster.pve.task("pve1", "download", "local", user, body, log=WGET)

    cluster.pve.synthesise = synthesise

    assert cluster.apply() == 0, cluster.err
    assert f"{file}: downloading, 48 %" in cluster.err
    assert f"{file}: ready: on local of pve1" in cluster.err


def test_a_download_that_leaves_nothing_is_said(cluster):
    file = "debian-13-standard_13.5-1_amd64.tar.zst"
    cluster.pve.storages["local"]["volumes"].clear()
    offer(cluster, file)
    listed = cluster.pve.synthesise

    async def synthesise(match, method, info, user, values):
        if match.template != "/nodes/{node}/aplinfo" or method != "POST":
            return await listed(match, method, info, user, values)

        async def body():
            return None

        return await cluster.pve.task("pve1", "download", "local", user, body)

    cluster.pve.synthesise = synthesise

    assert cluster.apply() == 1
    assert f"{file} was downloaded, but local of pve1 does not list it" in cluster.err


# ---------------------------------------------------------------- settling


def test_a_creation_of_ours_that_was_left_half_done_by_a_dead_node_is_named(cluster, monkeypatch):
    """Our mark is there already, and the lock of a creation that nobody carries on."""
    monkeypatch.setattr(creation, "SETTLE_S", 0.2)
    cluster.apply()
    cluster.ct(2156).config["lock"] = "create"
    cluster.ct(2156).status = "stopped"

    assert cluster.apply() == 1
    text = cluster.out + cluster.err
    assert "half-created" in text
    assert "pct unlock 2156" in text


def test_more_containers_than_workers_all_get_their_turn(cluster):
    cluster.inventory = many(7)

    assert cluster.apply("--parallel", "2") == 0
    assert len(cluster.pve.cts) == 7
