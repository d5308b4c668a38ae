"""`make drill-restarts`: a deploy that restarts nginx and MariaDB while people work.

An upgrade of this bundle may change the units and settings of both. Whoever opens a connection must
not be refused, and nobody may wait as long as three seconds; keep-alive connections that a restart
cuts are counted for themselves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.consent import add_arguments, ask
from tests.drills.load import Load, Outcome, trust
from tests.drills.redeploy import must, on, person, rows_of_the_probe, tree_with
from tests.infra.remote import RemoteError
from tests.infra.site import ROOT, Site, read_site

PEOPLE = 4
PAUSE_MOST_S = 3.0
# What makes role nginx and role mysql restart: a line more.
CHANGED = ("nginx/templates/nginx.service.j2", "mysql/templates/90-agenda.cnf.j2")
UNITS = {"web": "nginx", "rest": "nginx", "database": "mariadb"}


@dataclass(frozen=True, slots=True)
class Row:
    """One deploy."""

    tree: str
    seconds: float
    new: Outcome
    kept: Outcome

    def cells(self) -> list[str]:
        cells = [self.tree, f"{self.seconds:.0f} s"]
        for seen in (self.new, self.kept):
            cells += [
                f"{seen.requests}",
                f"{len(seen.failures)}",
                f"{seen.percentile_s(1) * 1000:.0f} ms",
                f"{seen.longest_pause_s * 1000:.0f} ms",
            ]
        return cells


HEAD = """\
| deploy | took | new connections: asked | failed | slowest | pause | kept alive: asked | failed | slowest | pause |
|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501 - the head of a table


def change(tree: Path) -> None:
    for name in CHANGED:
        with (tree / "ansible/roles" / name).open("a", encoding="utf-8") as file:
            file.write(f"# by a drill at {time.time():.0f}\n")


def started(site: Site) -> dict[str, str]:
    """When each unit was started last."""
    show = "ActiveEnterTimestampMonotonic"
    return {
        group: on(site, group, ["systemctl", "show", "-P", show, unit]).strip()
        for group, unit in UNITS.items()
        if site.of(group)
    }


def deployed(site: Site, account: dict[str, str], tree: Path, name: str) -> Row:
    with (
        Load(site.url, account, people=PEOPLE).at_new_connections() as new,
        Load(site.url, account, people=PEOPLE) as kept,
    ):
        seconds = must(site, tree, "site")
    return Row(name, seconds, new.outcome, kept.outcome)


def run(site: Site) -> tuple[list[Row], list[str]]:
    trust(site)
    wrong, before = [], started(site)
    with person(site) as account:
        with tree_with(change) as tree:
            rows = [deployed(site, account, tree, "units and settings changed")]
        wrong += [f"{UNITS[g]} on {g} was not restarted" for g, at in started(site).items()
                  if at == before[g]]  # fmt: skip
        rows.append(deployed(site, account, ROOT, "and changed back"))
        acknowledged = {task for row in rows for seen in (row.new, row.kept)
                        for task in seen.acknowledged}  # fmt: skip
        lost = acknowledged - rows_of_the_probe(site)
    if lost:
        wrong.append(f"{len(lost)} of {len(acknowledged)} acknowledged writes are lost")
    return rows, wrong + faults(rows)


def faults(rows: Sequence[Row]) -> list[str]:
    found = []
    for row in rows:
        if row.new.failures:
            found.append(f"{row.tree}: on new connections: {row.new.summary()}")
        each = [(seen.longest_pause_s, seen.percentile_s(1)) for seen in (row.new, row.kept)]
        pause_s = max(map(max, each))
        if pause_s >= PAUSE_MOST_S:
            found.append(f"{row.tree}: somebody waited {pause_s:.1f} s")
    return found


def main() -> int:
    parser = Parser(prog="python -m tests.drills.restarts", description=__doc__)
    add_arguments(parser)
    given = parser.parse()
    try:
        ask(given, drill="drill-restarts", what="restarts nginx and MariaDB twice by a deploy")
        rows, wrong = run(read_site(given.env))
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    table = HEAD + "\n".join(f"| {' | '.join(row.cells())} |" for row in rows)
    cut = "; ".join(f"{row.tree}: {row.kept.summary()}" for row in rows if row.kept.failures)
    table += f"\n\nCut, of those kept alive: {cut or 'none'}."
    kept = result.keep("restarts", table, wrong=wrong, recorded=given.keep)
    print(table)
    return result.end("restarts", given.env, kept, wrong=wrong, of=f"{len(rows)} deploys")


if __name__ == "__main__":
    sys.exit(main())
