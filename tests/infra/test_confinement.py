"""What the agenda's programs may not do, tried from inside their units' own settings."""

from __future__ import annotations

import json
import shlex

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
    "web": {"nginx.service", "tinyproxy.service", "ctlv-voice.service"},
    "database": {"mariadb.service"},
    "rest": {"nginx.service"},
    "edge": {"haproxy.service", "keepalived.service"},
}
# Every unit that the hosts of a group have and we confine.
OURS = {
    "containers": {"ctlv-watch.service", "ctlv-answer@x.service", "ctlv-announce.service"},
    "web": {"agenda-expiry.service", *DAEMONS["web"]},
    "database": {"ctlv-backup.service", "ctlv-migration.service", *DAEMONS["database"]},
    "rest": {"agenda-expiry.service", *DAEMONS["rest"]},
    "edge": DAEMONS["edge"],
}
# Another host answers nothing there: what leaves this one waits, what does not fails at once.
LEAVES = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def leaves(way):
    port, is_udp = way
    with socket.socket(type=socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM) as tried:
        tried.settimeout(1)
        try:
            tried.connect((sys.argv[1], port))
            tried.send(b"?")
            tried.recv(1)
        except TimeoutError:
            return True
        except OSError:
            return False
        return True

ways = [(443, False), (53, False), (53, True)]
print(json.dumps(list(ThreadPoolExecutor().map(leaves, ways))))
"""
# What the voice's proxy says to who wants to go elsewhere.
ASKS = """
import socket, sys
host, port = sys.argv[1].split(":")
with socket.create_connection((host, int(port)), 3) as way:
    way.sendall(b"CONNECT 192.0.2.1:443 HTTP/1.1\\r\\n\\r\\n")
    print(way.recv(100).decode())
"""


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
    users |= {"prometheus"} if site.scrapers else set()

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


def test_the_agendas_user_looks_nothing_up_and_reaches_google_through_the_proxy_alone(
    serving, evidence, on
):
    def said(user, code, argument):
        who = f"setpriv --reuid={user} --regid=nogroup --clear-groups"
        return on(serving).run(f"{who} python3 -c {shlex.quote(code)} {argument}")

    beside = evidence.beside(serving).split(":")[0]
    assert json.loads(said("root", LEAVES, beside).stdout) == [True] * 3  # the control
    assert json.loads(said("agenda", LEAVES, beside).stdout) == [False] * 3
    read = "sed -n s,^AGENDA_GOOGLE_PROXY=http://,,p /etc/agenda/agenda.env"
    proxy = on(serving).run(read).stdout.strip()
    assert " 403 " in said("agenda", ASKS, proxy).stdout.splitlines()[0]
    assert said("www-data", ASKS, proxy).rc != 0
