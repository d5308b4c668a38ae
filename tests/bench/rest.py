"""`make bench-rest`: what the API costs, in ratios of one run on one machine.

Each pair is measured in turns, so that both halves see the same machine. CPU is the worker's own,
from /proc. A missed target makes this exit 1. With --keep the table goes into docs/bench.md, with
commit and date.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from provision.arguments import Parser, whole
from tests.bench.document import machine_line, replace_section
from tests.bench.server import ROOT, Bench, Server, Unix, bench

TASKS = 50
TURNS = 7
REQUESTS_A_TURN = 400
WARM_UP = 60
ROWS = 1_000_000
CPU_RATIO_MAX = 2.0
DUMP_RATIO_MIN = 0.6
MEMORY_ABOVE_IDLE_MAX_MIB = 60.0
READ_BYTES = 1 << 20
LIST = f"/api/v1/tasks?limit={TASKS}"
COLUMNS = "id, title, notes, deadline_at, is_private, created_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    what: str
    value: str
    target: str = ""
    is_met: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one request, in milliseconds: the worker's CPU, and the time until the answer."""

    cpu_ms: float
    wall_ms: float


def main() -> int:
    parser = Parser(prog="python -m tests.bench.rest", description=__doc__)
    parser.add("--rows", make="ROWS", type=whole(1), default=ROWS, help="tasks in the dump")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add(
        "--keep", make="KEEP", action="store_true", help="write the table into docs/bench.md"
    )
    given = parser.parse()
    began = time.monotonic()
    with bench() as (ready, user):
        rows = [*small(ready, user, turns=given.turns), *dump(ready, user, rows=given.rows)]
    told = [f"| {row.what} | {row.value} | {row.target} |" for row in rows]
    table = "\n".join(["| what | measured | target |", "|---|---|---|", *told])
    print(table)
    missed = [row.what for row in rows if not row.is_met]
    if given.keep:
        body = f"`make bench-rest`, {machine_line(ROOT)}\n\n{table}"
        replace_section(ROOT / "docs/bench.md", "REST", body)
    verdict = f"missed: {', '.join(missed)}" if missed else "all targets met"
    print(f"bench-rest: {verdict}, in {time.monotonic() - began:.0f} s")
    return 1 if missed else 0


# --- single requests ------------------------------------------------------------------


def small(ready: Bench, user: dict[str, Any], *, turns: int) -> Iterator[Row]:
    """GET of 50 tasks beside the same bytes from a bare view; POST with the key and without."""
    headers = {"Authorization": f"Bearer {user['token']}"}
    with ready.serving("config.wsgi") as api:
        for number in range(TASKS):
            answered(api.ask("POST", "/api/v1/tasks", **a_task(headers, number)), 201)
        body = answered(api.ask("GET", LIST, headers), 200)
        held = ready.folder / "answer.json"
        held.write_bytes(body)
        with ready.serving("tests.bench.bare", BENCH_ANSWER=str(held)) as plain:
            if answered(plain.ask("GET", LIST, headers), 200) != body:
                raise SystemExit("bench: the bare view's bytes differ from the API's")
            own, bare = in_turns(
                api,
                lambda: answered(api.ask("GET", LIST, headers), 200),
                plain,
                lambda: answered(plain.ask("GET", LIST, headers), 200),
                turns=turns,
            )
        yield from of_reading(own, bare, size=len(body))
        keyed, unkeyed = in_turns(
            api,
            lambda: answered(api.ask("POST", "/api/v1/tasks", **a_task(headers, key=True)), 201),
            api,
            lambda: answered(api.ask("POST", "/api/v1/tasks", **a_task(headers)), 201),
            turns=turns,
        )
        yield from of_writing(keyed, unkeyed)


def of_reading(own: Cost, bare: Cost, *, size: int) -> Iterator[Row]:
    ratio = own.cpu_ms / bare.cpu_ms
    yield Row(
        what=f"GET of {TASKS} tasks ({size} bytes), CPU a request",
        value=f"{own.cpu_ms:.2f} ms; bare JsonResponse {bare.cpu_ms:.2f} ms; ratio {ratio:.2f}",
        target=f"at most {CPU_RATIO_MAX:.1f}",
        is_met=ratio <= CPU_RATIO_MAX,
    )
    yield Row(
        what="the same, until answered",
        value=f"{own.wall_ms:.2f} ms; {bare.wall_ms:.2f} ms; "
        f"ratio {own.wall_ms / bare.wall_ms:.2f}",
    )


def of_writing(keyed: Cost, unkeyed: Cost) -> Iterator[Row]:
    yield Row(
        what="POST with Idempotency-Key, CPU a request",
        value=f"{keyed.cpu_ms:.2f} ms; without {unkeyed.cpu_ms:.2f} ms; "
        f"ratio {keyed.cpu_ms / unkeyed.cpu_ms:.2f}",
    )
    yield Row(
        what="the same, until answered",
        value=f"{keyed.wall_ms:.2f} ms; {unkeyed.wall_ms:.2f} ms; "
        f"ratio {keyed.wall_ms / unkeyed.wall_ms:.2f}",
    )


def in_turns(
    one: Server,
    ask_one: Callable[[], Any],
    other: Server,
    ask_other: Callable[[], Any],
    *,
    turns: int,
) -> tuple[Cost, Cost]:
    """The quietest turn of each: what else the machine does can only add."""
    for _ in range(WARM_UP):
        ask_one()
        ask_other()
    pairs = [(cost(one, ask_one), cost(other, ask_other)) for _ in range(turns)]
    return quietest([pair[0] for pair in pairs]), quietest([pair[1] for pair in pairs])


