"""The lab's network: bridges in a namespace of its own, and a neighbour to look from.

The host gets no address and no route of it: with the lab down, such traffic would leave by the
real interface.
"""

from __future__ import annotations

import os
from pathlib import Path

from lab.commands import CommandError, run, succeeds
from lab.errors import LabError
from lab.settings import Facts, Network, Settings

NAMESPACES = Path("/run/netns")
# bridge-nf-call: with iptables called for bridged frames, a drop policy of the host would cut
# traffic inside one VLAN. retrans_time_ms: a recreated container is found again at once.
SYSCTLS = {
    "net.ipv4.ip_forward": "0",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    "net.bridge.bridge-nf-call-arptables": "0",
    "net.ipv4.neigh.default.retrans_time_ms": "50",
}


def exists(namespace: str) -> bool:
    """Return whether the network namespace is there and is one (a mount, not a leftover file)."""
    return os.path.ismount(NAMESPACES / namespace)


def build(settings: Settings, facts: Facts) -> None:
    """Make the namespaces and bridges that are missing. Harmless to repeat."""
    try:
        _make_namespace(settings.netns)
        for network in facts.networks:
            _make_bridge(settings, facts, network)
        for network in facts.networks:
            if network.vantage:
                _make_vantage(settings, facts, network)
    except CommandError as error:
        raise LabError(
            f"the lab's network could not be made: {error}",
            next_step="run `.venv/bin/python -m lab reset`, then `up` again",
        ) from error


def remove(settings: Settings) -> None:
    """Remove the namespaces, and with them every bridge and interface in them."""
    for namespace in (settings.vantage_netns, settings.netns):
        if exists(namespace):
            run(["ip", "netns", "delete", namespace])
        (NAMESPACES / namespace).unlink(missing_ok=True)


def ip(namespace: str, *words: str) -> str:
    return run(["ip", "-n", namespace, *words])


def _make_namespace(namespace: str) -> None:
    """Make it; what it must be like is set each time, for whoever was killed half-way."""
    if not exists(namespace):
        (NAMESPACES / namespace).unlink(missing_ok=True)
        run(["ip", "netns", "add", namespace])
    # Which of them exist depends on the kernel's modules; the bridge's may not be loaded yet.
    words = [f"{key}={value}" for key, value in SYSCTLS.items()]
    succeeds(["ip", "netns", "exec", namespace, "sysctl", "-eqw", *words])
    ip(namespace, "link", "set", "lo", "up")


def has_link(namespace: str, link: str) -> bool:
    return succeeds(["ip", "-n", namespace, "link", "show", "dev", link])


def _make_bridge(settings: Settings, facts: Facts, network: Network) -> None:
    bridge = facts.bridge_of(network.tag)
    namespace = settings.netns
    if not has_link(namespace, bridge):
        options = ["stp_state", "0", "forward_delay", "0"]
        ip(namespace, "link", "add", bridge, "type", "bridge", *options)
    # A fixed address: left alone, a bridge takes its lowest port's and changes it later.
    mac = f"02:00:00:00:{network.tag >> 8:02x}:{network.tag & 255:02x}"
    ip(namespace, "link", "set", bridge, "address", mac)
    if network.gateway:
        own = f"{network.gateway}/{network.subnet.prefixlen}"
        ip(namespace, "address", "replace", own, "dev", bridge)
    ip(namespace, "link", "set", bridge, "up")


def _make_vantage(settings: Settings, facts: Facts, network: Network) -> None:
    """Attach the neighbour: a host on this VLAN with an address and a default route, as any."""
    outside, inside = settings.vantage_netns, settings.netns
    _make_namespace(outside)
    port = f"vantage{network.tag}"
    if not has_link(inside, port):
        ip(inside, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", outside)
    ip(inside, "link", "set", port, "master", facts.bridge_of(network.tag), "up")
    own = f"{network.vantage}/{network.subnet.prefixlen}"
    ip(outside, "address", "replace", own, "dev", "eth0")
    ip(outside, "link", "set", "eth0", "up")
    if network.gateway:
        ip(outside, "route", "replace", "default", "via", str(network.gateway))
