"""Three databases are one: the same rows, everything between them in TLS, one that takes writes."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

MEMBERS = 3
AGREE_WITHIN_S = 20
TIMED_OUT = 124
# Whoever may be asked to replicate in clear speaks first; in TLS the client does.
HANDSHAKE = """
import json, socket, ssl, sys
address, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((address, port), 5) as clear:
    clear.settimeout(1)
    try:
        spoke = len(clear.recv(64))
    except TimeoutError:
        spoke = 0
context = ssl.create_default_context(cafile="/etc/ctlv/tls/ca.pem")
context.load_cert_chain("/etc/ctlv/tls/host.pem", "/etc/ctlv/tls/host.key")
with socket.create_connection((address, port), 5) as plain:
    with context.wrap_socket(plain, server_hostname=address) as secure:
        print(json.dumps({"spoke": spoke, "version": secure.version()}))
"""
ROUTER = """
import socket
with socket.socket(socket.AF_UNIX) as router:
    router.connect("/run/haproxy/admin.sock")
    router.sendall(b"show table database\\n")
    print(router.makefile().read())
"""
ASK = """
import sys, urllib.request
print(urllib.request.urlopen(f"http://{sys.argv[1]}:9200/", timeout=5).status)
"""
COUNTS = (
    "SET SESSION wsrep_sync_wait = 1; SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = 'agenda' AND table_type = 'BASE TABLE' ORDER BY table_name"
)


def said(on, host, program, *words):
    return on(host).check_output("python3 -c %s " + " ".join(["%s"] * len(words)), program, *words)


def test_each_is_a_synced_member_of_the_primary_three(site, database, on):
    told = json.loads(on(database).check_output("ctlv-galera state"))
    here = MEMBERS - sum("database" in host.groups for host in site.left_out)
    assert (told["primary"], told["synced"], told["members"]) == (True, True, here)


def counts(on, host):
    tables = on(host).check_output("mariadb -NB -e %s", COUNTS).split()
    asked = " UNION ALL ".join(
        f"SELECT '{name}', COUNT(*) FROM `{name}`"  # noqa: S608 - names of our own tables
        for name in tables
    )
    return on(host).check_output("mariadb -NB agenda -e %s", asked)


def test_all_hold_the_same_number_of_rows(site, on):
    """They change while they are counted: equal once is equal."""
    until = time.monotonic() + AGREE_WITHIN_S
    while True:
        found = {host.name: counts(on, host) for host in site.of("database")}
        if len(set(found.values())) == 1:
            break
        assert time.monotonic() < until, found
    assert "task\t" in next(iter(found.values()))


def test_members_talk_in_tls_and_never_in_clear(site, database, on):
    others = [host for host in site.of("database") if host != database]
    for other in others:
        answer = json.loads(said(on, database, HANDSHAKE, other.addresses["private"], "4567"))
        assert answer["spoke"] == 0
        assert answer["version"] in {"TLSv1.2", "TLSv1.3"}


def test_what_is_transferred_is_in_tls_too(database, on):
    """4568 and 4444 listen while somebody joins; what they will do is in the settings in force."""
    options = on(database).check_output("mariadb -NB -e %s", "SELECT @@wsrep_provider_options")
    given = dict(pair.split(" = ", 1) for pair in options.strip().split("; ") if " = " in pair)
    assert given["socket.ssl"].upper() in {"YES", "ON", "TRUE", "1"}
    transfer = on(database).check_output("my_print_defaults --mysqld sst").split()
    assert {"--encrypt=3", "--ssl-mode=VERIFY_CA"} <= set(transfer)
    assert [word for word in transfer if word.startswith(("--tca=", "--tcert=", "--tkey="))]


def test_the_router_is_on_its_loopback_address_and_nowhere_else(serving, evidence):
    found = {
        (entry["address"], entry["port"])
        for entry in evidence.facts(serving)["listeners"]
        if entry["program"].startswith("haproxy")
    }
    assert found == {("127.0.33.6", 3306)}


def test_all_routers_lead_to_one_member(site, on):
    hosts = [*site.of("web"), *site.of("rest")]
    tables = {host.name: said(on, host, ROUTER) for host in hosts}
    keys = {
        word.removeprefix("server_key=")
        for told in tables.values()
        for word in told.split()
        if word.startswith("server_key=")
    }
    assert len(keys) == 1, tables


def test_a_members_check_answers_to_routers(serving, site, on):
    for member in site.of("database"):
        assert said(on, serving, ASK, member.addresses["private"]) == "200"


def test_nobody_but_members_reaches_replication(serving, site, on):
    """It listens, and what they send never arrives."""
    members = [member.addresses["private"] for member in site.of("database")]

    def knock(address):
        return on(serving).run("timeout 1 bash -c %s", f"</dev/tcp/{address}/4567")

    with ThreadPoolExecutor() as pool:
        assert {answer.rc for answer in pool.map(knock, members)} == {TIMED_OUT}
