"""Does another machine have one of this host's addresses? Run there as root, on Debian's Python.

Asks as RFC 5227 wants it, by ARP with no sender, so that nobody's table is changed. Prints a line
for each address that somebody else answers for, nothing when there is none.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import time
from typing import Any

ARP, ETHERNET, IPV4, REQUEST = 0x0806, 1, 0x0800, 1
FRAME = struct.Struct("!6s6sHHHBBH6s4s6s4s")
PROBES, WAITS_S = 3, 0.5


def probe(own: bytes, address: str) -> bytes:
    """Who has `address`? `own`: the hardware address of the interface."""
    asked = socket.inet_aton(address)
    ends = (own, bytes(4), bytes(6), asked)
    return FRAME.pack(b"\xff" * 6, own, ARP, ETHERNET, IPV4, 6, 4, REQUEST, *ends)


def answered_by(frame: bytes, own: set[bytes], address: str) -> str:
    """The hardware address of another machine that says that it has `address`; else "".

    `own`: those of this host, whose legs may meet somewhere.
    """
    if len(frame) < FRAME.size:
        return ""
    sender, says = FRAME.unpack(frame[: FRAME.size])[8:10]
    is_other = sender not in own and says == socket.inet_aton(address)
    return sender.hex(":") if is_other else ""


def owner(interface: str, address: str, legs: dict[str, bytes]) -> str:
    own = set(legs.values())
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as line:
        line.bind((interface, ARP))
        for _ in range(PROBES):
            line.send(probe(legs[interface], address))
            until = time.monotonic() + WAITS_S
            while (left_s := until - time.monotonic()) > 0:
                if select.select([line], [], [], left_s)[0] and (
                    found := answered_by(line.recv(2048), own, address)
                ):
                    return found
    return ""


def told(*command: str) -> list[dict[str, Any]]:
    ended = subprocess.run(["ip", "-j", *command], check=True, capture_output=True, timeout=20)
    # Of what is not up ip prints nothing but its braces.
    return [item for item in json.loads(ended.stdout) if item]


def main() -> None:
    links = [link for link in told("link", "show", "up") if link["link_type"] == "ether"]
    legs = {link["ifname"]: bytes.fromhex(link["address"].replace(":", "")) for link in links}
    for item in told("-4", "address", "show", "up"):
        for address in (info["local"] for info in item["addr_info"] if item["ifname"] in legs):
            if found := owner(item["ifname"], address, legs):
                print(f"{address} ({item['ifname']}) is also at {found}")


if __name__ == "__main__":
    main()
