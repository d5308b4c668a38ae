"""A second web host, a second REST server: one file and its host_vars, and everybody knows them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from speech.google import HOST
from tests.ansible.rendering import inventory_values, lab_inventory, rendered, value_of

ROOT = Path(__file__).parents[2]
WEB, REST, DATABASE = (
    f"ct-tpgei-ctlv-B11-{name}" for name in ("serverDjango", "serverREST", "MySqlDB")
)


def add(folder: Path, group: str, host: str, last: int) -> None:
    """What an operator writes for one more host."""
    children = {"containers": {"children": {group: {"hosts": {host: None}}}}}
    (folder / f"hosts-{host}.yml").write_text(yaml.safe_dump({"all": {"children": children}}))
    container = {
        "lxc_vmid": 2000 + last,
        "lxc_nics": [
            {"name": "eth0", "network": "campus", "address": f"198.18.28.{last}/24"},
            {"name": "eth1", "network": "private", "address": f"198.18.112.{last}/24"},
        ],
        "ansible_host": f"198.18.28.{last}",
    }
    (folder / "host_vars" / host).mkdir()
    (folder / "host_vars" / host / "container.yml").write_text(yaml.safe_dump(container))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    lab = lab_inventory(tmp_path_factory.mktemp("tree"))
    (lab / "group_vars/all/zz_tls.yml").write_text("agenda_tls: internal\n")
    add(lab, "web", "second-web", 161)
    add(lab, "rest", "second-rest", 162)
    return lab


@pytest.fixture(scope="module")
def values(folder):
    return inventory_values(folder)


def test_the_inventory_has_them_in_their_groups(folder):
    tool = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [tool, "-i", folder, "--list"], cwd=ROOT, check=True, capture_output=True, timeout=60
    )
    listing = json.loads(done.stdout)
    assert set(listing["web"]["hosts"]) == {WEB, "second-web"}
    assert set(listing["rest"]["hosts"]) == {REST, "second-rest"}
    # What a group says, the newcomer says.
    first, second = (listing["_meta"]["hostvars"][host] for host in (WEB, "second-web"))
    assert {k for k in first if first[k] != second[k]} == {"lxc_vmid", "lxc_nics", "ansible_host"}


def admitted(values, host, port):
    """From where the host's firewall, as role base writes it, lets connections in to a port."""
    names = ("base_nics", "base_open_ports", "base_with")
    text = rendered("base", "nftables.conf.j2", **{name: values(host, name) for name in names})
    rules = [line.split() for line in text.splitlines() if f" tcp dport {port} " in line]
    return {rule[rule.index("saddr") + 1] for rule in rules}


def test_the_databases_firewall_lets_all_of_them_in_and_nobody_else(values):
    webs = {"198.18.112.156", "198.18.112.161"}
    assert admitted(values, DATABASE, 3306) == webs | {"198.18.112.158", "198.18.112.162"}
    assert admitted(values, DATABASE, 22) == webs
    assert {reached["to"] for reached in values(DATABASE, "base_egress")} == webs


def test_the_database_grants_each_account_to_the_hosts_of_its_group(values):
    hosts = {user["name"]: set(user["hosts"]) for user in values(DATABASE, "mysql_users")}
    webs = {"198.18.112.156", "198.18.112.161"}
    assert hosts["agenda"] == hosts["agenda_migrate"] == webs
    assert hosts["agenda_rest"] == {"198.18.112.158", "198.18.112.162"}
    assert set(values(DATABASE, "backup_keepers")) == {WEB, "second-web"}


def test_whoever_changes_the_schema_is_let_in_from_all_of_them_while_one_unit_runs(values):
    role, users = str(ROOT / "ansible/roles/mysql"), values(DATABASE, "mysql_users")
    unit = rendered("mysql", "ctlv-migration.service.j2", mysql_users=users, role_path=role)
    accounts = "agenda_migrate@'198.18.112.161', agenda_migrate@'198.18.112.156'"
    asked = re.findall(r'^(Exec\w+)=/usr/bin/mariadb --execute "(.*)"$', unit, re.MULTILINE)
    assert dict(asked) == {
        "ExecStartPre": f"ALTER USER {accounts} ACCOUNT UNLOCK",
        "ExecStopPost": f"ALTER USER {accounts} ACCOUNT LOCK",
    }


