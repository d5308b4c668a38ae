"""`make drill-rpo`: the database's power is cut while people write; what its disk takes along.

The disk counts as lost: what the web containers were handed until the cut is loaded aside, over
their copy of the last backup, and every acknowledged row is looked for in it. The database itself
comes back as it was, and serves.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from provision.arguments import Parser, whole
from provision.errors import OperatorError
from rollout import stream
from rollout.backups import DRILLED, LIVE, Backup, Backups
from rollout.reach import Hosts
from tests.drills import result
from tests.drills.cluster import Cluster, boot_and_state, waited
from tests.drills.consent import add_arguments, ask
from tests.drills.load import Load
from tests.drills.redeploy import person
from tests.infra.remote import RemoteError
from tests.infra.site import Site, read_site

LOST_MOST_S = 5.0
# So that the cut falls anywhere between two looks.
WRITE_S, AT_MOST_LONGER_S = 12.0, 4.0
BACK_WITHIN_S = 120
KEEPERS = ("web",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    acknowledged: int
    lost: int
    lost_s: float
    known_s: float
    transactions: int
    restored_s: float

    def wrong(self) -> list[str]:
        found = [] if self.acknowledged else ["nobody wrote anything"]
        found += [] if self.transactions else ["nothing was streamed"]
        if self.lost_s > LOST_MOST_S:
            found.append(f"{self.lost_s:.1f} s of what was acknowledged are lost")
        return found


def begun_at(task: str) -> float:
    """When it was asked for, of an id as `uuid7` makes them."""
    return (UUID(task).int >> 80) / 1000


def streamed_backup(backups: Backups) -> Backup:
    try:
        return backups.find("latest", is_streamed=True)
    except OperatorError:
        backups.backup()
        return backups.find("latest", is_streamed=True)


def one(cluster: Cluster, backups: Backups, base: Backup, folder: Path) -> Cut:
    site = cluster.site
    (host,) = site.of("database")
    cluster.check_mark(host)
    path = f"nodes/{cluster.node_of(host)}/lxc/{host.vmid}/status"
    boot, _state = boot_and_state(site, host)
    with person(site) as account:
        with Load(site.url, account) as load:
            time.sleep(WRITE_S + random.uniform(0, AT_MOST_LONGER_S))  # noqa: S311 - no secret
            stopping = cluster.api.post(f"{path}/stop")
            cut_at = time.time()
            cluster.api.wait_for_task(stopping)
        # What was acknowledged while the container was being stopped counts too.
        acknowledged = frozenset(load.outcome.acknowledged)
        # Before it comes back: it would hand on what is on its disk.
        since = backups.since(base, stream.LATEST, folder, places=KEEPERS)
        cluster.start(host)
        cluster.wait_until_back(host, booted_before=boot)
        answers = ("mariadb-admin", "ping")
        waited(
            lambda: backups.hosts.run(host.name, *answers, check=False).returncode == 0,
            what="the database to answer",
            limit_s=BACK_WITHIN_S,
        )
        began = time.monotonic()
        lost = acknowledged - aside(backups, base, since)
        restored_s = time.monotonic() - began
    return Cut(
        acknowledged=len(acknowledged),
        lost=len(lost),
        lost_s=max((cut_at - begun_at(task) for task in lost), default=0.0),
        known_s=cut_at - since.known.timestamp(),
        transactions=since.transactions,
        restored_s=restored_s,
    )


def aside(backups: Backups, base: Backup, since: stream.Since) -> set[str]:
    """Ids of tasks in a scratch database that was made of what the keepers have."""
    try:
        backups.load(base, DRILLED, since)
        ids = f"SELECT id FROM {DRILLED}.task"  # noqa: S608 - a constant
        asked = backups.hosts.run(backups.database, "mariadb", "-NB", "-e", ids)
    finally:
        backups.hosts.run(backups.database, f"ctlv-restore drop {LIVE} {DRILLED}")
    return {str(UUID(row)) for row in asked.stdout.split()}


def run(site: Site, environment: str, times: int) -> tuple[str, list[str]]:
    if len(site.of("database")) > 1:
        raise OperatorError(
            "three databases are not streamed",
            "each has the others' rows: `make drill-edge` cuts the power of one",
        )
    rows, wrong = [], []
    with Hosts(environment) as hosts:
        backups = Backups(environment, hosts)
        base = streamed_backup(backups)
        for number in range(1, times + 1):
            with tempfile.TemporaryDirectory(prefix="stream-", dir=backups.state) as folder:
                cut = one(Cluster(site), backups, base, Path(folder))
            told = (
                f"| {number} | {cut.acknowledged} | {cut.lost} | {cut.lost_s:.1f} s | "
                f"{cut.known_s:.1f} s | {cut.transactions} | {cut.restored_s:.1f} s |"
            )
            print(told, flush=True)
            rows.append(told)
            wrong += [f"cut {number}: {line}" for line in cut.wrong()]
    head = [
        "| cut | rows acknowledged | lost | seconds lost | streamed until, before the cut "
        "| transactions replayed | aside in |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]), wrong


def main() -> int:
    parser = Parser(prog="python -m tests.drills.rpo", description=__doc__)
    add_arguments(parser)
    parser.add("--times", make="TIMES", type=whole(1, 20), default=5, help="how many cuts")
    given = parser.parse()
    try:
        ask(given, drill="drill-rpo", what="cuts the database's power")
        table, wrong = run(read_site(given.env), given.env, given.times)
    except (OperatorError, RemoteError) as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("rpo", table, wrong=wrong, recorded=given.keep)
    return result.end("rpo", given.env, kept, wrong=wrong, of=f"{given.times} cuts")


if __name__ == "__main__":
    sys.exit(main())
