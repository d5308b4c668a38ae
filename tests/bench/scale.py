"""How far one container goes: what each request costs, and 1,000 open pages that ask and ask.

One gunicorn with the deployed unit's figures and a MariaDB with the rows of many accounts, on this
machine; no lab, no nginx. CPU is the workers' and the database's own, from /proc: a machine that is
busy with other things makes answers late, and changes little of that.
- of each kind of request, sent one after the other: CPU of server and database, statements;
- 1,000 open pages for a minute: each asks whether anything changed every half minute, and one in
  five what to announce every minute;
- traffic of a million accounts at their busiest hour, slowed down by the factor that is printed:
  p50, p99, CPU a request, and what the sum of the kinds says it should be.

    python -m tests.bench.scale [--rows 10000000] [--seconds 60] [--keep] [--small]

Ends by itself: about five minutes where nothing else runs, and needs 4 GB of disk. `--keep` writes
the section "Scale" of docs/bench.md, which the formula of docs/scale.md is checked against.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from provision.arguments import Parser, whole
from tests.app.served import ServedAgenda
from tests.bench.app import DATABASE_OPTIONS, cpu_s, ms
from tests.bench.document import machine_line, replace_section
from tests.bench.needs import (
    ANNOUNCEMENT_S,
    KINDS,
    LISTENING,
    POLL_S,
    Cost,
    needs,
    rates,
)

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ACCOUNTS = 1_000_000
TASKS_AN_ACCOUNT = 10
PORTION = 20_000
ROWS = ACCOUNTS * TASKS_AN_ACCOUNT
PAGES = 1000
TURNS, REQUESTS_A_TURN = 3, 100
CLIENTS = 16
# So much of two cores may the slowed traffic take, its clients included.
SHARE = 0.2
CSRF = "c" * 32
TICKS = os.sysconf("SC_CLK_TCK")


def fill(agenda: ServedAgenda, *, rows: int) -> int:
    """`rows` tasks, ten an account; returns how many accounts.

    A portion a transaction: ten million rows in one would be undo log for long after.
    """
    accounts = max(1, rows // TASKS_AN_ACCOUNT)
    started_s = time.monotonic()
    for done in range(0, accounts, PORTION):
        agenda.sql(_portion(done + 1, min(done + PORTION, accounts)))
        there, took_s = min(done + PORTION, accounts), time.monotonic() - started_s
        print(f"bench-scale: {there:,} of {accounts:,} accounts, {took_s:.0f} s", flush=True)
    agenda.sql("ANALYZE TABLE task, account;")
    return accounts


def _portion(first: int, last: int) -> str:
    return f"""
        SET SESSION sql_log_bin = 0;
        INSERT INTO account
          (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
           date_joined, language, time_zone, voice, is_probe, listened_at)
          SELECT UUID(), '!', 0, CONCAT('other-', seq), '', '', '', 0, 1, NOW(6), '', '', '', 0,
            UTC_TIMESTAMP(6)
          FROM seq_{first}_to_{last};
        INSERT INTO task
          (id, owner_id, title, notes, deadline_at, is_private, created_at, changed_at, announced)
          SELECT UUID(), account.id, CONCAT('Rendre le TP ', task.seq),
            'Salle B2.04, avec le rapport',
            UTC_TIMESTAMP(6) + INTERVAL 3600 * (task.seq + 1) SECOND, 0,
            UTC_TIMESTAMP(6) - INTERVAL 1 DAY, UTC_TIMESTAMP(6) - INTERVAL 1 DAY, 1
          FROM seq_{first}_to_{last} AS number
          JOIN account ON username = CONCAT('other-', number.seq)
          JOIN seq_1_to_{TASKS_AN_ACCOUNT} AS task;
        """  # noqa: S608 - our own numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """CPU seconds of the server and of its database so far, and statements it was asked."""

    serving_s: float
    database_s: float
    statements: int

    def __sub__(self, other: Meter) -> Meter:
        return Meter(
            serving_s=self.serving_s - other.serving_s,
            database_s=self.database_s - other.database_s,
            statements=self.statements - other.statements,
        )


def read(agenda: ServedAgenda) -> Meter:
    assert agenda.database.process is not None
    fields = Path(f"/proc/{agenda.database.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    told = agenda.sql("SHOW GLOBAL STATUS LIKE 'Questions'")
    return Meter(
        serving_s=cpu_s(agenda),
        database_s=(int(fields[11]) + int(fields[12])) / TICKS,
        statements=int(told.split()[1]),
    )


class Crowd:
    """People with a session each, and how each kind of request is sent."""

    def __init__(self, agenda: ServedAgenda, *, people: int) -> None:
        told = json.loads(agenda.run(HERE / "scale_people.py", str(people)))
        self.sessions, self.token = told["sessions"], told["token"]
        self.place = urlsplit(agenda.address).netloc
        self._local = threading.local()
        self._next, self._number = cycle(self.sessions), Counter[str]()
        self._lock = threading.Lock()

    def ask(self, kind: str, session: str = "") -> float:
        """Send one; return the seconds until it was answered, and raise when it was refused."""
        with self._lock:
            self._number[kind] += 1
            number, session = self._number[kind], session or next(self._next)
        method, path, body, headers, wanted = self._request(kind, number)
        if not kind.startswith("REST"):
            headers |= {"Cookie": f"sessionid={session}; csrftoken={CSRF}"}
            headers |= {"Origin": f"http://{self.place}"}
        started_s = time.perf_counter()
        line = self._line()
        try:
            line.request(method, path, body, headers)
            answer = line.getresponse()
        except (OSError, http.client.HTTPException):
            line.close()  # gunicorn ends what was idle for two seconds
            line.request(method, path, body, headers)
            answer = line.getresponse()
        answer.read()
        if answer.status not in wanted:
            raise SystemExit(f"bench-scale: {method} {path} got {answer.status}\n  Next: {kind}")
        return time.perf_counter() - started_s

    def _line(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "line"):
            self._local.line = http.client.HTTPConnection(self.place, timeout=60)
        line: http.client.HTTPConnection = self._local.line
        return line

    def _request(
        self, kind: str, number: int
    ) -> tuple[str, str, str | None, dict[str, str], set[int]]:
        soon = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        bearer = {"Authorization": f"Bearer {self.token}"}
        csrf = {"csrfmiddlewaretoken": CSRF}
        match kind:
            case "page":
                return "GET", "/agenda", None, {}, {200}
            case "poll":
                seen = {"If-None-Match": f'"{datetime.now(UTC).isoformat()}"'}
                return "GET", "/agenda/changes/", None, seen, {204, 304}
            case "announcement":
                since = {"since": datetime.now(UTC).isoformat()}
                return "POST", "/agenda/announcements/", urlencode(csrf | since), form, {200}
            case "write":
                task = {"title": f"new {number}", "deadline_at": soon, "priority": "0"}
                return "POST", "/agenda/tasks/new/", urlencode(csrf | task), form, {302}
            case "REST GET":
                return "GET", "/api/v1/tasks?limit=50", None, bearer, {200}
        task = {"title": f"new {number}", "deadline_at": soon}
        json_type = bearer | {"Content-Type": "application/json"}
        return "POST", "/api/v1/tasks", json.dumps(task), json_type, {201}


def costs(agenda: ServedAgenda, crowd: Crowd) -> Iterator[tuple[str, Cost, float]]:
    """Each kind, its cost, and statements a request: of some turns the quietest one."""
    for kind in KINDS:
        for _ in range(10):
            crowd.ask(kind)
        turns = []
        for _ in range(TURNS):
            before = read(agenda)
            for _ in range(REQUESTS_A_TURN):
                crowd.ask(kind)
            turns.append(read(agenda) - before)
        cost = Cost(
            serving_ms=min(turn.serving_s for turn in turns) * 1000 / REQUESTS_A_TURN,
            database_ms=min(turn.database_s for turn in turns) * 1000 / REQUESTS_A_TURN,
        )
        yield kind, cost, turns[0].statements / REQUESTS_A_TURN


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    planned: int
    asked: int
    took: Meter
    seconds: float
    waits_s: Sequence[float]

    @property
    def answered(self) -> str:
        left_out = self.planned - self.asked
        waits = f"p50 {p(self.waits_s, 50)}, p99 {p(self.waits_s, 99)}"
        return f"{waits}; {left_out:,} left out, this machine was too slow" if left_out else waits


def send(agenda: ServedAgenda, plan: Sequence[tuple[float, Callable[[], float]]]) -> Traffic:
    """Each request at its second, whether or not those before are answered; none that would begin
    later than twice the time of all: then this machine is too slow, and the rest is left out.
    """
    before, started_s = read(agenda), time.monotonic()
    ends_s = 2 * max(due_s for due_s, _ in plan)

    def at_its_time(one: tuple[float, Callable[[], float]]) -> float | None:
        due_s, ask = one
        time.sleep(max(0.0, started_s + due_s - time.monotonic()))
        if time.monotonic() - started_s > ends_s:
            return None
        ask()
        return time.monotonic() - started_s - due_s

    with ThreadPoolExecutor(CLIENTS) as clients:
        waits = list(clients.map(at_its_time, sorted(plan, key=lambda one: one[0])))
    waits_s = [one for one in waits if one is not None]
    return Traffic(
        planned=len(plan),
        asked=len(waits_s),
        took=read(agenda) - before,
        seconds=time.monotonic() - started_s,
        waits_s=waits_s,
    )


def open_pages(crowd: Crowd, *, seconds: float) -> list[tuple[float, Callable[[], float]]]:
    """What `PAGES` open pages ask within so many seconds, each at its own moment."""
    plan: list[tuple[float, Callable[[], float]]] = []
    for number, session in zip(range(PAGES), cycle(crowd.sessions), strict=False):
        kinds = {"poll": POLL_S}
        if number < PAGES * LISTENING:
            kinds["announcement"] = ANNOUNCEMENT_S
        for kind, every_s in kinds.items():
            at_s = every_s * number / PAGES
            while at_s < seconds:
                plan.append((at_s, partial(crowd.ask, kind, session)))
                at_s += every_s
    return plan


def slowed(
    crowd: Crowd, *, factor: float, seconds: float
) -> list[tuple[float, Callable[[], float]]]:
    """A million accounts' busiest hour, so many times slower; at least one of each kind."""
    plan: list[tuple[float, Callable[[], float]]] = []
    for kind, rate in rates(ACCOUNTS).items():
        for _ in range(max(1, round(rate / factor * seconds))):
            plan.append((random.random() * seconds, partial(crowd.ask, kind)))  # noqa: S311 - no secret
    return plan