def reached(values, host):
    """What each user may reach: (user, address, port), as role agenda writes it."""
    text = rendered("agenda", "agenda.nft.j2", agenda_egress=values(host, "agenda_egress"))
    rule = re.compile(r'meta skuid { (".*") } ip daddr (\S+) \w+ dport (\d+) accept')
    rules = filter(None, (rule.fullmatch(line.strip()) for line in text.splitlines()))
    return {(user, to, port) for who, to, port in map(re.Match.groups, rules)
            for user in re.findall(r'"(.*?)"', who)}  # fmt: skip


def test_each_user_of_a_web_host_reaches_what_it_needs_and_nothing_else(values):
    found = reached(values, "second-web")
    assert found == {
        *((user, "198.18.112.157", "3306") for user in ("agenda", "agenda-migrate")),
        *(
            ("www-data", f"198.18.112.{last}", port)
            for last in (158, 162)
            for port in ("80", "8443")
        ),
        ("ctlv-backup", "198.18.112.157", "22"),
        *((user, "198.18.28.1", "3142") for user in ("_apt", "tinyproxy")),
    }


@pytest.mark.parametrize("host", [WEB, "second-web", REST, "second-rest"])
def test_where_google_speaks_the_agendas_user_has_no_way_out_either(folder, tmp_path, host):
    """Its voice comes through a web host's proxy, whose user asks Google."""
    shutil.copytree(folder.parents[1], tmp_path / "tree", symlinks=True)
    lab = tmp_path / "tree/inventory/lab"
    (lab / "group_vars/all/zz_told.yml").write_text("google_reachable: true\n")
    values = inventory_values(lab)
    own = {WEB: "198.18.112.156", "second-web": "198.18.112.161"}
    anywhere = {(user, port) for user, to, port in reached(values, host) if to == "0.0.0.0/0"}
    proxy = {port for user, port in anywhere if user == "tinyproxy"}
    assert ({user for user, _ in anywhere}, proxy) == (
        ({"tinyproxy"}, {"443", "53"}) if host in own else (set(), set())
    )
    asks = own.get(host) or values(host, "web_private_addresses")[0]
    assert values(host, "agenda_google_proxy") == f"{asks}:3129"
    ways = {(user, to) for user, to, port in reached(values, host) if port == "3129"}
    assert ways == (set() if host in own else {("agenda", asks)})
    assert admitted(values, WEB, 3129) == {"198.18.112.158", "198.18.112.162"}
    allowed = {"198.18.112.156", "198.18.112.158", "198.18.112.162"}
    assert set(values(WEB, "voice_proxy_clients")) == allowed
    assert [f"https://{name}" for name in values(WEB, "voice_proxy_hosts")] == [HOST]


@pytest.mark.parametrize("host", [WEB, REST, DATABASE, "second-web", "second-rest"])
def test_every_host_is_watched_by_all_that_have_a_way_out(values, host):
    port = value_of("watch", "__watch_port")
    tellers = {f"198.18.112.{last}" for last in (156, 158, 161, 162)}
    assert admitted(values, host, port) == tellers
    known = {entry["host"]: entry["address"] for entry in values(host, "watch_hosts")}
    assert set(known) == {WEB, REST, DATABASE, "second-web", "second-rest"}
    assert {known[name] for name in values(host, "watch_tellers")} == tellers
    assert known[host] == values(host, "watch_address")


