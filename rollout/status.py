"""`make status`, the service's part: what each container says of itself, on one screen.

    python -m rollout.status --env ENV

Exits 1 when something is red. A container that cannot be reached is one red line; the others are
shown.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from provision.arguments import Parser
from provision.environment import ROOT
from provision.errors import OperatorError, failing_as
from rollout import operators, packages, rotate
from rollout.backups import is_safety_copy
from rollout.reach import Hosts, state_folder

ANSWERS_WITHIN_S = 90
# What a shell says of a program that is not there.
NOT_FOUND = 127
SIGNS = {"ok": "✓", "red": "✗", "note": "·"}

Line = tuple[str, str, str]


def of_host(hosts: Hosts, host: str) -> list[Line]:
    try:
        asked = hosts.run(host, "ctlv-state", check=False, timeout_s=ANSWERS_WITHIN_S)
        if asked.returncode == NOT_FOUND:
            return [("red", "state", "was never deployed: run `make deploy`")]
        return [(mark, subject, text) for mark, subject, text in json.loads(asked.stdout)]
    except OperatorError as error:
        return [("red", "reach", str(error).splitlines()[0])]
    except (ValueError, TypeError):
        said = asked.stderr.strip().splitlines() or ["no answer"]
        return [("red", "reach", said[-1])]


def of_operator(folder: Path, *, at: datetime) -> list[Line]:
    """What is known here: copies of backups, and the last time one was tried."""
    fetched = sorted((folder / "backups").glob("*.json"))
    backups = [path for path in fetched if not is_safety_copy(path.stem)]
    lines: list[Line] = [
        ("note", "copies", f"{len(backups)} backups fetched, the last {backups[-1].stem}")
        if backups
        else ("note", "copies", "no backup was fetched yet: `make backup`")
    ]
    drill = folder / "backup-drill.json"
    if not drill.exists():
        return [*lines, ("note", "drill", "no restore was tried yet: `make drill-restore`")]
    try:
        told = json.loads(drill.read_text("utf-8"))
        days = (at - datetime.fromisoformat(told["at"])).days
        text = f"a restore was tried {days} days ago: {told['rows']} rows in {told['rto_s']:.0f} s"
    except (OSError, ValueError, KeyError, TypeError):
        text = f"{drill} cannot be read: `make drill-restore`"
    return [*lines, ("note", "drill", text)]


def render(title: str, lines: list[Line]) -> str:
    shown = [f"  {SIGNS[mark]} {subject:12} {text}" for mark, subject, text in lines]
    return "\n".join([title, *shown])


def main() -> int:
    parser = Parser(prog="python -m rollout.status", description="How the service is.")
    parser.add_environment(default="lab")
    environment = parser.parse().env
    with (
        failing_as("status"),
        Hosts(environment) as hosts,
        ThreadPoolExecutor(max_workers=8) as pool,
    ):
        names = hosts.of("edge", "web", "rest", "database")
        found = dict(zip(names, pool.map(lambda name: of_host(hosts, name), names), strict=True))
    for name, lines in found.items():
        print(render(name, lines))
    now = datetime.now(UTC)
    here = of_operator(state_folder(environment), at=now)
    here += [("note", "packages", packages.old_pins(ROOT, at=now))]
    here += [("note", "operators", operators.unshared(environment))]
    here += [("note", "secrets", line) for line in rotate.ages(environment, now=now)]
    print(render("here", here))
    red = sum(mark == "red" for lines in found.values() for mark, _subject, _text in lines)
    print(f"status {environment}: {f'{red} red' if red else 'all is well'}")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
