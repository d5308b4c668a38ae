"""Who begins, who joins, and when nobody may: what could lose rows is refused."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.ansible.rendering import ROLES, inventory_values, lab_inventory, rendered, value_of
from tests.programs import load_program

ROOT = Path(__file__).parents[2]
PROGRAM = ROLES / "galera/files/ctlv-galera"
UUID, OTHER = "afea7104-ecb1-11f1-ac4a-3bca3419a85d", "b8e22fba-ecb0-11f1-9270-821ba0e0dfe3"
NULL = "00000000-0000-0000-0000-000000000000"
DATABASES = ("ct-tpgei-ctlv-B11-MySqlDB", "second", "third")


@pytest.fixture(scope="module")
def program() -> ModuleType:
    return load_program("galera", "ctlv-galera")


def told(uuid=NULL, *, rows=False, mark="", primary=False):
    """As `ctlv-galera state` says it."""
    known = {"uuid": uuid, "rows": rows, "mark": mark, "primary": primary}
    return {**known, "configured": bool(mark), "synced": primary}


NEW, ALONE = told(), told(rows=True)
JOINING = told(mark="joins", rows=True)
MEMBER = told(UUID, rows=True, mark="member", primary=True)
OFF = told(UUID, rows=True, mark="member")
FALLEN = told(rows=True, mark="member")


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        # The rows decide, wherever in the inventory their host stands.
        ((ALONE, NEW, NEW), ("first", "join", "join")),
        ((NEW, NEW, ALONE), ("join", "join", "first")),
        ((NEW, NEW, NEW), ("first", "join", "join")),
        # Interrupted: one had been told to join, and has some of the rows.
        ((ALONE, JOINING, NEW), ("first", "join", "join")),
        ((JOINING, NEW, NEW), ("join", "first", "join")),
        ((MEMBER, JOINING, NEW), ("stay", "join", "join")),
        ((MEMBER, MEMBER, MEMBER), ("stay", "stay", "stay")),
        # Its data is gone, or it is down: the others have it all.
        ((NEW, MEMBER, MEMBER), ("join", "stay", "stay")),
        ((FALLEN, MEMBER, MEMBER), ("join", "stay", "stay")),
        ((OFF, MEMBER, MEMBER), ("join", "stay", "stay")),
    ],
)
def test_who_has_the_rows_begins_and_the_others_join(program, states, wanted):
    known = dict(zip("abc", states, strict=True))
    assert tuple(program.decided(name, known, 3) for name in known) == wanted


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        # Nobody takes writes, though they once did together: `make recover` asks for positions.
        ((OFF, OFF, OFF), "a, b, c had rows together, and none of them is Primary"),
        ((FALLEN, FALLEN, NEW), "a, b had rows together, and none of them is Primary"),
        ((NEW, NEW, OFF), "c had rows together, and none of them is Primary"),
        # One went back to being alone, and is newer than those that it left.
        ((ALONE, MEMBER, MEMBER), "a has rows of its own, and b, c had others together"),
        ((ALONE, OFF, NEW), "a has rows of its own, and b had others together"),
        ((ALONE, ALONE, NEW), "a, b have rows, each its own"),
        ((MEMBER, told(OTHER, mark="member"), NEW), "they are of different histories"),
    ],
)
def test_what_could_lose_rows_is_refused_by_every_host_with_what_to_do(program, states, problem):
    known = dict(zip("abc", states, strict=True))
    for name in known:
        with pytest.raises(program.GaleraError) as refused:
            program.decided(name, known, 3)
        first, second = str(refused.value).splitlines()
        assert first.startswith(problem)
        assert second.startswith("  Next: ")


def test_nobody_begins_while_one_is_left_out_that_may_have_the_rows(program):
    with pytest.raises(program.GaleraError, match="1 of 3 is left out, which may have the rows"):
        program.decided("b", {"b": NEW, "c": NEW}, 3)
    assert program.decided("b", {"b": MEMBER, "c": OFF}, 3) == "stay"


SYNCED = {"wsrep_cluster_status": "Primary", "wsrep_local_state": "4", "wsrep_ready": "ON"}


@pytest.mark.parametrize(
    ("change", "is_drained", "status"),
    [
        ({}, False, "200 OK"),
        ({}, True, "503 Service Unavailable"),
        ({"wsrep_cluster_status": "non-Primary"}, False, "503 Service Unavailable"),
        ({"wsrep_local_state": "2"}, False, "503 Service Unavailable"),  # a donor
        ({"wsrep_ready": "OFF"}, False, "503 Service Unavailable"),
    ],
)
def test_writes_come_to_a_synced_member_of_the_primary_alone(program, change, is_drained, status):
    answer = program.reply(SYNCED | change, is_drained=is_drained).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert f"Content-Length: {len(body)}\r\n" in head
    assert program.reply({}, is_drained=False).startswith(b"HTTP/1.1 503")


def test_identity_is_read_from_disk(program, tmp_path):
    text = (
        f"# GALERA saved state\nversion: 2.1\nuuid:    {UUID}\nseqno:   -1\nsafe_to_bootstrap: 0\n"
    )
    (tmp_path / "grastate.dat").write_text(text)
    wanted = {"uuid": UUID, "seqno": "-1", "safe_to_bootstrap": "0"}
    assert program.grastate(tmp_path) == wanted
    assert program.grastate(tmp_path / "nowhere") == {}


# --- what the inventory makes of three -------------------------------------------------


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    lab = lab_inventory(tmp_path_factory.mktemp("tree"))
    group = {"hosts": dict.fromkeys(DATABASES)}
    children = {"containers": {"children": {"database": group}}}
    (lab / "hosts-three.yml").write_text(yaml.safe_dump({"all": {"children": children}}))
    for last, host in ((162, "second"), (163, "third")):
        (lab / "host_vars" / host).mkdir()
        nic = {"name": "eth0", "network": "private", "address": f"198.18.112.{last}/24"}
        own = {"lxc_vmid": 2000 + last, "lxc_nics": [nic], "ansible_host": f"198.18.112.{last}"}
        (lab / "host_vars" / host / "container.yml").write_text(yaml.safe_dump(own))
    return inventory_values(lab)


@pytest.fixture(scope="module")
def of_one():
    return inventory_values(ROOT / "inventory/lab")


MEMBERS = ["198.18.112.157", "198.18.112.162", "198.18.112.163"]
REPLICATION = (4567, 4568, 4444)


def firewall(values, host):
    names = ("base_nics", "base_open_ports", "base_with", "base_egress", "base_egress_limited")
    given = {name: values(host, name) for name in names}
    text = rendered("base", "nftables.conf.j2", **given)
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("host", DATABASES)
def test_replication_is_open_between_members_and_to_nobody_else(values, host):
    rules = firewall(values, host)
    for port in REPLICATION:
        from_ = {r.split("ip saddr ")[1].split()[0] for r in rules if f"tcp dport {port} ct" in r}
        to = {r.split("ip daddr ")[1].split()[0] for r in rules if r.endswith(f"{port} accept")}
        assert from_ == to == set(MEMBERS)
    asking = {r.split("ip saddr ")[1].split()[0] for r in rules if "tcp dport 9200 ct" in r}
    assert asking == {"198.18.112.156", "198.18.112.158"}


def test_with_one_database_there_is_nothing_of_it(of_one):
    rules = firewall(of_one, DATABASES[0])
    assert not [r for r in rules if any(f"dport {port} " in r for port in (*REPLICATION, 9200))]
    assert of_one(DATABASES[0], "mysql_members") == 1
    assert of_one(DATABASES[0], "tls_addresses") == ["198.18.112.157"]
    assert of_one(DATABASES[0], "tls_client") is False
    assert of_one(DATABASES[0], "backup_at") == "02:30"
    assert of_one("ct-tpgei-ctlv-B11-serverDjango", "router_counts") is False
    assert of_one("ct-tpgei-ctlv-B11-serverDjango", "agenda_database_host") == "198.18.112.157"


def test_what_serves_finds_the_writer_on_its_own_loopback(values):
    for host in ("ct-tpgei-ctlv-B11-serverDjango", "ct-tpgei-ctlv-B11-serverREST"):
        assert values(host, "agenda_database_host") == "127.0.33.6"
        given = {name: values(host, name) for name in ("router_address", "router_servers")}
        text = rendered("router", "haproxy.cfg.j2", **given)
        assert "  bind 127.0.33.6:3306\n" in text
        servers = [line.split()[2:] for line in text.splitlines() if line.startswith("  server ")]
        assert servers == [[f"{address}:3306", "tcp-ut", "3s"] for address in MEMBERS]
        assert "\n  option srvtcpka\n  srvtcpka-idle 1s\n" in text
        assert f"check port {value_of('router', '__router_check_port')} " in text
        rules = rendered("agenda", "agenda.nft.j2", agenda_egress=values(host, "agenda_egress"))
        for address in MEMBERS:
            for port in (3306, 9200):
                wanted = f'meta skuid {{ "haproxy" }} ip daddr {address} tcp dport {port} accept'
                assert wanted in rules
    assert all("127.0.33.6" in values(host, "tls_addresses") for host in DATABASES)


def test_on_the_way_back_to_one_nobody_else_is_asked_or_found():
    text = rendered("router", "haproxy.cfg.j2", router_servers=["192.0.2.7"])
    assert "check" not in text
    assert [line for line in text.splitlines() if line.startswith("  server ")] == [
        "  server member1 192.0.2.7:3306 tcp-ut 3s"
    ]


def test_one_member_makes_the_accounts_and_each_its_own_backup(values):
    assert sorted(values(host, "mysql_grants_here") for host in DATABASES) == [False, False, True]
    assert {values(host, "backup_at") for host in DATABASES} == {"02:30", "02:40", "02:50"}
    assert {values(host, "galera_connections") for host in DATABASES} == {100}
    assert len({values(host, "galera_name") for host in DATABASES}) == 1


def test_a_member_talks_to_the_others_in_tls_and_takes_the_others_certificates_alone():
    given = {"galera_address": MEMBERS[1], "galera_members": MEMBERS, "galera_certificate": "/tls"}
    text = rendered("galera", "91-galera.cnf.j2", inventory_hostname="b", **given)
    options = next(line for line in text.splitlines() if line.startswith("wsrep_provider_options"))
    told = dict(pair.split("=", 1) for pair in options.split('"')[1].split("; "))
    assert told["socket.ssl"] == "yes"
    assert {told[f"socket.ssl_{name}"] for name in ("ca", "cert", "key")} == {
        *("/tls/ca.pem", "/tls/host.pem", "/tls/host.key"),
    }
    assert told["gmcast.listen_addr"] == f"ssl://{MEMBERS[1]}:4567"
    transfer = text.partition("[sst]")[2]
    assert "encrypt = 3\n" in transfer
    assert "ssl-mode = VERIFY_CA\n" in transfer
    assert "gcomm://" + ",".join(MEMBERS) in text
