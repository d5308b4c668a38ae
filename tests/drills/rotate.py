"""`make drill-rotate`: each secret is rotated while people and programs work, and nobody notices.

The people sign in once, before the first rotation: nobody is signed out. Programs ask the API with
one token, through the web and at the REST server. Not one request may fail.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from provision.arguments import Parser
from provision.errors import OperatorError
from rollout.rotate import API_TOKEN, AUTHORITY, BACKUP_KEY, HOST_KEYS, NAMES
from tests.drills import result
from tests.drills.consent import add_arguments, ask
from tests.drills.load import THINKS_S, Load, Outcome, trust
from tests.drills.redeploy import person, rows_of_the_probe
from tests.drills.rest import get
from tests.infra.remote import RemoteError
from tests.infra.site import ROOT, Site, read_site

KINDS = (*NAMES, BACKUP_KEY, HOST_KEYS, AUTHORITY)
# Proxmox's token is none of the service's, and may not be allowed to make tokens: only if named.
POSSIBLE = (*KINDS, API_TOKEN)
WITHIN_S = 2400


@dataclass(frozen=True, slots=True)
class Row:
    """What was seen while one secret was rotated."""

    kind: str
    seconds: float
    people: Outcome
    programs: Outcome

    def __str__(self) -> str:
        cells = [
            *(self.kind, f"{self.seconds:.0f} s", f"{self.people.requests}"),
            *(f"{len(self.people.failures)}", f"{self.people.percentile_s(0.99) * 1000:.0f} ms"),
            *(f"{self.people.longest_pause_s * 1000:.0f} ms", f"{self.programs.requests}"),
            f"{len(self.programs.failures)}",
        ]
        return f"| {' | '.join(cells)} |"


HEAD = """\
| rotated | took | people asked | failed | p99 | longest pause | programs asked | failed |
|---|---|---|---|---|---|---|---|"""


@contextmanager
def programs(roots: Iterable[str], token: str) -> Iterator[Outcome]:
    """Ask the API inside the block, one program at each of these (scheme and host)."""
    seen, stop = Outcome(), threading.Event()

    def work(root: str) -> None:
        while not stop.wait(THINKS_S):
            began = time.monotonic()
            status = get(f"{root}/api/v1/tasks?limit=1", token).status
            seen.latencies_s.append(time.monotonic() - began)
            seen.requests += 1
            if status != 200:
                seen.failures.append((time.monotonic(), f"{urlsplit(root).netloc}: HTTP {status}"))
            else:
                seen.answers_at.append(time.monotonic())

    threads = [threading.Thread(target=work, args=(root,)) for root in roots]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def since(outcome: Outcome, before: Outcome) -> Outcome:
    """What came after `before`, a copy of the same one."""
    return Outcome(
        requests=outcome.requests - before.requests,
        failures=outcome.failures[len(before.failures) :],
        latencies_s=outcome.latencies_s[len(before.latencies_s) :],
        answers_at=outcome.answers_at[len(before.answers_at) :],
    )


def copied(outcome: Outcome) -> Outcome:
    return since(outcome, Outcome())


def rotated(site: Site, kind: str) -> float:
    """Its seconds. Raises OperatorError when it did not come to the end."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "rollout.rotate", "--env", site.environment, "--what", kind],
        cwd=ROOT,
        # setup/alone holds its lock through a descriptor: also when only this is left.
        close_fds=False,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if ended.returncode != 0:
        log = result.keep_log(f"rotate-{kind}-failed", ended.stdout + ended.stderr)
        # Also where nobody removes the drill's account any more, which then fails too.
        print(f"  rotate {kind} failed: {log}", flush=True)
        raise OperatorError(f"rotate {kind} failed: {ended.stderr.strip()[-300:]}", f"read {log}")
    print(f"  {ended.stdout.strip().splitlines()[-1]}", flush=True)
    return time.monotonic() - began


def run(site: Site, kinds: list[str]) -> tuple[list[Row], list[str]]:
    trust(site)
    rows, wrong = [], []
    with person(site) as account:
        token = account.pop("token")
        roots = [site.root_of(host) for host in (*site.of("web"), *site.of("rest"))]
        with programs(roots, token) as asked, Load(site.url, account) as load:
            for kind in kinds:
                people, before = copied(load.outcome), copied(asked)
                seconds = rotated(site, kind)
                row = Row(kind, seconds, since(load.outcome, people), since(asked, before))
                rows.append(row)
                print(row, flush=True)
                for who, outcome in (("people", row.people), ("programs", row.programs)):
                    if outcome.failures or not outcome.requests:
                        wrong.append(f"{kind}: {who} saw {outcome.summary()}")
        if lost := load.outcome.acknowledged - rows_of_the_probe(site):
            wrong.append(f"{len(lost)} acknowledged writes are lost")
    verify = [sys.executable, "-m", "tests.infra", "--env", site.environment]
    ended = subprocess.run(verify, cwd=ROOT, capture_output=True, text=True, check=False)
    # 3: something cannot be looked at from here.
    if ended.returncode not in {0, 3}:
        wrong.append(f"verify failed: read {result.keep_log('rotate-verify', ended.stdout)}")
    return rows, wrong


def some_kinds(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(POSSIBLE):
        raise argparse.ArgumentTypeError(f"is '{text}'; possible are {', '.join(POSSIBLE)}")
    return names


def main() -> int:
    parser = Parser(prog="python -m tests.drills.rotate", description=__doc__)
    add_arguments(parser)
    parser.add(
        "--only", make="ONLY", type=some_kinds, default=list(KINDS), help=", ".join(POSSIBLE)
    )
    given = parser.parse()
    try:
        ask(given, drill="drill-rotate", what=f"rotates {', '.join(given.only)}")
        rows, wrong = run(read_site(given.env), given.only)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    table = "\n".join([HEAD, *map(str, rows)])
    print(table)
    kept = result.keep("rotate", table, wrong=wrong, recorded=given.keep)
    return result.end("rotate", given.env, kept, wrong=wrong, of=f"{len(rows)} secrets")


if __name__ == "__main__":
    sys.exit(main())
