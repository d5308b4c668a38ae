"""When is a task's row gone? Run on the database host as root.

In:  {"database": "agenda", "task": id, "needle": its title, "wait_s": 0 or more}
Out: {"seconds": until the row was gone or null, "held": rows anywhere that hold its words,
      -1 when the database is too large to be searched}
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from uuid import UUID

DUMPED_MAX_BYTES = 64_000_000


def query(sql: str) -> str:
    return subprocess.run(
        ["mariadb", "-NB", "-e", sql], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


def seconds_until_gone(database: str, task: UUID, wait_s: float) -> float | None:
    sql = f"SELECT COUNT(*) FROM `{database}`.task WHERE id = '{task}'"  # noqa: S608 - a UUID, and a name from our inventory
    began = time.monotonic()
    while query(sql) != "0":
        if time.monotonic() - began >= wait_s:
            return None
        time.sleep(0.25)
    return round(time.monotonic() - began, 2)


def lines_with(database: str, needle: str) -> int:
    """Lines of a dump that hold the words; -1 when the database is too large to dump here."""
    sizes = query(f"SHOW TABLE STATUS FROM `{database}`").splitlines()
    if sum(int(line.split("\t")[6]) for line in sizes) > DUMPED_MAX_BYTES:
        return -1
    dump = subprocess.run(
        ["mariadb-dump", "--single-transaction", "--skip-extended-insert", database],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
        timeout=60,
    )
    return sum(needle in line for line in dump.stdout.splitlines())


def main() -> None:
    asked = json.load(sys.stdin)
    seconds = seconds_until_gone(asked["database"], UUID(asked["task"]), asked["wait_s"])
    held = lines_with(asked["database"], asked["needle"])
    json.dump({"seconds": seconds, "held": held}, sys.stdout)


if __name__ == "__main__":
    main()
