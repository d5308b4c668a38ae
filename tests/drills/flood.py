"""`make drill-flood`: one address sends all it can, and people at another must hardly notice.

People work and sign in through the lab's forward: for a while alone, then under each attack from
the vantage in VLAN 2028. None of them may be refused, and the slowest hundredth of their requests
may take at most five times what it takes in quiet.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.attack import KINDS, NAMES
from tests.drills.consent import add_arguments, ask
from tests.drills.load import Load, Outcome, browser_for, trust
from tests.drills.redeploy import on, person
from tests.infra.evidence import MANAGE
from tests.infra.on_host.journey import sign_in
from tests.infra.remote import Place, RemoteError, vantage
from tests.infra.site import Site, read_site

SECONDS, PEOPLE, TIMES_QUIET = 15, 4, 5.0
QUIET = "quiet"


@contextmanager
def newcomer(url: str, account: dict[str, str]) -> Iterator[Outcome]:
    """Somebody who signs in each second inside the block."""
    seen, stop = Outcome(), threading.Event()

    def work() -> None:
        while not stop.wait(1):
            began = time.monotonic()
            try:
                page = sign_in(browser_for(url), account)
                failure = "" if page.path == "/agenda" else f"HTTP {page.status} at {page.path}"
            except (OSError, SystemExit) as error:
                failure = str(error)
            seen.requests += 1
            seen.latencies_s.append(time.monotonic() - began)
            seen.failures += [(began, failure)] if failure else []

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def attacked(place: Place, kind: str, asked: dict[str, Any]) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.drills.attack", kind]
    got: dict[str, int] = json.loads(
        place.run(command, stdin=json.dumps(asked), timeout_s=SECONDS + 60).stdout
    )
    return got


def run(site: Site) -> tuple[str, list[str]]:
    trust(site)
    place, web = vantage(site), site.of("web")[0]
    if site.vantage != "lab" or place is None:
        raise OperatorError("drill-flood attacks from the lab's vantage", "run it in a lab")
    rows, wrong = [], []
    quiet_s = 0.0
    with person(site) as account, person(site) as attacker:
        asked = {**site.server(web), **attacker, "seconds": SECONDS}
        for kind in (QUIET, *KINDS):
            with Load(site.url, account, people=PEOPLE) as load, newcomer(site.url, account) as new:
                if kind == QUIET:
                    time.sleep(SECONDS)
                got = {} if kind == QUIET else attacked(place, kind, asked)
            seen, p99_s = load.outcome, load.outcome.percentile_s(0.99)
            quiet_s = quiet_s or p99_s
            failed = [what for _, what in (*seen.failures, *new.failures)]
            rows.append(
                f"| {kind} | {told(got)} | {seen.requests} / {new.requests} | {len(failed)} |"
                f" {seen.percentile_s(0.5) * 1000:.0f} ms | {p99_s * 1000:.0f} ms,"
                f" {p99_s / quiet_s:.1f} x | {new.percentile_s(1) * 1000:.0f} ms |"
            )
            print(f"  {rows[-1]}", flush=True)
            if failed:
                wrong.append(f"{kind}: {len(failed)} honest requests failed: {failed[0]}")
            if p99_s > TIMES_QUIET * quiet_s:
                wrong.append(f"{kind}: p99 is {p99_s / quiet_s:.1f} times that of quiet")
        looked_at = got.get("200", 0)
        if looked_at > NAMES / 2:
            wrong.append(f"{looked_at} of {NAMES} names were guessed at")
        # Else nobody could sign in from the vantage for a quarter of an hour, verify included.
        on(site, "web", [MANAGE, "axes_reset"])
    head = [
        "| attack | it got | people asked / signed in | failed | p50 | p99 | slowest sign-in |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]), wrong


def told(got: dict[str, int]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in sorted(got.items()))


def main() -> int:
    parser = Parser(prog="python -m tests.drills.flood", description=__doc__)
    add_arguments(parser)
    given = parser.parse()
    try:
        ask(given, drill="drill-flood", what="floods the web from one address")
        table, wrong = run(read_site(given.env))
    except (OperatorError, RemoteError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("flood", table, wrong=wrong, recorded=given.keep)
    return result.end("flood", given.env, kept, wrong=wrong, of=f"{len(KINDS)} attacks")


if __name__ == "__main__":
    sys.exit(main())
