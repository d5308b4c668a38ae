"""From VLAN 2028 exactly what the inventory declares answers. Real packets, from that network."""

from __future__ import annotations

import re

# HAProxy, nginx for its exporter, and the exporters.
TELL_FIGURES = {8404, 8406, 9100, 9104, 9113}


def ports(scan: dict, address: str) -> set[int]:
    return {port for where, port in scan["open"] if where.partition("%")[0] == address}


def test_exactly_the_declared_ports_answer_on_2028(site, from_2028):
    scan = from_2028.scan("campus")
    wanted = {h.addresses["campus"]: h.declared("campus") for h in _on(site, "campus")}
    # What edges hold for all is no way to either of them.
    wanted |= {address: wanted_of_all(site) for address in site.published.values()}
    found = {address: ports(scan, address) for address in wanted}
    assert found == wanted
    assert scan["tried"] == 65535 * len(found)


def test_nothing_of_2112_answers_from_2028(from_2028):
    scan = from_2028.scan("private")
    assert scan["tried"] > 1000
    assert scan["open"] == []


def test_nothing_of_2112_answers_through_a_route_over_the_web_host(site, from_2028):
    scan = from_2028.scan("routed")
    gateway = site.of("web")[0].addresses["campus"]
    assert len(scan["routes"]) == len(_on(site, "private"))
    assert [way for way in scan["routes"] if f"via {gateway}" not in way] == []
    # The packets did leave for the web host: its hardware address is known.
    assert scan["neighbours"].get(gateway) in {"REACHABLE", "STALE", "DELAY", "PROBE"}
    assert scan["open"] == []


def test_no_undeclared_port_answers_over_ipv6(site, from_2028):
    declared = set().union(*(host.declared("campus") for host in _on(site, "campus")))
    assert {port for _, port in from_2028.scan("ipv6")["open"]} <= declared


def test_one_address_cannot_take_what_is_there_for_all(serving, on):
    """As the kernel has it, and nginx; what it does is drill-flood's to show."""
    rules = on(serving).check_output("nft list table inet ctlv").splitlines()
    open_to_all = [rule for rule in rules if "ip saddr 0.0.0.0/0 tcp dport" in rule]
    assert open_to_all
    assert all(rule.endswith("ct state new goto everybody") for rule in open_to_all)
    shares = re.compile(r"\s+(?:add|update) .* (ct count|limit rate) over .* drop")
    assert [found[1] for found in map(shares.match, rules) if found] == ["ct count", "limit rate"]
    settings = on(serving).check_output("nginx -T 2>/dev/null")
    assert len(set(re.findall(r"\n *(limit_(?:conn|req) .+);", settings))) == 5
    files = on(serving).check_output("cat /proc/$(pgrep -n -u www-data nginx)/limits")
    connections = re.search(r"worker_connections (\d+);", settings)
    assert int(re.search(r"Max open files +(\d+)", files)[1]) > int(connections[1])


def test_no_host_forwards_packets(host, evidence):
    assert evidence.facts(host)["ip_forward"] == "0"


def test_nothing_undeclared_listens_beyond_the_host(host, evidence):
    """From the inside: what the firewall hides today must not be there either."""
    declared = {port.port for port in host.open_ports}
    surplus = [
        entry
        for entry in evidence.facts(host)["listeners"]
        if not entry["address"].startswith(("127.", "::1")) and entry["port"] not in declared
    ]
    assert surplus == []


def test_where_nobody_may_read_figures_nothing_listens_that_tells_them(site, host, evidence):
    """On loopback neither: as before there was a metrics_scrapers, or after."""
    listening = {entry["port"] for entry in evidence.facts(host)["listeners"]}
    assert site.scrapers or listening.isdisjoint(TELL_FIGURES)


def wanted_of_all(site):
    return site.of("edge")[0].declared("campus")


def _on(site, network):
    return [host for host in site.hosts if network in host.addresses]
