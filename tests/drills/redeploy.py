"""Redeploy under load: people work while releases are switched, and not one request may fail.

Two copies of what is committed here are deployed in turn, one with a line more, so that each switch
is a real one. After an even number the committed release serves. Every acknowledged write is looked
up in the database, and the probe account goes with all it wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.drills.consent import DrillError, add_arguments, ask
from tests.drills.load import Load, Outcome
from tests.infra.evidence import DATABASE, MANAGE
from tests.infra.remote import Connections, RemoteError
from tests.infra.site import ROOT, Site, SiteError, read_site

SWITCH_WITHIN_S = 300


@contextmanager
def two_trees() -> Iterator[tuple[Path, Path]]:
    """With a comment more in one file of the application, and as committed."""
    with tempfile.TemporaryDirectory(prefix="ctlv-drill-") as folder:
        changed, committed = Path(folder) / "changed", Path(folder) / "committed"
        for copy in (changed, committed):
            command = ["git", "clone", "--quiet", "--shared", str(ROOT), str(copy)]
            subprocess.run(command, check=True, timeout=60)
        with (changed / "app/manage.py").open("a", encoding="utf-8") as file:
            file.write("# deployed by a drill\n")
        yield changed, committed


def switch(site: Site, tree: Path) -> None:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory"]
    command += [str(tree / "inventory" / site.environment), "ansible/redeploy.yml"]
    ended = subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, "CTLV_LAB_STATE": str(site.state)},
        capture_output=True,
        text=True,
        timeout=SWITCH_WITHIN_S,
        check=False,
    )
    if ended.returncode != 0:
        raise DrillError(f"redeploy failed:\n{ended.stdout[-1500:]}", "run `make redeploy` alone")


def rows_of_the_probe(site: Site, connections: Connections) -> set[str]:
    sql = (
        f"SELECT task.id FROM `{DATABASE}`.task JOIN `{DATABASE}`.account"  # noqa: S608 - constants
        " ON task.owner_id = account.id WHERE account.is_probe"
    )
    place = connections.place(site.of("database")[0].name)
    return set(place.run(["mariadb", "-NB", "-e", sql]).stdout.split())


def run(site: Site, *, switches: int) -> tuple[Outcome, set[str]]:
    """What the people saw, and which acknowledged writes are lost."""
    connections = Connections(site)
    web = connections.place(site.of("web")[0].name)
    account = json.loads(web.run([MANAGE, "agenda_probe", "create"]).stdout)
    try:
        with two_trees() as trees, Load(site.url, account) as load:
            for number in range(switches):
                began = time.monotonic()
                switch(site, trees[number % 2])
                print(f"  switch {number + 1}: {time.monotonic() - began:.0f} s", flush=True)
        lost = load.outcome.acknowledged - rows_of_the_probe(site, connections)
    finally:
        web.run([MANAGE, "agenda_probe", "remove"])
        connections.close()
    return load.outcome, lost


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.redeploy", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--switches", type=int, default=20, help="an even number, default 20")
    given = parser.parse_args()
    try:
        ask(given, drill="drill-redeploy", what=f"switches releases {given.switches} times")
        outcome, lost = run(read_site(given.env), switches=given.switches)
    except (DrillError, SiteError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"drill-redeploy {given.env}: {outcome.summary()}, {len(lost)} acknowledged writes lost")
    return 1 if outcome.failures or lost else 0


if __name__ == "__main__":
    sys.exit(main())
