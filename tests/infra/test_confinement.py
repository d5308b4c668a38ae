"""What the agenda's programs may not do, tried from inside their units' own settings."""

from __future__ import annotations

import pytest

from tests.infra.on_host.attempts import ATTEMPTS

EXPOSURE_MAX = 1.5
# nginx's master is root: it opens port 80 and makes its workers another user's; keepalived gives
# the host addresses, and hears nobody but the other edge.
EXPOSURE_OF_ROOT_MAX = {"nginx.service": 2.6, "keepalived.service": 2.7}
# Galera sets its threads' priorities, and state transfer looks at processes (role galera).
EXPOSURE_OF_A_MEMBER_MAX = 1.6
# Debian's own units that talk to a network: each group's.
DAEMONS = {
    "web": {"nginx.service", "tinyproxy.service"},
    "database": {"mariadb.service"},
    "rest": {"nginx.service"},
    "edge": {"haproxy.service", "keepalived.service"},
}
# Every unit that the hosts of a group have and we confine.
OURS = {
    "containers": {"ctlv-watch.service", "ctlv-answer@x.service"},
    "web": {"agenda-expiry.service", *DAEMONS["web"]},
    "database": {"ctlv-backup.service", "ctlv-migration.service", *DAEMONS["database"]},
    "rest": {"agenda-expiry.service", *DAEMONS["rest"]},
    "edge": DAEMONS["edge"],
}


def test_systemd_rates_our_units_as_safe(host, site, evidence):
    exposure = evidence.facts(host)["exposure"]
    assert set().union(*(OURS.get(group, set()) for group in host.groups)) <= exposure.keys()
    assert host.groups.isdisjoint({"web", "rest"}) or any(n.startswith("agenda@") for n in exposure)
    limits = {name: EXPOSURE_OF_ROOT_MAX.get(name, EXPOSURE_MAX) for name in exposure}
    if len(site.of("database")) > 1:
        limits["mariadb.service"] = EXPOSURE_OF_A_MEMBER_MAX
    assert {name: score for name, score in exposure.items() if score > limits[name]} == {}


@pytest.mark.parametrize("group", DAEMONS)
def test_what_talks_to_a_network_was_started_confined(group, site, evidence):
    for host in site.of(group):
        units = evidence.facts(host)["units"]
        confined = {name: units[name]["no_new_privs"] for name in DAEMONS[group]}
        assert confined == dict.fromkeys(DAEMONS[group], "1"), host.name


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_unit_cannot(attempt, serving, evidence):
    outcomes = evidence.confinement(serving)
    units = [name for name in outcomes if name.startswith("agenda")]
    assert len(units) >= 2
    assert {
        name: outcomes[name][attempt] for name in units if outcomes[name][attempt] == "done"
    } == {}


def test_most_of_it_would_be_possible_without_the_units_settings(serving, evidence):
    """The control: where the same user may do it elsewhere, it is the unit that denies it."""
    free = evidence.confinement(serving)[""]
    denied = {name: outcome for name, outcome in free.items() if outcome != "done"}
    denied = {name: outcome for name, outcome in denied.items() if not name.startswith("connect")}
    assert len(denied) <= len(ATTEMPTS) // 4, denied


def test_no_user_but_root_reaches_what_it_does_not_need(site, serving, evidence, on):
    """Packets, from each user that a service of this host has; nobody stands for any other."""
    database = site.of("database")[0].addresses["private"]
    users = {"www-data", "_apt", "ctlv-alert", "nobody"}
    users |= {"tinyproxy", "ctlv-backup"} if "web" in serving.groups else set()

    def connects(user, address):
        host, port = address.split(":")
        code = f"import socket; socket.create_connection(('{host}', {port}), 3)"
        who = f"--reuid={user} --regid=nogroup --clear-groups"
        return on(serving).run(f'setpriv {who} python3 -c "{code}"').rc == 0

    assert connects("root", evidence.beside(serving))  # the control
    tried = {f"{database}:3306", evidence.beside(serving)}
    found = {(user, to) for user in users for to in tried if connects(user, to)}
    assert found == ({("ctlv-backup", f"{database}:22")} if "web" in serving.groups else set())


def test_the_agendas_user_reaches_the_database_and_nothing_beside_it(site, serving, evidence):
    address = site.of("database")[0].addresses["private"]
    beside = evidence.beside(serving)
    outcomes = evidence.confinement(serving)
    assert outcomes["root"][f"connect to {beside}"] == "done"  # the control: root does reach it
    for name in (unit for unit in outcomes if unit.startswith("agenda")):
        assert outcomes[name][f"connect to {address}:3306"] == "done", name
        assert outcomes[name][f"connect to {beside}"] != "done", name
