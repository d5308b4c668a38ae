"""Role metrics: what tells what, where, to whom."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.ansible.rendering import ROLES, inventory_values, lab_inventory, value_of

KNOWN = yaml.safe_load((ROLES / "metrics/vars/main.yml").read_text())["__metrics_known"]
PREFIX = "ct-tpgei-ctlv-B11-"
WEB, REST, DATABASE = (f"{PREFIX}{name}" for name in ("serverDjango", "serverREST", "MySqlDB"))
TOLD = {WEB: ["host", "nginx"], REST: ["host", "nginx"], DATABASE: ["host", "mariadb"]}


@pytest.fixture(scope="module", params=[[], ["198.18.112.9"]], ids=["off", "on"])
def site(request, tmp_path_factory):
    lab = lab_inventory(tmp_path_factory.mktemp("tree"))
    (lab / "group_vars/all/metrics.yml").write_text(
        yaml.safe_dump({"metrics_scrapers": request.param})
    )
    return request.param, inventory_values(lab)


@pytest.mark.parametrize("host", TOLD)
def test_a_host_tells_what_it_has_to_those_that_are_named(site, host):
    scrapers, values = site
    given = {name: values(host, name) for name in ("metrics_exporters", "metrics_scrapers")}
    here = value_of("metrics", "__metrics_here", **given)
    ports = [KNOWN[name]["port"] for name in TOLD[host]]
    assert [each["port"] for each in here] == (ports if scrapers else [])
    opened = {
        port["port"]: port["from"]
        for port in values(host, "base_open_ports")
        if port.get("only_with") == "metrics"
    }
    assert opened == dict.fromkeys(ports, scrapers)
    assert ("metrics" in values(host, "base_with")) is bool(scrapers)
    assert values(host, "agenda_metrics") is values(host, "watch_metrics") is bool(scrapers)


def test_mariadb_lets_in_who_asks_only_where_somebody_does(site):
    scrapers, values = site
    accounts = {each["name"]: each["privileges"] for each in values(DATABASE, "mysql_local_users")}
    assert accounts.get("prometheus") == (["USAGE"] if scrapers else None)


def test_what_ran_before_and_is_not_wanted_is_ended():
    units = [
        "nginx.service",
        "prometheus-node-exporter.service",
        "prometheus-nginx-exporter.service",
    ]
    given = {"metrics_exporters": ["host", "nginx"], "ansible_facts": {"units": units}}
    assert value_of("metrics", "__metrics_gone", metrics_scrapers=[], **given) == units[1:]
    assert value_of("metrics", "__metrics_gone", metrics_scrapers=["192.0.2.9"], **given) == []


def test_the_exporter_reads_what_role_nginx_and_role_watch_say_where_they_say_it():
    nginx = (ROLES / "nginx/templates/nginx.conf.j2").read_text()
    address = re.search(r"listen (127\.0\.0\.1:\d+);\n        location = (\S+) {", nginx)
    assert f"--nginx.scrape-uri=http://{address[1]}{address[2]}" in KNOWN["nginx"]["arguments"]
    watch = yaml.safe_load((ROLES / "watch/vars/main.yml").read_text())["__watch_metrics"]
    assert f"--collector.textfile.directory=/run/{watch}" in KNOWN["host"]["arguments"]


def test_no_exporter_listens_to_everybody():
    unit = (ROLES / "metrics/templates/exporter.service.j2").read_text()
    assert "--web.listen-address={{ metrics_address }}:{{ item['port'] }}" in unit
    assert re.search(r"^ExecStart=$", unit, re.MULTILINE)
    assert "base/templates/sandbox.conf.j2" in unit
