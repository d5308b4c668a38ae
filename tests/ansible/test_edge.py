"""Two edges: one group more, and everybody knows who stands before whom."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.ansible.rendering import inventory_values, lab_inventory, rendered, value_of

ROOT = Path(__file__).parents[2]
PREFIX = "ct-tpgei-ctlv-B11-"
EDGE, OTHER, WEB, REST, DATABASE = (
    f"{PREFIX}{name}" for name in ("edge1", "edge2", "serverDjango", "serverREST", "MySqlDB")
)
EXAMPLES = (
    "hosts-cluster.yml.txt",
    f"host_vars/{WEB}/edge.yml.txt",
    f"host_vars/{REST}/edge.yml.txt",
)


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """The lab's inventory with the example of the large shape in place."""
    lab = lab_inventory(tmp_path_factory.mktemp("tree"))
    for example in EXAMPLES:
        shutil.copy(lab / example, lab / example.removesuffix(".txt"))
    (lab / "group_vars/all/zz_tls.yml").write_text("agenda_tls: internal\n")
    return inventory_values(lab)


def template(values, name, host=EDGE):
    settings = {
        key: values(host, key)
        for key in ("edge_services", "edge_domain", "edge_network", "edge_nics", "edge_peers",
                    "edge_priority", "edge_certificate", "edge_certificate_key")
    }  # fmt: skip
    return rendered("edge", name, inventory_hostname=host, **settings)


@pytest.mark.parametrize("environment", ["lab", "srv-px5"])
def test_the_example_is_short_and_has_two_edges(environment):
    text = (ROOT / "inventory" / environment / "hosts-cluster.yml.txt").read_text()
    groups = yaml.safe_load(text)["all"]["children"]["containers"]["children"]
    assert {group: len(told["hosts"]) for group, told in groups.items()} == {
        "edge": 2, "web": 3, "rest": 2, "database": 3,
    }  # fmt: skip
    assert len(text.splitlines()) <= 15
    hosts = {host for told in groups.values() for host in told["hosts"]}
    folders = {path.name for path in (ROOT / "inventory" / environment / "host_vars").iterdir()}
    assert hosts == folders


def test_people_are_answered_at_the_same_address_and_links_lead_there(values):
    assert values(WEB, "agenda_hosts")[0] == "198.18.28.156"
    assert values(WEB, "agenda_site") == "https://198.18.28.156"
    assert {"198.18.28.156", "198.18.28.157"} <= set(values(REST, "agenda_hosts"))
    for host in (EDGE, WEB, REST):
        assert {"198.18.28.156", "198.18.28.157"} <= set(values(host, "tls_addresses"))


def test_edges_are_believed_by_those_behind_them_and_by_nobody_else(values):
    edges = ["198.18.112.165", "198.18.112.166"]
    assert values(WEB, "nginx_trusted_proxies") == edges
    assert set(edges) < set(values(REST, "nginx_trusted_proxies"))
    assert values(WEB, "nginx_takes_on_at") == "198.18.112.156"


def test_an_edge_hands_on_to_every_web_container_that_says_who_it_is(values):
    text = template(values, "haproxy.cfg.j2")
    servers = dict(re.findall(r"^    server \S+ (\S+) verifyhost (\S+) ", text, re.MULTILINE))
    assert servers == {
        f"198.18.112.{last}:8443": f"{PREFIX}{name}.lab.ctlv.internal".lower()
        for last, name in (
            (156, "serverDjango"), (162, "serverDjango2"), (163, "serverDjango3"),
            (158, "serverREST"), (164, "serverREST2"),
        )
    }  # fmt: skip
    binds = re.findall(r"^    bind (?!fd@)(\S+)", text, re.MULTILINE)
    asked = [f"198.18.28.{last}:{port}" for last in (156, 165, 157) for port in (80, 443)]
    assert binds == ["127.0.0.1:8405", *asked]


def test_an_edge_tells_how_many_at_its_private_address_where_somebody_may_ask(values):
    assert values(EDGE, "edge_metrics_address") == ""
    given = {"edge_services": [], "edge_nics": values(EDGE, "edge_nics")}
    text = rendered("edge", "haproxy.cfg.j2", edge_metrics_address="198.18.112.165", **given)
    metrics = text.partition("frontend metrics\n")[2].partition("\n\n")[0]
    assert re.findall(r"bind (\S+)", metrics) == ["198.18.112.165:8404"]
    assert "use-service prometheus-exporter if { path /metrics }" in metrics


