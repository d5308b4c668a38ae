"""Which TCP ports answer, seen from here: a real connection to each, nothing sent.

In:  {"targets": [{"address": "198.18.28.156", "ports": [80] or "all"}], "timeout_s": 1.2,
      "routes": [{"address": "198.18.112.157", "via": "198.18.28.156"}]}
Out: {"open": [["198.18.28.156", 80], ...], "tried": 65535, "routes": ["198.18.112.157 via ..."],
      "neighbours": {"198.18.28.156": "REACHABLE"}}

The routes exist while this program runs. They carry a protocol number of their own, so that a run
that was killed is cleaned by the next. Needs root for routes, for nothing else.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

ROUTE_PROTOCOL = "242"
ATTEMPTS_AT_ONCE_MAX = 33_000


def ip(*arguments: str) -> str:
    ended = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"ip {' '.join(arguments)}: {ended.stderr.strip()}")
    return ended.stdout


@contextmanager
def routes(wanted: list[dict[str, str]]) -> Iterator[list[str]]:
    """The wanted routes, while the block runs; yields what the kernel says it does with them."""
    if not wanted:
        yield []
        return
    ip("route", "flush", "protocol", ROUTE_PROTOCOL)
    try:
        for route in wanted:
            ip("route", "add", route["address"], "via", route["via"], "protocol", ROUTE_PROTOCOL)
        yield [ip("route", "get", route["address"]).splitlines()[0] for route in wanted]
    finally:
        ip("route", "flush", "protocol", ROUTE_PROTOCOL)


def begin(address: str, port: int) -> socket.socket | None:
    """A connection on its way; None when it was refused or has no way at once."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    host, _, scope = address.partition("%")
    where = (host, port, 0, socket.if_nametoindex(scope)) if scope else (host, port)
    if sock.connect_ex(where) in (0, errno.EINPROGRESS):
        return sock
    sock.close()
    return None


def answered(attempts: Iterable[tuple[str, int]], timeout_s: float) -> Iterator[tuple[str, int]]:
    """Those of `attempts` that were accepted within `timeout_s` of the last one's start."""
    poll = select.epoll()
    pending = {}
    for address, port in attempts:
        sock = begin(address, port)
        if sock is not None:
            pending[sock.fileno()] = (sock, address, port)
            poll.register(sock, select.EPOLLOUT)
    deadline = time.monotonic() + timeout_s
    while pending and (left := deadline - time.monotonic()) > 0:
        for number, _event in poll.poll(left, len(pending)):
            sock, address, port = pending.pop(number)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            poll.unregister(number)
            sock.close()
            if error == 0:
                yield address, port
    for sock, _address, _port in pending.values():
        sock.close()
    poll.close()


def attempts(targets: list[dict[str, object]]) -> Iterator[tuple[str, int]]:
    for target in targets:
        ports = range(1, 65536) if target["ports"] == "all" else target["ports"]
        for port in ports:  # type: ignore[union-attr] # JSON: a list of numbers
            yield str(target["address"]), int(port)


def at_once() -> int:
    """How many connections may be open together; root may have more than its shell was given."""
    wanted = ATTEMPTS_AT_ONCE_MAX + 100
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return min(hard, wanted) - 100
    return ATTEMPTS_AT_ONCE_MAX


def neighbours() -> dict[str, str]:
    """How the kernel knows each address on the wire: proof that packets had somewhere to go."""
    known = json.loads(ip("-j", "neighbour"))
    return {entry["dst"]: entry.get("state", ["NONE"])[0] for entry in known if "dst" in entry}


def with_scope(targets: list[dict[str, object]]) -> list[dict[str, object]]:
    """A link-local IPv6 address needs its interface: the one that leads to `beside`."""
    return [{**target, "address": scoped(target)} for target in targets]


def scoped(target: dict[str, object]) -> str:
    address = ipaddress.ip_address(str(target["address"]))
    if not (address.version == 6 and address.is_link_local):
        return str(address)
    way = json.loads(ip("-j", "route", "get", str(target["beside"])))[0]["dev"]
    return f"{address}%{way}"


def main() -> None:
    asked = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    targets = with_scope(asked["targets"])
    limit = at_once()
    found, tried = [], 0
    with routes(asked.get("routes", [])) as ways:
        remaining = attempts(targets)
        while batch := list(islice(remaining, limit)):
            tried += len(batch)
            found += list(answered(batch, asked["timeout_s"]))
        seen = neighbours()
    json.dump({"open": found, "tried": tried, "routes": ways, "neighbours": seen}, sys.stdout)


if __name__ == "__main__":
    main()
