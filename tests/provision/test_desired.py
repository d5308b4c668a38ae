"""Every mistake of an inventory is named with its file and key, all at once, before any call."""

from __future__ import annotations

import pytest

from provision.desired import desired
from provision.errors import OperatorError
from provision.inventory import Inventory
from tests.provision.situations import COMMON, DB, NETWORKS, WEB, inventory


def mistakes(**hosts):
    with pytest.raises(OperatorError) as error:
        desired(inventory(**hosts))
    return error.value.problem


def nic(**changes):
    return {"name": "eth0", "network": "campus", "address": "198.18.28.156/24"} | changes


def with_network(name, **changes):
    return {"lxc_networks": NETWORKS | {name: {k: v for k, v in (NETWORKS[name] | changes).items()
                                               if v is not None}}}  # fmt: skip


def test_the_two_containers_as_the_inventory_says():
    wanted = desired(inventory())

    web, db = wanted.containers
    assert (web.host, web.vmid, web.address, web.jumps) == ("web", 2156, "198.18.28.156", ())
    assert (db.host, db.vmid, db.address, db.jumps) == ("db", 2157, "198.18.112.157", ("web",))
    assert [(n.tag, n.ip, n.gateway) for n in web.container.nics] == [
        (2028, "198.18.28.156/24", "198.18.28.1"),
        (2112, "198.18.112.156/24", None),
    ]
    assert web.container.tags == ("ctlv", "ctlv-lab")
    assert (web.container.startup, db.container.startup) == ("order=2", "order=1")
    assert web.container.mark is not None
    assert web.container.mark.host == "web"
    assert wanted.api_port == 8006


def test_everything_optional_may_be_left_out():
    optional = ("lxc_swap_mib", "lxc_features", "lxc_onboot", "lxc_startup_order", "lxc_protection",
                "lxc_tags", "lxc_wait", "lxc_unprivileged", "lxc_assumed")  # fmt: skip
    web = {key: value for key, value in WEB.items() if key not in optional}

    container = desired(inventory(web=web)).containers[0].container

    assert (container.swap_mib, container.onboot, container.startup) == (0, True, "")
    assert container.unprivileged