def test_haproxy_finds_each_socket_that_systemd_holds_for_it(values):
    """Whoever comes while it is restarted waits, and is not refused."""
    text = template(values, "haproxy.cfg.j2")
    pairs = re.findall(r"bind fd@(\d+)(.*)\n    .else\n    bind (\S+) transparent(.*)\n", text)
    assert len(pairs) == 6
    assert all(how == instead for _, how, _, instead in pairs)
    held = re.findall(r"^ListenStream=(\S+)$", template(values, "haproxy.socket.j2"), re.MULTILINE)
    assert {int(number): place for number, _, place, _ in pairs} == dict(enumerate(held, 3))


def test_what_was_sent_is_never_sent_twice(values):
    text = template(values, "haproxy.cfg.j2")
    assert text.count("http-request disable-l7-retry unless METH_GET or { method HEAD }") == 2
    assert "\n    retry-on conn-failure empty-response 503\n" in text


def test_what_is_under_way_at_a_host_that_is_lost_is_asked_elsewhere(values):
    """A silent connection is found out by itself: one that HAProxy ends is not asked again."""
    text = template(values, "haproxy.cfg.j2")
    assert re.findall(r"^    (?:option )?(srvtcpka\S*.*)$", text, re.MULTILINE) == [
        "srvtcpka", "srvtcpka-idle 1s", "srvtcpka-intvl 1s",
    ]  # fmt: skip
    servers = re.findall(r"^    server .*", text, re.MULTILINE)
    assert {server.endswith(" tcp-ut 2s") for server in servers} == {True}
    assert "on-marked-down" not in text


def test_a_host_that_is_about_to_be_restarted_tells_the_edges_alone(values):
    told = value_of("nginx", "__nginx_drained")
    assert told == value_of("agenda", "__agenda_drained")
    settings = {"nginx_takes_on_at": "198.18.112.156", "nginx_server_names": ["agenda"]}
    text = rendered("nginx", "nginx.conf.j2", **settings)
    servers = [part for part in text.split("\n    server {")[1:] if "location = /readyz" in part]
    told_by = [told in server for server in servers]
    assert sorted(told_by) == [False, True]
    assert "listen 198.18.112.156:8443 ssl;" in servers[told_by.index(True)]
    assert "\n    http-check disable-on-404\n" in template(values, "haproxy.cfg.j2")


@pytest.mark.parametrize("host", [WEB, REST])
def test_a_host_is_drained_where_another_of_its_group_serves(host, values):
    assert values(host, "agenda_is_drainable") is True
    assert values(host, "nginx_drained_by") == "/usr/local/sbin/ctlv-drained"


def test_its_problem_documents_are_those_of_nginx(values):
    text = template(values, "haproxy.cfg.j2")
    said = {p["status"]: p for p in map(json.loads, re.findall(r" string '(.*?)'", text))}
    of_nginx = {
        problem["status"]: {key: problem[key] for key in ("type", "title", "status")}
        for problem in value_of("nginx", "__nginx_api_problems")
    }
    assert said == {503: of_nginx[503]}


def test_the_two_differ_in_who_is_the_other_and_who_goes_first(values):
    one, other = (template(values, "keepalived.conf.j2", host) for host in (EDGE, OTHER))
    held = "        198.18.28.156/24 dev eth0\n        198.18.28.157/24 dev eth0\n"
    assert held in one
    assert held in other
    lines = zip(one.splitlines(), other.splitlines(), strict=True)
    different = [left.split()[0] for left, right in lines if left != right]
    assert different == ["router_id", "priority", "unicast_src_ip", "198.18.112.166"]


def test_nothing_leads_out_of_an_edge_but_what_it_needs(values):
    reached = {(way["to"], way["port"]) for way in values(EDGE, "base_egress")}
    assert reached == {(f"198.18.112.{last}", 3128) for last in (156, 162, 163)}
    assert values(EDGE, "base_egress_limited") is True
    rules = template(values, "edge.nft.j2")
    assert "reject with tcp reset" in rules
    assert re.findall(r"ip saddr (\S+) ip protocol vrrp accept", rules) == ["198.18.112.166"]
    handed_on = re.search(r'"haproxy" ip daddr { (.*) } tcp dport 8443', rules)
    assert len(handed_on[1].split(", ")) == 5
