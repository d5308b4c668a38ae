"""What one address sends at once, for a bounded time: drill-flood's attacks, each ends by itself.

Run in the vantage's namespace: python -m tests.drills.attack KIND, on stdin {"seconds": 12}, how
the web is asked, and the attacker's own "username" and "password". Out: how often what came back.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.infra.on_host.journey import Browser, Forms

HALF_OPEN, CONNECTIONS, SIGN_INS, NAMES = 1600, 24, 240, 40
SIGN_IN = "/agenda/sign-in/"

Asked = dict[str, Any]


def half_open(asked: Asked, ends_s: float) -> Counter[str]:
    """Requests that never end. Counted is how many were held at once."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    held = [socket.socket() for _ in range(HALF_OPEN)]
    for sock in held:
        sock.setblocking(False)
        sock.connect_ex((asked["address"], int(asked["port"])))
    begun: set[socket.socket] = set()
    most = 0
    while time.monotonic() < ends_s:
        time.sleep(0.5)
        for sock in set(held) - begun:
            with contextlib.suppress(OSError):
                sock.send(b"GET /agenda HTTP/1.1\r\nHost: ")
                begun.add(sock)
        most = max(most, sum(is_held(sock) for sock in begun))
    return Counter({"held": most})


def is_held(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(100))
    except OSError as error:
        return isinstance(error, BlockingIOError)


def answers(asked: Asked, ends_s: float, ask: Callable[[Browser], Iterator[int]]) -> Counter[str]:
    """What `ask` got over each of the connections."""

    def over_one(_: int) -> Counter[str]:
        got: Counter[str] = Counter()
        while time.monotonic() < ends_s:
            try:
                for status in ask(Browser(asked)):
                    got[str(status)] += 1
                    if time.monotonic() > ends_s:
                        break
                else:
                    break
            except (OSError, http.client.HTTPException) as error:
                got[type(error).__name__] += 1
        return got

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(over_one, range(CONNECTIONS)), Counter())


def pages(asked: Asked, ends_s: float) -> Counter[str]:
    def ask(browser: Browser) -> Iterator[int]:
        while True:
            yield browser.get(SIGN_IN).status

    return answers(asked, ends_s, ask)


def passwords(asked: Asked, ends_s: float, given: list[tuple[str, str]]) -> Counter[str]:
    """Each name with its password, by whoever of the connections is free, and none stays signed
    in.
    """
    left = iter(given)

    def ask(browser: Browser) -> Iterator[int]:
        page = browser.get(SIGN_IN)
        form, cookies = Forms(page.text).with_field("username", "password"), browser.cookies
        for name, password in left if form else ():
            browser.cookies = dict(cookies)
            values = {**form.fields, "username": name, "password": password}
            yield browser.ask("POST", SIGN_IN, values).status

    return answers(asked, ends_s, ask)


def sign_ins(asked: Asked, ends_s: float) -> Counter[str]:
    return passwords(asked, ends_s, [(asked["username"], asked["password"])] * SIGN_INS)


def spraying(asked: Asked, ends_s: float) -> Counter[str]:
    names = [f"nobody-{secrets.token_hex(4)}" for _ in range(NAMES)]
    return passwords(asked, ends_s, [(name, "a guess") for name in names])


KINDS: dict[str, Callable[[Asked, float], Counter[str]]] = {
    f"{HALF_OPEN:,} half-open requests": half_open,
    f"{CONNECTIONS} connections ask for pages": pages,
    f"{SIGN_INS} sign-ins over {CONNECTIONS} connections": sign_ins,
    f"a guess at each of {NAMES} names": spraying,
}


def main() -> None:
    asked = json.load(sys.stdin)
    json.dump(KINDS[sys.argv[1]](asked, time.monotonic() + asked["seconds"]), sys.stdout)


if __name__ == "__main__":
    main()