def test_whoever_tells_reaches_the_others_and_the_operator(values, folder, tmp_path):
    assert not any(user == "ctlv-alert" for user, _, _ in reached(values, WEB))
    shutil.copytree(folder.parents[1], tmp_path / "tree", symlinks=True)
    lab = tmp_path / "tree/inventory/lab"
    url = "watch_heartbeat_url: https://beat.example:8443/x\n"
    (lab / "group_vars/all/zz_told.yml").write_text(url)
    found = reached(inventory_values(lab), WEB)
    port = str(value_of("watch", "__watch_port"))
    assert {
        ("ctlv-alert", "198.18.112.157", port),
        ("ctlv-alert", "198.18.112.162", port),
        ("ctlv-alert", "0.0.0.0/0", "8443"),
    } <= found


def test_whoever_is_not_named_reaches_nothing_but_root(values):
    text = rendered("agenda", "agenda.nft.j2", agenda_egress=values(REST, "agenda_egress"))
    rules = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    assert [rule for rule in rules if "accept" in rule and "daddr" not in rule][1:] == [
        'meta skuid "root" accept',
        'oifname "lo" accept',
        "ct state established,related accept",
        "meta l4proto { icmp, ipv6-icmp } accept",
    ]
    assert rules[-1].startswith("counter reject")


def test_the_first_of_each_group_is_proved_without_the_others(values):
    proof = values("second-rest", "agenda_canary_proof")
    # In the order in which the inventory's files are read.
    assert values("second-rest", "agenda_canaries") == ["second-web", REST]
    assert proof[proof.index("--canary") :] == ["--canary", "--skip", WEB, "second-rest"]


@pytest.mark.parametrize("host", [WEB, "second-web"])
def test_each_web_host_hands_the_api_on_to_all_rest_servers(values, host):
    assert set(values(host, "nginx_api_servers")) == {"198.18.112.158", "198.18.112.162"}


@pytest.mark.parametrize("host", [REST, "second-rest"])
def test_each_rest_server_believes_all_web_hosts_and_answers_to_their_names(values, host):
    assert set(values(host, "nginx_trusted_proxies")) == {"198.18.112.156", "198.18.112.161"}
    assert {"198.18.28.156", "198.18.28.161"} <= set(values(host, "agenda_hosts"))


def test_a_rest_server_takes_on_what_web_hosts_hand_on_from_them_alone_and_in_tls(values):
    assert admitted(values, "second-rest", 8443) == {"198.18.112.156", "198.18.112.161"}
    assert values("second-rest", "nginx_takes_on_at") == "198.18.112.162"
    assert values("second-web", "nginx_api_name") in values("second-rest", "tls_names")


def test_each_package_proxy_serves_all_other_containers(values):
    clients = values("second-web", "package_proxy_clients")
    assert sorted(clients) == [f"198.18.112.{last}" for last in (156, 157, 158, 162)]
    assert values("second-web", "package_proxy_listen") == "198.18.112.161"


def test_the_database_gets_its_packages_through_any_web_host(values):
    proxies = ["198.18.112.156:3128", "198.18.112.161:3128"]
    assert sorted(values(DATABASE, "base_apt_proxies")) == proxies


def test_a_certificate_is_for_the_hosts_own_addresses_and_those_that_it_may_take_over(values):
    own, taken_over = ["198.18.28.161", "198.18.112.161"], ["198.18.28.156"]
    assert values("second-web", "tls_addresses") == [*own, *taken_over, "127.0.0.1"]
    names = [*own, "127.0.0.1", "localhost", *taken_over]
    assert values("second-web", "tls_site_names") == names
    assert values(DATABASE, "tls_addresses") == ["198.18.112.157"]


@pytest.mark.parametrize(
    ("host", "other"),
    [("second-web", "198.18.28.156"), (WEB, "198.18.28.161"), ("second-rest", "198.18.28.157")],
)
def test_a_host_that_takes_over_what_people_ask_for_knows_the_name_before(values, host, other):
    assert other in values(host, "agenda_hosts")
    assert values(host, "agenda_hosts")[0] == values(host, "campus_address")
