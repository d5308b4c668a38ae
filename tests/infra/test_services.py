"""What must run does, as who it should, now and after a restart of the container."""

from __future__ import annotations

import json

import pytest

# Group: units that its hosts run. The agenda itself is a release's instance: see below.
UNITS = {
    "containers": ("ssh", "nftables", "ctlv-watch.timer", "ctlv-announce.path"),
    "web": ("nginx", "tinyproxy", "ctlv-voice", "agenda-expiry.timer"),
    "database": ("mariadb", "ctlv-backup.timer"),
    "rest": ("nginx", "agenda-expiry.timer"),
    "edge": ("haproxy.socket", "haproxy", "keepalived"),
}


def test_the_host_carries_the_mark_of_this_environment(host, site, evidence):
    marks = dict(line.split("=", 1) for line in evidence.facts(host)["marks"].splitlines())
    assert marks == {
        "CTLV_DEPLOYMENT_ID": site.deployment_id,
        "CTLV_ENVIRONMENT": site.environment,
        "CTLV_HOST": host.name,
    }


def test_systemd_knows_of_no_failure(host, evidence):
    facts = evidence.facts(host)
    assert (facts["system"], facts["failed"]) == ("running", [])


def test_its_units_run_now_and_after_a_restart(host, on):
    names = [name for group in sorted(host.groups) for name in UNITS.get(group, ())]
    services = {name: on(host).service(name) for name in names}
    assert [name for name, unit in services.items() if not unit.is_running] == []
    assert [name for name, unit in services.items() if not unit.is_enabled] == []


def test_the_watch_answers_others_where_somebody_is_told_and_nowhere_else(host, on):
    told = json.loads(on(host).file("/etc/ctlv/watch.json").content_string)["told"]
    assert on(host).service("ctlv-answer.socket").is_running is bool(told)


def test_one_release_of_the_agenda_serves_now_and_after_a_restart(serving, on, evidence):
    units = evidence.facts(serving)["units"].values()
    running = [u for u in units if u["Id"].startswith("agenda@") and u["ActiveState"] == "active"]
    assert [unit["UnitFileState"] for unit in running] == ["enabled"]
    release = running[0]["Id"].removeprefix("agenda@").removesuffix(".service")
    assert on(serving).file("/opt/agenda/current").linked_to.endswith(f"/{release}")
    link = on(serving).file("/opt/agenda/current/web.sock").linked_to
    assert link == f"/run/agenda/{release}/web.sock"


@pytest.mark.parametrize(
    ("group", "pattern"),
    [
        *[
            ("web", "agenda@"),
            ("web", "tinyproxy"),
            ("web", "ctlv-voice"),
            ("database", "mariadb"),
            ("rest", "agenda@"),
        ],
        ("edge", "haproxy"),
    ],
)
def test_nothing_that_talks_to_a_network_runs_as_root(group, pattern, site, evidence):
    for host in site.of(group):
        units = evidence.facts(host)["units"].values()
        users = {u["uid"] for u in units if u["Id"].startswith(pattern) and u["uid"]}
        assert users, f"{host.name}: no main process of {pattern}"
        assert "0" not in users


def test_nginx_answers_from_workers_that_are_not_root(serving, on):
    users = {p.user for p in on(serving).process.filter(comm="nginx")}
    assert users == {"root", "www-data"}  # the master opens port 80, its workers read requests


def test_the_timer_last_ended_well(serving, evidence):
    unit = evidence.facts(serving)["units"]["agenda-expiry.service"]
    assert unit["Result"] in {"exec-condition", "success"}  # the first: nothing was due


def test_what_runs_uses_its_libraries_as_they_were_upgraded(host, evidence):
    units = evidence.facts(host)["units"].values()
    assert {unit["Id"]: unit["outdated"] for unit in units if unit.get("outdated")} == {}


def test_the_old_way_of_serving_is_gone(host, evidence):
    facts = evidence.facts(host)
    assert facts["runserver"] == []
    starts = [unit.get("ExecStart", "") for unit in facts["units"].values()]
    assert not [line for line in starts if "runserver" in line]