def p(values: Sequence[float], percent: int) -> str:
    found = statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else values[0]
    return ms(found)


def measure(agenda: ServedAgenda, *, rows: int, seconds: float) -> list[str]:
    """The lines of the table."""
    lines = ["| what | serving | database | |", "|---|---|---|---|"]

    def tell(*cells: str) -> None:
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)

    accounts = fill(agenda, rows=rows)
    crowd = Crowd(agenda, people=min(PAGES, accounts))
    found = {}
    for kind, cost, statements in costs(agenda, crowd):
        found[kind] = cost
        tell(
            f"{kind}, CPU a request",
            f"{cost.serving_ms:.2f} ms",
            f"{cost.database_ms:.2f} ms",
            f"{statements:.1f} statements",
        )
    heard = send(agenda, open_pages(crowd, seconds=seconds))
    # Of what was planned for a minute, although not all of it may have been sent.
    minutes = seconds / 60 * heard.asked / heard.planned
    tell(
        f"{PAGES:,} open pages, CPU a minute",
        f"{heard.took.serving_s / minutes:.1f} s",
        f"{heard.took.database_s / minutes:.1f} s",
        f"{heard.asked / minutes:,.0f} requests and {heard.took.statements / minutes:,.0f}"
        f" statements a minute; {heard.answered}",
    )
    whole_site = needs(ACCOUNTS, found)
    cores = whole_site.web + whole_site.rest + whole_site.database
    factor = max(1.0, cores / ((os.cpu_count() or 1) * SHARE))
    mixed = send(agenda, slowed(crowd, factor=factor, seconds=seconds))
    expected_ms = cores / sum(rates(ACCOUNTS).values()) * 1000
    took_s = mixed.took.serving_s + mixed.took.database_s
    tell(
        f"{ACCOUNTS:,} accounts' busiest hour, slowed {factor:.0f} times, CPU a request",
        f"{mixed.took.serving_s * 1000 / mixed.asked:.2f} ms",
        f"{mixed.took.database_s * 1000 / mixed.asked:.2f} ms",
        f"{mixed.asked / mixed.seconds:.1f} requests a second over {accounts:,} accounts' rows"
        f" (1 to {ACCOUNTS / accounts:.0f}); {mixed.answered};"
        f" {took_s * 1000 / mixed.asked / expected_ms:.2f} of what the kinds say",
    )
    tell(
        f"{ACCOUNTS:,} accounts, cores at the busiest hour",
        f"{whole_site.web:.1f} web, {whole_site.rest:.1f} REST",
        f"{whole_site.database:.1f}",
        ", ".join(f"{n} {name}" for name, n in whole_site.containers().items()) + " containers",
    )
    return lines


