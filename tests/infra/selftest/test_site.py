"""What verify reads from the inventory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provision.errors import OperatorError
from provision.inventory import Inventory
from tests.infra.site import site_from

NETWORKS = {
    "campus": {"tag": 2028, "subnet": "198.18.28.0/24", "gateway": "198.18.28.1"},
    "private": {"tag": 2112, "subnet": "198.18.112.0/24"},
}
WEB = {
    "lxc_vmid": 2156,
    "lxc_networks": NETWORKS,
    "lxc_nics": [
        {"name": "eth0", "network": "campus", "address": "198.18.28.156/24"},
        {"name": "eth1", "network": "private", "address": "198.18.112.156/24"},
    ],
    "base_open_ports": [
        {"network": "campus", "port": 80, "from": ["198.18.28.0/24"]},
        {"network": "private", "port": 3128, "from": "{{ as_ansible_says }}"},
    ],
    "verify_vantage": "lab",
}
DATABASE = {
    "lxc_vmid": 2157,
    "lxc_networks": NETWORKS,
    "lxc_nics": [{"name": "eth0", "network": "private", "address": "198.18.112.157/24"}],
    "base_open_ports": [],
}
GROUPS = {
    "all": ["www", "db"],
    "containers": ["www", "db"],
    "web": ["www"],
    "database": ["db"],
    "rest": [],
}


def site(**hosts):
    return found_in({"www": WEB, "db": DATABASE, **hosts}, lab={})


def found_in(hosts, *, lab):
    inventory = Inventory(environment="lab", hosts=hosts, groups=GROUPS)
    return site_from(inventory, state=Path("/nowhere"), lab=lab)


def test_hosts_know_their_groups_and_addresses():
    web = site().of("web")[0]
    assert (web.name, web.vmid, web.addresses["private"]) == ("www", 2156, "198.18.112.156")
    assert {"all", "containers", "web"} == set(web.groups)
    assert [host.name for host in site().of("containers")] == ["db", "www"]
    assert site().of("rest") == ()


def test_declared_ports_are_those_of_one_network():
    assert site().host("www").declared("campus") == {80}
    assert site().host("www").declared("private") == {3128}
    assert site().host("db").declared("campus") == set()


@pytest.mark.parametrize(
    ("tls", "declared"), [("off", {80}), (False, {80}), ("internal", {80, 443})]
)
def test_a_port_that_wants_tls_is_declared_with_it_alone(tls, declared):
    ports = [
        {"network": "campus", "port": 80, "from": ["0.0.0.0/0"]},
        {"network": "campus", "port": 443, "from": ["0.0.0.0/0"], "only_with": "tls"},
    ]
    web = {**WEB, "base_open_ports": ports, "agenda_tls": tls}
    assert site(www=web).host("www").declared("campus") == declared


@pytest.mark.parametrize(
    ("tls", "target", "url"),
    [
        ("off", "198.18.28.156:80", "http://127.0.0.1:8080/agenda"),
        ("internal", "198.18.28.156:443", "https://127.0.0.1:8080/agenda"),
        ("internal", "198.18.28.156:80", "https://198.18.28.156/agenda"),
    ],
)
def test_a_person_finds_the_agenda_where_the_lab_forwards(tls, target, url):
    hosts = {"www": {**WEB, "agenda_tls": tls}, "db": {**DATABASE, "agenda_tls": tls}}
    assert found_in(hosts, lab={"forwards": {"8080": target}}).url == url


@pytest.mark.parametrize(
    ("is_canary", "left_out", "names"),
    [
        (False, "", ["www", "api", "api2"]),
        # Down: whoever hands on to it asks the other.
        (False, "api2", ["www", "api"]),
        (True, "api2", ["api"]),
    ],
    ids=["all", "one is down", "one has another release"],
)
def test_a_web_hosts_answers_to_api_are_no_canarys_where_others_may_give_them(
    is_canary, left_out, names
):
    groups = {**GROUPS, "rest": ["api", "api2"]}
    hosts = {"www": WEB, "api": WEB, "api2": WEB, "db": DATABASE}
    inventory = Inventory(environment="lab", hosts=hosts, groups=groups)
    whole = site_from(inventory, state=Path("/nowhere"), lab={})
    asked = replace(
        whole,
        is_canary=is_canary,
        hosts=tuple(host for host in whole.hosts if host.name != left_out),
        left_out=tuple(host for host in whole.hosts if host.name == left_out),
    )
    assert [host.name for host in asked.answering_the_api] == names


def test_everything_that_is_missing_is_said_at_once():
    bare = {"lxc_networks": NETWORKS, "lxc_nics": []}
    with pytest.raises(OperatorError) as error:
        site(www=bare, db=bare)
    said = str(error.value)
    assert "www: lxc_vmid" in said
    assert "db: base_open_ports" in said
    assert "\n  Next: " in said
