"""A Proxmox configuration, read as the container it describes, and the files it gives it."""

from __future__ import annotations

import ipaddress

from lab.guest import (
    GIB,
    hosts_file,
    interfaces_file,
    parse_guest,
    resolver_file,
    volumes,
)

CONFIG = {
    "hostname": "web.example.org",
    "memory": 1024,
    "swap": 0,
    "cores": 2,
    "cpulimit": "1.5",
    "features": "nesting=1",
    "nameserver": "198.18.28.1, 198.18.28.2",
    "searchdomain": "example.org",
    "net1": "name=eth1,bridge=vmbr0,hwaddr=BC:24:11:00:00:02,ip=198.18.112.9/24,tag=2112,type=veth",
    "net0": "name=eth0,bridge=vmbr0,gw=198.18.28.1,hwaddr=BC:24:11:00:00:01"
    ",ip=198.18.28.9/24,mtu=1400,tag=2028",
    "rootfs": "local:9/vm-9-disk-0.raw,size=8G",
    "mp0": "local:9/vm-9-disk-1.raw,mp=/srv/data,ro=1,size=512M",
    "unused0": "local:9/vm-9-disk-2.raw",
}


def test_everything_is_read():
    guest = parse_guest(9, CONFIG)

    assert (guest.hostname, guest.memory_mib, guest.swap_mib) == ("web.example.org", 1024, 0)
    assert (guest.cores, guest.cpu_limit, guest.nesting) == (2, 1.5, True)
    assert guest.nameservers == ("198.18.28.1", "198.18.28.2")
    first, second = guest.nics
    assert (first.key, first.name, first.mac, first.tag) == (
        "net0",
        "eth0",
        "bc:24:11:00:00:01",
        2028,
    )
    assert first.address == ipaddress.IPv4Interface("198.18.28.9/24")
    assert (first.mtu, second.gateway, second.link_up) == (1400, None, True)
    assert [(d.key, d.name, d.size_bytes, d.path, d.read_only) for d in guest.disks] == [
        ("mp0", "vm-9-disk-1", GIB // 2, "/srv/data", True),
        ("rootfs", "vm-9-disk-0", 8 * GIB, "/", False),
    ]
    assert guest.root_disk == "vm-9-disk-0"


def test_defaults_are_those_of_proxmox():
    guest = parse_guest(9, {})

    assert (guest.hostname, guest.memory_mib, guest.swap_mib) == ("CT9", 512, 512)
    assert (guest.cores, guest.nics, guest.nesting) == (None, (), False)


def test_nics_are_in_the_order_of_their_numbers():
    config = {f"net{n}": f"name=eth{n},bridge=vmbr0" for n in (10, 2, 1)}

    assert [nic.key for nic in parse_guest(9, config).nics] == ["net1", "net2", "net10"]


def test_volumes_are_found_in_use_or_not():
    assert volumes(CONFIG) == {
        "vm-9-disk-0": "rootfs",
        "vm-9-disk-1": "mp0",
        "vm-9-disk-2": "unused0",
    }


def test_interfaces_are_as_proxmox_writes_them():
    assert interfaces_file(parse_guest(9, CONFIG)) == (
        "auto lo\niface lo inet loopback\n\n"
        "auto eth0\niface eth0 inet static\n\taddress 198.18.28.9/24\n\tgateway 198.18.28.1\n\n"
        "auto eth1\niface eth1 inet static\n\taddress 198.18.112.9/24\n"
    )


def test_a_gateway_outside_the_subnet_gets_a_route_first():
    nic = "name=eth0,bridge=vmbr0,ip=198.18.28.9/24,gw=192.0.2.1"

    text = interfaces_file(parse_guest(9, {"net0": nic}))

    assert "\tpost-up ip route add 192.0.2.1 dev eth0\n" in text
    assert "\tgateway" not in text


def test_a_link_that_is_down_is_down():
    (nic,) = parse_guest(9, {"net0": "name=eth0,bridge=vmbr0,link_down=1"}).nics

    assert not nic.link_up


def test_a_nic_without_an_address_is_manual():
    text = interfaces_file(parse_guest(9, {"net0": "name=eth0,bridge=vmbr0"}))

    assert "iface eth0 inet manual" in text


def test_hosts_names_the_container_at_its_first_address():
    assert "\n198.18.28.9 web.example.org web\n" in hosts_file(parse_guest(9, CONFIG))


def test_hosts_of_a_short_name_gets_the_search_domain():
    text = hosts_file(parse_guest(9, {**CONFIG, "hostname": "web"}))

    assert "\n198.18.28.9 web.example.org web\n" in text


def test_resolver_without_a_name_server_names_none():
    assert "nameserver" not in resolver_file(parse_guest(9, {}))
    assert "nameserver 198.18.28.2\n" in resolver_file(parse_guest(9, CONFIG))