def cost(server: Server, ask: Callable[[], Any]) -> Cost:
    cpu_s, began = server.cpu_s(), time.perf_counter()
    for _ in range(REQUESTS_A_TURN):
        ask()
    wall_s, used_s = time.perf_counter() - began, server.cpu_s() - cpu_s
    return Cost(cpu_ms=used_s / REQUESTS_A_TURN * 1000, wall_ms=wall_s / REQUESTS_A_TURN * 1000)


def quietest(costs: list[Cost]) -> Cost:
    return Cost(cpu_ms=min(c.cpu_ms for c in costs), wall_ms=min(c.wall_ms for c in costs))


def a_task(headers: dict[str, str], number: int = 0, *, key: bool = False) -> dict[str, Any]:
    deadline_at = datetime.now(UTC) + timedelta(days=30, minutes=number)
    task = {
        "title": f"Rendre le TP {number}",
        "deadline_at": deadline_at.isoformat(),
        "notes": "Salle B11",
    }
    extra = {"Idempotency-Key": secrets.token_hex(16)} if key else {}
    kind = {"Content-Type": "application/json"}
    return {"headers": {**headers, **kind, **extra}, "body": json.dumps(task)}


def answered(answer: tuple[int, bytes], wanted: int) -> bytes:
    status, body = answer
    if status != wanted:
        raise SystemExit(f"bench: HTTP {status} instead of {wanted}: {body[:500]!r}")
    return body


# --- the dump -------------------------------------------------------------------------


def dump(ready: Bench, user: dict[str, Any], *, rows: int) -> Iterator[Row]:
    ready.sql(filling(user["username"], rows))
    headers = {"Authorization": f"Bearer {user['token']}", "Accept": "application/x-ndjson"}
    with ready.serving("config.wsgi") as api:
        for _ in range(WARM_UP):
            answered(api.ask("GET", LIST, headers | {"Accept": "application/json"}), 200)
        idle_mib = api.memory_mib("VmRSS")
        api.forget_peak()
        began = time.perf_counter()
        lines = streamed(api, headers)
        api_s = time.perf_counter() - began
        peak_mib = api.memory_mib("VmHWM")
    client_s = by_client(ready, user["username"])
    if lines < rows:
        raise SystemExit(f"bench: the dump has {lines} tasks of {rows}")
    above_mib = peak_mib - idle_mib
    yield Row(
        what=f"dump of {lines:,} tasks as NDJSON",
        value=f"{lines / api_s:,.0f} rows/s; `mariadb --quick` {lines / client_s:,.0f} rows/s; "
        f"ratio {client_s / api_s:.3f}",
        target=f"at least {DUMP_RATIO_MIN:.1f}",
        is_met=client_s / api_s >= DUMP_RATIO_MIN,
    )
    yield Row(
        what="its peak memory in the worker above idle",
        value=f"{above_mib:.1f} MiB (idle {idle_mib:.0f} MiB)",
        target=f"at most {MEMORY_ABOVE_IDLE_MAX_MIB:.0f} MiB",
        is_met=above_mib <= MEMORY_ABOVE_IDLE_MAX_MIB,
    )


def filling(username: str, rows: int) -> str:
    """Rows as the application writes them: an id in order of time, words, a deadline ahead."""
    return f"""
        SET time_zone = '+00:00';
        SET @now = UTC_TIMESTAMP(6);
        SET @owner = (SELECT id FROM account WHERE username = '{username}');
        INSERT INTO task (id, owner_id, title, notes, deadline_at, is_private, created_at)
        SELECT CAST(CONCAT('01930000-', LPAD(HEX(seq DIV 4096), 4, '0'),
                           '-7', LPAD(HEX(seq MOD 4096), 3, '0'),
                           '-8000-', LPAD(HEX(seq), 12, '0')) AS UUID),
               @owner, CONCAT('Rendre le TP numéro ', seq), 'Salle B11, avant midi',
               @now + INTERVAL 10 DAY + INTERVAL seq SECOND, seq % 10 = 0, @now
        FROM seq_1_to_{rows};
        ANALYZE TABLE task;
    """  # noqa: S608 - our own name and number


def streamed(api: Server, headers: dict[str, str]) -> int:
    """Lines of the dump, read as they come and kept nowhere."""
    connection = Unix(api.path)
    connection.request("GET", "/api/v1/dump", headers={"Host": "localhost", **headers})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"bench: HTTP {answer.status} from the dump: {answer.read()[:500]!r}")
    lines = 0
    while block := answer.read(READ_BYTES):
        lines += block.count(b"\n")
    connection.close()
    return lines


def by_client(ready: Bench, username: str) -> float:
    """Seconds in which MariaDB's own client writes the same rows, in order, into a pipe."""
    asked = (
        f"SELECT {COLUMNS} FROM task WHERE owner_id = "  # noqa: S608 - our own constants and name
        f"(SELECT id FROM account WHERE username = '{username}') AND deadline_at > UTC_TIMESTAMP() "
        "ORDER BY deadline_at, id"
    )
    began = time.perf_counter()
    writer = subprocess.Popen(
        ready.client("--quick", "-NB", "-e", asked, "agenda"), stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    while writer.stdout.read(READ_BYTES):
        pass
    if writer.wait() != 0:
        raise SystemExit("bench: mariadb --quick failed, see above")
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
