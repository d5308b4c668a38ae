"""What users of other tools complain of (in their trackers, as read in 2026): a test each.

COMPLAINTS names the test of each complaint that concerns provisioning; those that have no better
place stand here.
"""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from provision import proxmox
from tests.provision.conftest import PUBLIC_KEY

FOLDER = Path(__file__).parent
COMPLAINTS = {
    "1 parallel creation dies on can't lock file (bpg#1929, Telmate#173)": [
        "test_twenty_containers_at_once_without_one_lock_error",
        "test_a_creation_that_loses_the_storages_lock_is_tried_again",
    ],
    "2 VMID race, two hosts get one id (community.proxmox#58)": [
        "test_a_stranger_who_takes_the_vmid_first_is_left_alone",
        "test_two_applies_at_once_make_each_container_once",
    ],
    "3 no dry run (community.proxmox#502)": ["test_plan_says_what_apply_would_do_and_does_nothing"],
    "4 updates silently do nothing (community.proxmox#69)": [
        "test_an_option_that_someone_added_is_drift_and_is_taken_away"
    ],
    "5 import wants to destroy my container (bpg#1406)": [
        "test_a_difference_that_stays_is_named_with_a_way_out",
        "test_adopt_shows_the_differences_and_changes_only_the_mark",
    ],
    "6 HA moved it, the plan says create (bpg#658)": [
        "test_a_migrated_container_is_found_where_it_is"
    ],
    "7 feature flags need root@pam (bpg#344, Telmate#155)": [
        "test_features_that_do_not_change_are_never_sent",
        "test_features_that_only_root_may_change_are_left_and_said",
    ],
    "8 over-wide or stale privilege checks (Telmate#1365)": [
        "test_the_pveum_commands_grant_exactly_what_is_needed",
        "test_a_missing_privilege_is_named_with_its_path",
    ],
    "9 a time-out although it succeeded (community.proxmox#45, bpg#1160)": [
        "test_an_answer_that_comes_too_late_is_looked_into"
    ],
    "11 no SSH right after create (bpg#628, community.proxmox#98)": [
        "test_a_start_refused_right_after_the_creation_is_tried_again",
        "test_a_wait_that_runs_out_leaves_the_container_and_the_next_run_goes_on",
    ],
    "14 secrets in clear (bpg#789)": [
        "test_no_password_is_ever_sent_and_the_key_is",
        "test_a_saved_plan_holds_no_secret",
    ],
    "15 destroy stops it before Proxmox refuses (bpg containerDelete)": [
        "test_destroy_refuses_all_before_it_touches_one"
    ],
    "mounts made anew at each run (community.proxmox#405)": [
        "test_a_volume_is_allocated_once_however_often_apply_runs"
    ],
    "resize replaces or breaks (bpg#1435)": ["test_a_disk_is_never_sent_as_rootfs"],
    "a new MAC at each change (danitso#37)": [
        "test_a_change_is_shown_old_to_new_then_made_in_place"
    ],
    "596 ends the run (packer#8476)": ["test_a_node_lost_for_a_moment_is_asked_again"],
    "another key file destroys the container (Telmate#497)": [
        "test_another_key_file_is_no_difference"
    ],
    "WARNINGS taken for a failure (bpg#2700)": ["test_a_task_that_ends_in_warnings_is_a_success"],
    "tags come back sorted and in lower case: an endless diff (bpg#1851)": [
        "test_tags_in_any_order_and_case_are_no_difference"
    ],
    "numbers become strings (Pulse#256)": ["test_numbers_that_arrive_as_strings_are_numbers"],
    "privileged not honoured (Telmate#1501)": ["test_a_mistake_is_named_with_its_key"],
}


