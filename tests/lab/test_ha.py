"""High availability as a real cluster does it, over a dictionary instead of containers."""

from __future__ import annotations

import time

import pytest

from lab.certificates import CA_FILE
from tests.lab.labs import LXC, wait_until
from tests.lab.support import NODE, ROOT, Client, creation, served

HA = "/cluster/ha"
SID = "ct:2156"


@pytest.fixture
def managed(api, root):
    """A stopped container that HA shall leave stopped; its cycles take a moment only."""
    api.pve.ha_delay = 0.3
    api.done("POST", LXC, **creation())
    root.data("POST", f"{HA}/resources", sid=SID, state="stopped")
    return 2156


@pytest.fixture
def started(api, managed):
    api.done("POST", f"{LXC}/{managed}/status/start")
    wait_until(lambda: ha_state(api) == "started")
    return managed


def ha_state(api):
    return api.data("GET", f"{LXC}/2156/status/current")["ha"].get("state")


def test_the_task_of_a_start_ends_before_the_container_runs(api, root, managed):
    log = api.done("POST", f"{LXC}/{managed}/status/start")

    assert log[0] == "Requesting HA start for CT 2156"
    assert (api.state(managed), ha_state(api)) == ("stopped", "request_start")
    assert root.data("GET", f"{HA}/resources/{SID}")["state"] == "started"
    wait_until(lambda: api.state(managed) == "running")
    wait_until(lambda: ha_state(api) == "started")


def test_the_task_of_a_shutdown_ends_before_the_container_stands(api, runtime, started):
    api.done("POST", f"{LXC}/{started}/status/shutdown", timeout=20)

    assert (api.state(started), ha_state(api)) == ("running", "request_stop")
    wait_until(lambda: ha_state(api) == "stopped")
    assert ("shutdown", 2156, 20.0) in runtime.calls


def test_a_stop_is_the_managers_too_and_kills(api, runtime, started):
    api.done("POST", f"{LXC}/{started}/status/stop")

    wait_until(lambda: ha_state(api) == "stopped")
    assert ("kill", 2156) in runtime.calls


def test_a_shutdown_that_hangs_takes_its_own_time_and_ends_in_error(api, root, runtime, started):
    """LRM.pm: still running after the shutdown is ERROR, and the CRM makes it the state."""
    runtime.slow_s["shutdown"] = 0.5
    runtime.running.clear()  # the dictionary's way to say that it does not end
    root.data("PUT", f"{HA}/resources/{SID}", state="stopped")

    wait_until(lambda: ha_state(api) == "error")

    assert ("shutdown", 2156, 60.0) in runtime.calls
    assert api.state(started) == "running"
    refused = root.ask("PUT", f"{HA}/resources/{SID}", state="started")
    assert refused.reason == f"service '{SID}' in error state, must be disabled and fixed first"
    assert root.ask("PUT", f"{HA}/resources/{SID}", state="disabled").status_code == 200


def test_what_is_asked_last_is_followed(api, root, runtime, managed):
    root.data("PUT", f"{HA}/resources/{SID}", state="started")
    root.data("PUT", f"{HA}/resources/{SID}", state="stopped")
    time.sleep(0.8)

    assert (api.state(managed), ha_state(api)) == ("stopped", "stopped")
    assert ("start", 2156) not in runtime.calls


def test_an_ignored_resource_is_nobodys_business(api, root, managed):
    root.data("PUT", f"{HA}/resources/{SID}", state="ignored")

    api.done("POST", f"{LXC}/{managed}/status/start")

    assert api.state(managed) == "running"
    assert api.data("GET", f"{LXC}/2156/status/current")["ha"] == {"managed": 0}


@pytest.mark.parametrize("state", ["stopped", "ignored"])
def test_a_resource_is_destroyed_with_purge_alone(api, root, managed, state):
    root.data("PUT", f"{HA}/resources/{SID}", state=state)
    root.data("POST", f"{HA}/rules", **RULE)

    refused = api.ask("DELETE", f"{LXC}/{managed}")
    api.done("DELETE", f"{LXC}/{managed}", purge=1)

    assert refused.reason.endswith("used in HA resources and purge parameter not set.")
    assert root.data("GET", f"{HA}/resources") == []
    assert root.data("GET", f"{HA}/rules") == []


RULE = {"rule": "near", "type": "node-affinity", "resources": SID, "nodes": NODE}


def test_rules_of_proxmox_9_name_managed_containers_and_nodes_of_the_cluster(root, managed):
    root.data("POST", f"{HA}/rules", **RULE)

    (rule,) = root.data("GET", f"{HA}/rules", type="node-affinity", resource=SID)
    assert (rule["rule"], rule["nodes"], rule["order"]) == ("near", NODE, 1)
    for change, reason in (
        ({"resources": "ct:1"}, "cannot use unmanaged resource(s) ct:1."),
        ({"nodes": "nowhere:2"}, "cannot use non-existent node(s) nowhere."),
    ):
        refused = root.ask("POST", f"{HA}/rules", **{**RULE, "rule": "other", **change})
        assert refused.reason == reason


def test_groups_of_proxmox_8_are_named_by_resources(api, root, managed):
    api.pve.version = "8.4.1"

    unknown = root.ask("PUT", f"{HA}/resources/{SID}", group="fast")
    root.data("POST", f"{HA}/groups", group="fast", nodes=f"{NODE}:2")
    root.data("PUT", f"{HA}/resources/{SID}", group="fast")

    assert unknown.reason == "HA group 'fast' does not exist"
    assert root.data("GET", f"{HA}/groups")[0]["nodes"] == f"{NODE}:2"
    assert root.data("GET", f"{HA}/resources")[0]["group"] == "fast"
    assert root.ask("GET", f"{HA}/rules").status_code == 501


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (("POST", "resources", "ct:9"), "resource 'ct:9' does not exist in cluster"),
        (("POST", "resources", SID), f"resource ID '{SID}' already defined"),
        (("GET", "resources/ct:9", None), "no such resource 'ct:9'"),
        (("DELETE", "resources/ct:9", None), "cannot delete service 'ct:9', not HA managed!"),
        (("GET", "rules/none", None), "no such ha rule 'none'"),
    ],
)
def test_what_there_is_not_is_refused(root, managed, call, reason):
    method, path, sid = call
    answer = root.ask(method, f"{HA}/{path}", **({"sid": sid} if sid else {}))

    assert answer.reason.endswith(reason)


def test_a_token_without_the_right_sees_nothing_of_it(api, managed):
    assert api.ask("GET", f"{HA}/resources").status_code == 403
    assert api.ask("POST", f"{HA}/resources", sid=SID).status_code == 403


def test_a_killed_lab_keeps_what_is_managed(runtime, tmp_path):
    with served(runtime, tmp_path) as pve:
        api = Client(pve.url, tmp_path / CA_FILE, ROOT)
        api.done("POST", LXC, **creation())
        api.data("POST", f"{HA}/resources", sid="2156", state="stopped")

    with served(runtime, tmp_path) as pve:
        api = Client(pve.url, tmp_path / CA_FILE, ROOT)
        services = api.data("GET", f"{HA}/status/current")
        assert [item["status"] for item in services if item["type"] == "service"] == [
            f"{SID} ({NODE}, stopped)"
        ]
