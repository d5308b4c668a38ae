"""Those that metrics_scrapers names read how the hosts are, nobody else, and nobody's words."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

# Group: exporter's port and unit, and a figure that says that it found what it tells of.
EXPORTERS = {
    "containers": (9100, "prometheus-node-exporter.service", "ctlv_watch_at_seconds"),
    "web": (9113, "prometheus-nginx-exporter.service", "nginx_up"),
    "rest": (9113, "prometheus-nginx-exporter.service", "nginx_up"),
    "database": (9104, "prometheus-mysqld-exporter.service", "mysql_up"),
    "edge": (8404, "haproxy.service", "haproxy_process_nbthread"),
}
LABELS = {"route", "method", "status", "le", "name"}
# An address and port, or a unix socket.
ASK = """
import http.client, socket, sys
where, path = sys.argv[1:]
line = http.client.HTTPConnection("localhost" if where[0] == "/" else where, timeout=5)
if where[0] == "/":
    line.sock = socket.socket(socket.AF_UNIX)
    line.sock.connect(where)
try:
    line.request("GET", path)
    answer = line.getresponse()
    print(answer.status, answer.read().decode())
except OSError as error:
    print("nothing", type(error).__name__)
"""


def asked(host, where):
    """Status and page, or "nothing"."""
    status, _, page = host.check_output("python3 -c %s %s /metrics", ASK, where).partition(" ")
    return status, page


def test_the_firewall_lets_in_those_that_are_named_and_nobody_else(site, host, on):
    rules = on(host).check_output("nft list chain inet ctlv input").splitlines()
    for group in host.groups & EXPORTERS.keys():
        port = EXPORTERS[group][0]
        lines = [line for line in rules if f"dport {port} " in line]
        sources = [re.search(r"ip saddr (\S+) tcp dport", line) for line in lines]
        assert all(sources)
        assert sorted(source[1] for source in sources) == sorted(site.scrapers), port


def test_from_another_of_our_hosts_nothing_is_read(site, host, on):
    """Packets, over 2112: none of ours is a scraper."""
    other = next(each for each in site.hosts if each.name != host.name)
    if other.addresses["private"] in site.scrapers:
        pytest.skip(f"{other.name} is one that may")
    address = host.addresses["private"]
    for group in host.groups & EXPORTERS.keys():
        assert asked(on(other), f"{address}:{EXPORTERS[group][0]}")[0] == "nothing"


def test_each_exporter_runs_confined_at_the_private_address_and_tells(host, on):
    address = host.addresses["private"]
    for group in host.groups & EXPORTERS.keys():
        port, unit, figure = EXPORTERS[group]
        assert on(host).service(unit).is_running
        assert on(host).service(unit).is_enabled
        page = asked(on(host), f"{address}:{port}")[1]
        found = [line for line in page.splitlines() if line.startswith(figure)]
        assert found, figure
        assert not figure.endswith("_up") or found == [f"{figure} 1"]


def test_the_agendas_figures_hold_no_word_that_was_used(serving, on, evidence):
    """All that this run did until now is in them, its words are not."""
    status, page = asked(on(serving), "/opt/agenda/current/web.sock")
    assert status == "200"
    metrics = {metric.name: metric for metric in text_string_to_metric_families(page)}
    assert metrics["agenda_request_seconds"].samples
    assert {name for m in metrics.values() for s in m.samples for name in s.labels} <= LABELS
    used = [evidence.needle, *evidence.tokens, "verify", "@", *serving.addresses.values()]
    assert [word for word in used if word in page] == []


@pytest.mark.parametrize("network", ["campus", "private"])
def test_nginx_hands_them_to_nobody_that_is_not_named(network, serving, on):
    assert asked(on(serving), f"{serving.addresses[network]}:80")[0] == "403"


def test_mariadbs_exporter_may_do_nothing(site, web, evidence):
    grants = evidence.logins(web)["accounts"]["prometheus@localhost"]
    assert grants == {"*.*": ["USAGE"]}
    assert evidence.logins(web)["plugins"]["prometheus@localhost"][0] == "unix_socket"