def test_every_complaint_has_its_tests():
    known = {
        node.name
        for file in FOLDER.glob("test_*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert {name for names in COMPLAINTS.values() for name in names} <= known


# ---------------------------------------------------------------- drift that others do not see


@pytest.mark.parametrize(
    ("key", "extra", "shown"),
    [
        ("net1", "firewall=1", "net1.firewall: yes -> none"),
        ("net1", "gw=198.18.112.1", "net1.gw: 198.18.112.1 -> none"),
        ("net1", "mtu=1400", "net1.mtu: 1400 -> none"),
        ("net1", "rate=5", "net1.rate: 5 -> none"),
        ("net1", "trunks=7;8", "net1.trunks: 7;8 -> none"),
        ("net1", "link_down=1", "net1.link_down: 1 -> none"),
    ],
)
def test_an_option_that_someone_added_is_drift_and_is_taken_away(cluster, key, extra, shown):
    """They compare "every new token is in the old text": a token too many is then no difference."""
    cluster.apply()
    config = cluster.ct(2156).config
    config[key] += f",{extra}"

    assert cluster.run("plan") == 2
    assert shown in cluster.out
    assert cluster.apply() == 0
    assert extra not in cluster.ct(2156).config[key]
    assert cluster.run("plan") == 0


@pytest.mark.parametrize("gone", ["tag=2112", "ip=198.18.112.157/24"])
def test_an_option_that_someone_removed_is_drift_and_comes_back(cluster, gone):
    cluster.apply()
    config = cluster.ct(2157).config
    config["net0"] = ",".join(part for part in config["net0"].split(",") if part != gone)

    assert cluster.run("plan") == 2
    assert cluster.apply() == 0
    assert gone in cluster.ct(2157).config["net0"]


def test_tags_in_any_order_and_case_are_no_difference(cluster):
    cluster.change("web", lxc_tags=["Zebra", "app", "APP"])
    cluster.apply()
    assert cluster.ct(2156).config["tags"] == "app;ctlv;ctlv-lab;zebra"
    cluster.ct(2156).config["tags"] = "zebra;ctlv-lab;app;ctlv"

    assert cluster.run("plan") == 0


def test_another_key_file_is_no_difference(cluster):
    """Keys can be given at creation only: a new one is no reason to make the container anew."""
    cluster.apply()
    (cluster.state / "id_ed25519.pub").write_text(f"\n# mine\n{PUBLIC_KEY}-new  \n")

    assert cluster.run("plan") == 0


def test_features_that_do_not_change_are_never_sent(cluster):
    cluster.apply()
    cluster.change("web", lxc_cores=2, lxc_note="x", lxc_mounts=[{"path": "/srv", "size_gib": 1}])
    cluster.forget_calls()

    assert cluster.apply() == 0
    puts = [body for method, _, body in cluster.pve.requests if method == "PUT"]
    assert puts and not any(b"features" in body for body in puts)


def test_a_volume_is_allocated_once_however_often_apply_runs(cluster):
    cluster.change("db", lxc_mounts=[{"path": "/srv/a", "size_gib": 1}])
    for size in (1, 1, 2, 2):
        cluster.change("db", lxc_mounts=[{"path": "/srv/a", "size_gib": size}])
        assert cluster.apply() == 0
    config = cluster.ct(2157).config

    assert [key for key in config if key.startswith(("mp", "unused"))] == ["mp0"]
    assert config["mp0"].endswith("size=2G") or "size=2G," in config["mp0"]
    assert len([t for t in cluster.pve.tasklog if t["type"] == "resize"]) == 1


# ---------------------------------------------------------------- slow and busy servers


@pytest.mark.parametrize(
    "suffix", ["/nodes/pve1/lxc", "/lxc/2156/status/start", "/lxc/2156/config"]
)
def test_an_answer_that_comes_too_late_is_looked_into(cluster, monkeypatch, suffix):
    """The client's patience ends, the server goes on: it is done once, and the run succeeds."""
    monkeypatch.setattr(proxmox, "REQUEST_TIMEOUT_S", 2.0)
    if suffix.endswith("config"):
        cluster.apply()
        cluster.change("web", lxc_cores=2)
    original, slow = cluster.pve._answer, [True]

    async def answer(request, *args):
        done = await original(request, *args)
        if request.method in ("POST", "PUT") and request.path.endswith(suffix) and slow[0]:
            slow[0] = False
            await asyncio.sleep(3.0)
        return done

    monkeypatch.setattr(cluster.pve, "_answer", answer)

    assert cluster.apply() == 0, cluster.out
    assert not slow[0]
    ended = [(task["type"], task["id"]) for task in cluster.pve.tasklog]
    assert sorted(ended) == sorted(
        (kind, vmid) for kind in ("vzcreate", "vzstart") for vmid in ("2156", "2157")
    )


def test_a_start_refused_right_after_the_creation_is_tried_again(cluster):
    cluster.pve.fail("POST", "/lxc/2156/status/start", 500, "CT is locked (create)", times=2)

    assert cluster.apply() == 0
    assert cluster.ct(2156).status == "running"


# ---------------------------------------------------------------- answers of another shape


@pytest.fixture
def reshape(cluster, monkeypatch):
    """Change the data of each answer to a GET."""

    def install(change):
        original = cluster.pve._answer

        async def answer(request, *args):
            response = await original(request, *args)
            if request.method != "GET" or response.status != 200:
                return response
            return web.json_response(change(json.loads(response.text), request.path))

        monkeypatch.setattr(cluster.pve, "_answer", answer)

    return install


def as_strings(value):
    if isinstance(value, dict):
        return {key: as_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_strings(item) for item in value]
    return str(value) if isinstance(value, int | float) else value


def test_numbers_that_arrive_as_strings_are_numbers(cluster, reshape):
    """Perl knows no difference, and which of the two arrives depends on what touched it last."""
    cluster.change("web", lxc_mounts=[{"path": "/srv", "size_gib": 1}])
    reshape(lambda data, _: as_strings(data))

    assert cluster.apply() == 0, cluster.out + cluster.err
    assert cluster.run("plan") == 0, cluster.out
    assert cluster.run("status") == 0
    assert "running" in cluster.out
    assert cluster.run("doctor") in (0, 1)
    assert "VMIDs: 2156 (web) is ours" in cluster.out


def as_perl(data, path):
    """A configuration as pve-container writes it back (Config.pm, write_pct_config and its kin)."""
    if path.endswith("/pending"):
        rows = as_strings(data["data"])
        values = written_back({row["key"]: row["value"] for row in rows if "value" in row})
        waiting = [row for row in rows if "value" not in row]
        return {"data": waiting + [{"key": key, "value": text} for key, text in values.items()]}
    if path.endswith("/config"):
        raw = {"lxc": [["lxc.apparmor.profile", "generated"]]}
        return {"data": written_back(as_strings(data["data"])) | raw}
    return data


def written_back(config):
    for key, text in config.items():
        if key.startswith("net"):
            pairs = sorted(set(text.split(",")) | {"type=veth", "firewall=0", "link_down=0"})
            config[key] = ",".join(pairs)
        if key.startswith("mp"):
            volume, *pairs = text.split(",")
            config[key] = ",".join([volume, *sorted([*pairs, "keepattrs=0", "ro=0"], reverse=True)])
    config["tags"] = ";".join(reversed(config["tags"].split(";"))).upper()
    config["description"] = config["description"].rstrip("\n") + "\n"
    return config | {"parent": "before", "lock": None, "arch": "amd64"}


def test_a_configuration_as_the_real_server_writes_it_back_is_no_difference(cluster, reshape):
    cluster.change(
        "web",
        lxc_mounts=[{"path": "/srv", "size_gib": 0.5, "backup_enabled": True}],
        lxc_note="Première ligne\n\n  * 100 % : #1\n",
        lxc_nameserver="198.18.28.1, 198.18.28.2",
        lxc_searchdomain="example.org,example.net",
        lxc_startup_order=2,
        lxc_tags=["Web", "zoo", "a+b"],
    )
    reshape(as_perl)

    assert cluster.run("plan") == 2
    assert cluster.apply() == 0, cluster.out + cluster.err
    assert cluster.run("plan") == 0, cluster.out
    cluster.change("web", lxc_cores=2, lxc_disk_gib=6.5, lxc_tags=["zoo"])
    assert cluster.apply() == 0, cluster.out + cluster.err
    assert cluster.run("plan", "--all-fields") == 0, cluster.out
    assert "not in the inventory, left as it is: lxc.apparmor.profile: generated" in cluster.out
    assert cluster.run("drift") == 0, cluster.out


OPTIONAL = frozenset(
    {"name", "uptime", "mem", "maxmem", "disk", "maxdisk", "cpu", "cpus", "tags", "template", "ha",
     "swap", "lock", "pid", "type", "starttime", "pstart", "user", "avail", "used", "total"}
)  # fmt: skip


def without_optional(value):
    """Keys that Proxmox leaves out for a guest that pvestatd has not seen yet, or that is off."""
    if isinstance(value, dict):
        is_item = "type" in value and ("id" in value or "iface" in value)
        kept = {k: v for k, v in value.items() if k not in OPTIONAL or (k == "type" and is_item)}
        return {key: without_optional(item) for key, item in kept.items()}
    return [without_optional(item) for item in value] if isinstance(value, list) else value


def test_keys_that_are_missing_are_missed_by_nobody(cluster, reshape):
    reshape(lambda data, path: data if path.endswith("/config") else without_optional(data))

    assert cluster.apply() == 0, cluster.out + cluster.err
    assert cluster.run("plan") == 0
    assert cluster.run("status") == 0
    assert cluster.run("destroy", "--yes", "--stop") == 0, cluster.err


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html"),
        web.Response(status=200, text="<html>Welcome</html>", content_type="text/html"),
        web.Response(status=200, text="", content_type="application/json"),
        web.Response(status=200, text='{"data":', content_type="application/json"),
        web.Response(status=301, headers={"Location": "https://127.0.0.1:1/"}),
    ],
    ids=["502 of a proxy", "a web page", "nothing", "half an answer", "a redirect"],
)
def test_what_does_not_answer_as_proxmox_does_is_two_lines(cluster, monkeypatch, answer):
    async def same(*_):
        return web.Response(
            status=answer.status, text=answer.text, headers=answer.headers
        )  # a response is sent once

    monkeypatch.setattr(cluster.pve, "_answer", same)

    assert cluster.run("plan") == 1
    lines = cluster.err.splitlines()
    assert lines[0].startswith("provision: ")
    assert lines[-1].startswith("  Next: ")
    assert "Traceback" not in cluster.err