def main() -> int:
    global PAGES, TURNS, REQUESTS_A_TURN
    parser = Parser(prog="python -m tests.bench.scale", description=__doc__.splitlines()[0])
    parser.add(
        "--rows", make="ROWS", type=whole(1), default=10_000_000, help="tasks, ten an account"
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add("--keep", make="KEEP", action="store_true")
    parser.add_argument("--small", action="store_true", help="whether it works, not how far")
    given = parser.parse()
    if given.small:
        PAGES, TURNS, REQUESTS_A_TURN = 20, 1, 3
        given.rows, given.seconds = min(given.rows, 500), 2
    started_s, load = time.monotonic(), os.getloadavg()[0]
    agenda = ServedAgenda(
        environment={"AGENDA_API_RATE": "1000000"}, database_options=DATABASE_OPTIONS
    )
    try:
        agenda.start()
        lines = measure(agenda, rows=given.rows, seconds=given.seconds)
    finally:
        agenda.stop()
    if given.keep:
        body = (
            f"`make bench-scale` (python -m tests.bench.scale --rows {given.rows} --seconds"
            f" {given.seconds}): {machine_line(ROOT)}; {(time.monotonic() - started_s) / 60:.0f}"
            f" minutes, load average {load:.0f} at the start. CPU is that of gunicorn's workers and"
            " of MariaDB; seconds are those of a busy machine.\n\n" + "\n".join(lines)
        )
        replace_section(ROOT / "docs/bench.md", "Scale", body)
    print(f"bench-scale: {len(lines) - 2} figures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