def test_everything_optional_may_be_said():
    web = WEB | {
        "lxc_nameserver": "9.9.9.9, 1.1.1.1",
        "lxc_searchdomain": "example.org",
        "lxc_note": " Ask the network team ",
        "lxc_tags": ["Prod"],
        "lxc_mounts": [
            {"path": "/srv", "size_gib": 8, "storage": "tank", "backup_enabled": True},
            {"path": "/var/log", "size_gib": 0.5},
        ],
        "lxc_nics": [nic(mtu=1400, firewall=True)],
        "lxc_api_host": "srv-px1",
        "lxc_api_ca_file": "ca.pem",
        "lxc_assumed": ["the bridge"],
        "metrics_scrapers": ["198.18.112.9"],
    }

    wanted = desired(inventory(web=web))

    container = wanted.containers[0].container
    assert (container.nameserver, container.searchdomain) == ("9.9.9.9 1.1.1.1", "example.org")
    assert container.note == "Ask the network team"
    assert container.tags == ("ctlv", "ctlv-lab", "prod")
    assert [(m.path, m.storage, m.size_bytes // 2**20) for m in container.mounts] == [
        ("/srv", "tank", 8192),
        ("/var/log", "local-lvm", 512),
    ]
    assert (container.nics[0].mtu, container.nics[0].firewall) == (1400, True)
    assert (wanted.api_host, wanted.api_ca_file, wanted.assumed) == (
        "srv-px1",
        "ca.pem",
        ("the bridge",),
    )


def test_a_file_name_is_a_template_too():
    file = "debian-13-standard_13.1-2_amd64.tar.zst"
    assert (
        desired(inventory(web=WEB | {"lxc_template": file})).containers[0].container.template
        == file
    )


def test_whichever_web_container_lives_leads_to_the_database_and_no_other_does():
    second, rest = (
        WEB | {
            "lxc_vmid": vmid, "ansible_host": f"198.18.28.{last}",
            "lxc_nics": [nic(address=f"198.18.28.{last}/24"),
                         nic(name="eth1", network="private", address=f"198.18.112.{last}/24")],
        }
        for vmid, last in ((2158, 158), (2161, 161))
    )  # fmt: skip
    hosts = {"web": WEB, "db": DB, "rest": rest, "second": second}
    groups = {"all": list(hosts), "web": ["web", "second"], "rest": ["rest"], "database": ["db"]}
    wanted = desired(Inventory(environment="lab", hosts=hosts, groups=groups))
    assert {each.host: each.jumps for each in wanted.containers} == {
        "web": (), "db": ("web", "second"), "rest": (), "second": (),
    }  # fmt: skip


EDGE_GROUPS = {"all": ["web", "db", "one", "two"], "web": ["web"], "database": ["db"]}


def edge(last):
    return WEB | {
        "lxc_vmid": 2000 + last, "ansible_host": f"198.18.28.{last}",
        "lxc_nics": [nic(address=f"198.18.28.{last}/24"),
                     nic(name="eth1", network="private", address=f"198.18.112.{last}/24")],
        "published_addresses": {"web": "198.18.28.200", "rest": "198.18.28.157"},
    }  # fmt: skip


def with_edges(*names, **changes):
    hosts = {"web": WEB | changes, "db": DB, "one": edge(101), "two": edge(102)}
    groups = EDGE_GROUPS | {"edge": list(names)}
    return Inventory(environment="lab", hosts=hosts, groups=groups)


def test_two_edges_lead_to_no_database_also_with_the_lowest_vmid():
    jumps = {each.host: each.jumps for each in desired(with_edges("one", "two")).containers}
    assert jumps == {"one": (), "two": (), "web": (), "db": ("web",)}


def test_an_address_that_edges_are_to_hold_is_no_containers_own():
    taken = [nic(address="198.18.28.200/24")]
    with pytest.raises(OperatorError, match=r"web: lxc_nics: 198\.18\.28\.200 is what people ask"):
        desired(with_edges("one", "two", lxc_nics=taken, ansible_host="198.18.28.200"))
    assert desired(with_edges(lxc_nics=taken, ansible_host="198.18.28.200"))


@pytest.mark.parametrize("published", [None, "198.18.28.200", {}, {"rest": "198.18.28.157"}])
def test_edges_that_are_told_no_address_are_refused(published):
    inventory = with_edges("one", "two")
    inventory.hosts["one"]["published_addresses"] = published
    with pytest.raises(OperatorError, match=r"one: published_addresses: is missing"):
        desired(inventory)


def test_a_container_that_nobody_can_jump_to_is_reached_directly():
    assert desired(inventory(db=DB)).containers[0].jumps == ()


@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"lxc_vmid": None}, "lxc_vmid", "is missing"),
        ({"lxc_vmid": 99}, "lxc_vmid", "99 is not a whole number from 100"),
        ({"lxc_vmid": "2156"}, "lxc_vmid", "'2156' is not a whole number"),
        ({"lxc_vmid": True}, "lxc_vmid", "True is not a whole number"),
        ({"lxc_ssh_jump": "a@b;reboot"}, "lxc_ssh_jump", "'a@b;reboot' is no [user@]name[:port]"),
        ({"lxc_ssh_jump": "-oProxyCommand=x"}, "lxc_ssh_jump", "is no [user@]name[:port]"),
        ({"metrics_scrapers": ["prometheus"]}, "metrics_scrapers[0]", "'prometheus' is not an a"),
        ({"metrics_scrapers": ["192.0.2.9"]}, "metrics_scrapers", "192.0.2.9 is outside 198.18"),
        ({"metrics_scrapers": "192.0.2.9"}, "metrics_scrapers", "'192.0.2.9' is not a list"),
        ({"lxc_cores": 0}, "lxc_cores", "0 is not a whole number"),
        ({"lxc_memory_mib": "1G"}, "lxc_memory_mib", "'1G' is not a whole number"),
        ({"lxc_disk_gib": "8G"}, "lxc_disk_gib", "'8G' is not a number of GiB"),
        ({"lxc_disk_gib": 0.3}, "lxc_disk_gib", "0.3 is not a number of GiB in whole MiB"),
        ({"lxc_disk_gib": None}, "lxc_disk_gib", "is missing"),
        ({"lxc_storage": "a b"}, "lxc_storage", "'a b' is not a valid name"),
        ({"lxc_storage": 5}, "lxc_storage", "5 is not a valid name"),
        ({"lxc_node": ""}, "lxc_node", "'' is not a valid name"),
        ({"lxc_onboot": "yes"}, "lxc_onboot", "'yes' is not true or false"),
        ({"lxc_unprivileged": False}, "lxc_unprivileged", "must be true"),
        ({"lxc_template": "debian-11-standard"}, "lxc_template",
         "'debian-11-standard' is no template: debian-13-standard, debian-12-standard"),
        ({"lxc_template": None}, "lxc_template", "is missing"),
        ({"lxc_wait": "ping"}, "lxc_wait", "'ping' is not 'ssh', 'running' or 'none'"),
        ({"lxc_features": {"keyctl": True}}, "lxc_features.keyctl",
         "is not known: Proxmox lets a token set nesting only"),
        ({"lxc_features": {"nesting": None}}, "lxc_features.nesting", "None is not true or false"),
        ({"lxc_vmid": [2156]}, "lxc_vmid", "[2156] is not a whole number"),
        ({"lxc_features": {"nesting": 1}}, "lxc_features.nesting", "1 is not true or false"),
        ({"lxc_features": ["nesting"]}, "lxc_features", "['nesting'] is not a mapping"),
        ({"lxc_tags": "prod"}, "lxc_tags", "'prod' is not a list"),
        ({"lxc_tags": ["prod", "no space"]}, "lxc_tags[1]", "'no space' is not a tag"),
        ({"lxc_nameserver": "dns.example"}, "lxc_nameserver",
         "'dns.example' does not appear to be an IPv4"),
        ({"lxc_searchdomain": "a_b.example"}, "lxc_searchdomain", "'a_b.example' is not a domain"),
        ({"lxc_note": "é" * 3501}, "lxc_note", "is longer than 7000 bytes"),
        ({"lxc_note": "```ctlv\n```"}, "lxc_note", "provision writes that"),
        ({"lxc_memroy_mib": 512}, "lxc_memroy_mib", "is not known; did you mean lxc_memory_mib?"),
        ({"lxc_colour": "red"}, "lxc_colour", "is not known"),
        ({"lxc_cores": "{{ cores }}"}, "lxc_cores", "must be a literal"),
        ({"ansible_host": "198.18.28.9"}, "ansible_host", "198.18.28.9 is none of its interfaces"),
        ({"ansible_host": None}, "ansible_host", "is missing"),
        ({"lxc_nics": []}, "lxc_nics", "is empty"),
        ({"lxc_nics": "eth0"}, "lxc_nics", "'eth0' is not a list"),
        ({"lxc_nics": ["eth0"]}, "lxc_nics[0]", "'eth0' is not a mapping"),
        ({"lxc_nics": [nic(vlan=3)]}, "lxc_nics[0].vlan", "is not known"),
        ({"lxc_nics": [nic(name="e" * 16)]}, "lxc_nics[0].name", "at most 15 characters"),
        ({"lxc_nics": [nic(name="0 0")]}, "lxc_nics[0].name", "'0 0' is no interface name"),
        ({"lxc_nics": [nic(network="lan")]}, "lxc_nics[0].network",
         "'lan' is not in lxc_networks (campus, private)"),
        ({"lxc_nics": [nic(), nic(network="private", address="198.18.112.156/24")]}, "lxc_nics",
         "two interfaces are named eth0"),
        ({"lxc_nics": [nic(), nic(name="eth1", address="198.18.28.9/24")]}, "lxc_nics",
         "two interfaces have a gateway"),
        ({"lxc_nics": [nic(address="198.18.29.156/24")]}, "lxc_nics[0].address",
         "198.18.29.156 is outside 198.18.28.0/24"),
        ({"lxc_nics": [nic(address="198.18.28.156")]}, "lxc_nics[0].address",
         "lacks its prefix length"),
        ({"lxc_nics": [nic(address="198.18.28.156/16")]}, "lxc_nics[0].address", "another prefix"),
        ({"lxc_nics": [nic(address="198.18.28.255/24")]}, "lxc_nics[0].address", "broadcast"),
        ({"lxc_nics": [nic(address="198.18.28.1/24")]}, "lxc_nics[0].address", "is the gateway's"),
        ({"lxc_nics": [nic(address="web/24")]}, "lxc_nics[0].address",
         "'web/24' is not an address"),
        ({"ansible_host": ""}, "ansible_host", "is empty"),
        ({"ansible_host": "a\nb"}, "ansible_host", r"'a\nb' is none of its interfaces"),
        ({"lxc_template": ""}, "lxc_template", "'' is no template"),
        ({"lxc_note": "\ud800"}, "lxc_note", "holds half a character"),
        ({"lxc_nics": [nic(name="lo")]}, "lxc_nics[0].name", "'lo' is no interface name"),
        ({"lxc_nics": [nic(name=True)]}, "lxc_nics[0].name", "True is no interface name"),
        ({"lxc_nics": [nic(name=None)]}, "lxc_nics[0].name", "is missing"),
        ({"lxc_nics": [nic(firewall="yes")]}, "lxc_nics[0].firewall",
         "'yes' is not true or false"),
        ({"lxc_nics": [nic(firewall=1)]}, "lxc_nics[0].firewall", "1 is not true or false"),
        ({"lxc_nics": [nic(mtu=10)]}, "lxc_nics[0].mtu", "10 is not a number from 576"),
        ({"lxc_bridge": "vmbr01234567"}, "lxc_nics[0].network",
         "vmbr01234567v2028 would exceed 15"),
        (with_network("campus", tag=0), "lxc_networks.campus.tag", "0 is not a VLAN tag"),
        (with_network("campus", tag=4095), "lxc_networks.campus.tag", "4095 is not a VLAN tag"),
        (with_network("campus", tag=1), "lxc_networks.campus.tag", "1 is not a VLAN tag from 2"),
        (with_network("campus", tag="2028"), "lxc_networks.campus.tag", "'2028' is not a VLAN tag"),
        (with_network("campus", tag=None), "lxc_networks.campus.tag",
         "without a VLAN tag is not isolated"),
        (with_network("campus", subnet=None), "lxc_networks.campus.subnet", "is missing"),
        (with_network("campus", subnet="198.18.28.7/24"), "lxc_networks.campus.subnet",
         "is not a network"),
        (with_network("campus", gateway="198.18.29.1"), "lxc_networks.campus.gateway",
         "is outside 198.18.28.0/24"),
        (with_network("campus", gateway="198.18.28.255"), "lxc_networks.campus.gateway",
         "is the network's own or its broadcast address"),
        (with_network("campus", subnet="198.18.28.0"), "lxc_networks.campus.subnet",
         "lacks its prefix length"),
        (with_network("campus", tag=2112), "lxc_networks.private.tag",
         "2112 is the tag of campus already"),
        (with_network("private", subnet="198.18.0.0/16"), "lxc_networks.private.subnet",
         "198.18.0.0/16 overlaps 198.18.28.0/24 of campus"),
        (with_network("campus", gateway="gw"), "lxc_networks.campus.gateway",
         "'gw' is not an address"),
        (with_network("campus", color="red"), "lxc_networks.campus.color", "is not known"),
        ({"lxc_networks": []}, "lxc_networks", "[] is not a mapping"),
        ({"lxc_mounts": [{"path": "srv", "size_gib": 1}]}, "lxc_mounts[0].path",
         "'srv' is not a plain absolute path"),
        ({"lxc_mounts": [{"path": "/a/../b", "size_gib": 1}]}, "lxc_mounts[0].path",
         "is not a plain absolute"),
        ({"lxc_mounts": [{"path": "/a/./b", "size_gib": 1}]}, "lxc_mounts[0].path",
         "is not a plain absolute"),
        ({"lxc_mounts": [{"path": "/srv", "size_gib": None}]}, "lxc_mounts[0].size_gib",
         "is missing"),
        ({"lxc_mounts": [{"path": "/srv", "size_gib": 1, "storage": True}]},
         "lxc_mounts[0].storage", "True is not a valid name"),
        ({"lxc_mounts": [{"path": "/srv", "size_gib": 1, "backup_enabled": "no"}]},
         "lxc_mounts[0].backup_enabled", "'no' is not true or false"),
        ({"lxc_mounts": [{"path": "/srv"}]}, "lxc_mounts[0].size_gib", "is missing"),
        ({"lxc_mounts": [{"path": "/srv", "size_gib": 1, "storage": "-"}]}, "lxc_mounts[0].storage",
         "'-' is not"),
        ({"lxc_mounts": [{"path": "/srv", "size_gib": 1}] * 2}, "lxc_mounts",
         "two volumes are mounted on /srv"),
        ({"lxc_assumed": "none"}, "lxc_assumed", "'none' is not a list"),
        ({"lxc_api_port": 0}, "lxc_api_port", "0 is not a whole number from 1"),
        ({"ctlv_environment": "srv-px5"}, "ctlv_environment", "is not 'lab', its folder"),
        ({"ctlv_environment": None}, "ctlv_environment", "is missing"),
        ({"ctlv_deployment_id": "mine"}, "ctlv_deployment_id", "'mine' is not 8 to 64 hexadecimal"),
        ({"ctlv_deployment_id": None}, "ctlv_deployment_id", "is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key(change, key, text):
    web = {name: value for name, value in (WEB | change).items() if value is not None}

    problem = mistakes(web=web)

    assert f"inventory/lab/host_vars/web/container.yml: web: {key}: " in problem
    assert text in problem


def test_a_host_name_that_dns_does_not_know_is_refused():
    assert "is no host name" in mistakes(web_1=WEB)
    assert "is no host name" in mistakes(**{"a" * 64: WEB})


def test_all_mistakes_come_at_once():
    problem = mistakes(
        web=WEB | {"lxc_cores": 0, "lxc_nics": [nic(address="1.2.3.4/24")]}, db=DB | {"lxc_vmid": 5}
    )

    assert "4 mistakes" in problem  # the fourth: ansible_host is no longer one of the addresses
    assert problem.count("\n") == 4


def test_a_vmid_used_twice_names_both_hosts():
    problem = mistakes(web=WEB, db=DB | {"lxc_vmid": 2156})

    assert "web: lxc_vmid: 2156 is used twice: web and db" in problem
    assert "db: lxc_vmid: 2156 is used twice: web and db" in problem


def test_two_missing_vmids_are_missing_not_double():
    hosts = [{k: v for k, v in host.items() if k != "lxc_vmid"} for host in (WEB, DB)]

    assert "used twice" not in mistakes(web=hosts[0], db=hosts[1])


@pytest.mark.parametrize("wrong", [None, "abc", 99], ids=["null", "a text", "too small"])
def test_vmids_that_are_refused_are_not_double_too(wrong):
    problem = mistakes(web=WEB | {"lxc_vmid": wrong}, db=DB | {"lxc_vmid": 100}, third=DB)

    assert "100 is used twice" not in problem


def test_host_names_that_differ_in_case_only_are_one():
    problem = mistakes(web=WEB, Web=DB)

    assert "Web: name: is one name to DNS and SSH: web and Web" in problem


def test_a_list_of_guesses_that_lost_its_last_line_is_empty():
    hosts = {"web": WEB | {"lxc_assumed": None}, "db": DB | {"lxc_assumed": None}}

    assert desired(inventory(**hosts)).assumed == ()


def test_an_address_used_twice_names_both_hosts():
    nics = [{"name": "eth0", "network": "private", "address": "198.18.112.156/24"}]

    problem = mistakes(web=WEB, db=DB | {"lxc_nics": nics, "ansible_host": "198.18.112.156"})

    assert "db: lxc_nics: 198.18.112.156 is used twice: web and db" in problem


def test_what_holds_for_the_environment_cannot_differ_between_hosts():
    problem = mistakes(db=DB, web=WEB | {"ctlv_deployment_id": "fedcba9876543210"})

    assert "web: ctlv_deployment_id: differs from db's" in problem


def test_a_mistake_names_the_file_that_holds_the_value():
    places = {("web", "lxc_cores"): "inventory/lab/group_vars/all/containers.yml:9"}
    hosts = {"web": WEB | {"lxc_cores": 0}}
    wrong = Inventory(environment="lab", hosts=hosts, places=lambda: places)

    with pytest.raises(OperatorError, match=r"all/containers.yml:9: web: lxc_cores: 0 is not"):
        desired(wrong)


def test_the_common_part_alone_is_no_container():
    problem = mistakes(web=COMMON)
    assert "lxc_vmid: is missing" in problem
    assert "lxc_nics: is missing" in problem
    assert "ansible_host: is missing" in problem
