"""What changes an environment, killed at moments spread over it: run again, it ends well.

    python -m tests.drills.killed --kills 20 --fresh --yes

site.yml first. With --fresh the lab's containers are made anew before, so that every task has
something to do. The last run is not killed; one more must change nothing, and `make verify` must
prove the rest. Then (--others: these alone) site.yml with another release while that one gets the
traffic, redeploy, rollback, backup and restore.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from provision.arguments import Parser
from provision.errors import OperatorError
from tests.drills import result
from tests.drills.consent import add_arguments
from tests.drills.redeploy import nothing, serving, tree_with
from tests.infra.site import ROOT, read_site, state_folder

TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\]")
RUN_WITHIN_S = 1200
# Tasks and handlers on a new lab, roughly: where the kills are spread.
TASKS = {"site": 190, "redeploy": 50, "rollback": 25}
KILLS_OF_OTHERS = 5
# Where a release gets the traffic: the runs are killed there too, while that is under way.
TRAFFIC = (
    "start | Start the release",
    "ask | Wait until it says",
    "switch | Let the link lead",
    "prove | Prove that what serves behaves",
)
UNDER_WAY_S = 1.5
# Seconds after which a backup or a restore is killed; in the lab a restore takes about 20.
MOMENTS = {"backup": (1.5, 3.0, 5.0), "restore": (3.0, 6.0, 9.0, 12.0, 15.0)}


def playbook(
    environment: str, log: Path, *, book: str = "site", tree: Path = ROOT, kill_at: int | str = 0
) -> tuple[int, str, int]:
    """Run one, killed as its `kill_at`th task begins (0: never), or soon after the one so named.
    Status, last task, tasks.
    """
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory"]
    command += [str(tree / "inventory" / environment), f"ansible/{book}.yml"]
    tasks, name = 0, ""
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            cwd=tree,
            # By this name, as setup/alone gives it, the next run knows that this one has ended.
            env={**os.environ, "CTLV_LAB_STATE": str(state_folder("lab")), "CTLV_RUN": "killed"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as run,
    ):
        assert run.stdout is not None
        for line in run.stdout:
            kept.write(line)
            if found := TASK.match(line):
                tasks, name = tasks + 1, found[1]
            if found and is_there(kill_at, name, tasks):
                time.sleep(0 if isinstance(kill_at, int) else UNDER_WAY_S)
                os.killpg(run.pid, signal.SIGKILL)
                break
        return run.wait(RUN_WITHIN_S), name, tasks


def is_there(kill_at: int | str, name: str, tasks: int) -> bool:
    return tasks == kill_at if isinstance(kill_at, int) else kill_at in name


def escaped(task: str) -> str:
    """A task's name in a table."""
    return task.replace("|", "\\|")


def changes(log: Path) -> dict[str, int]:
    found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", log.read_text("utf-8"), re.MULTILINE)
    return {host: int(changed) for host, changed in found}


def make(*goals: str) -> None:
    ended = subprocess.run(["make", *goals], cwd=ROOT, check=False, timeout=RUN_WITHIN_S)
    if ended.returncode != 0:
        raise OperatorError(f"make {' '.join(goals)} failed", "read what it said above")


def run(environment: str, *, kills: int, fresh: bool) -> list[str]:
    result.FOLDER.mkdir(parents=True, exist_ok=True)
    if fresh:
        make("destroy", "YES=1")
        make("provision", "YES=1")
    rows = killed_playbook(environment, "site", ROOT, at=spread("site", kills))
    log = result.FOLDER / "killed-again.log"
    ended_well(environment, log, book="site", tree=ROOT, when="once more")
    changed = changes(log)
    if set(changed.values()) != {0}:
        raise OperatorError(f"the second run after the kills changed {changed}", f"read {log}")
    make("verify")
    return rows


def others(environment: str) -> list[str]:
    """Deploy, redeploy, rollback, backup and restore, each killed at several moments; a row a
    kill. Run again, a deploy that was killed restarts MariaDB before it asks its release.
    """
    site = read_site(environment)
    with tree_with(nothing) as tree:
        rows = killed_playbook(environment, "site", tree, at=TRAFFIC)
    before = serving(site)
    with tree_with(nothing) as tree:
        at = (*spread("redeploy", KILLS_OF_OTHERS), *TRAFFIC)
        rows += killed_playbook(environment, "redeploy", tree, at=at)
    if serving(site) == before:
        raise OperatorError(
            "the redeploy that was killed did not bring its release", "read the logs"
        )
    at = spread("rollback", KILLS_OF_OTHERS)
    rows += killed_playbook(environment, "rollback", ROOT, at=at)
    if serving(site) != before:
        raise OperatorError(
            f"after the rollback that was killed {serving(site)} serves, not {before}",
            "read /var/log/agenda-releases.log on the web container",
        )
    make("backup")
    for verb, words in (("backup", ()), ("restore", ("FROM=latest", "YES=1"))):
        for number, after_s in enumerate(MOMENTS[verb], start=1):
            if not killed_make(verb, *words, after_s=after_s):
                break
            rows.append(f"| {verb} {number} | after {after_s:.1f} s | make {verb} |")
            print(rows[-1], flush=True)
        make(verb, *words)
    make("redeploy")
    # Also that the maintenance page of the restores is gone.
    make("verify")
    return rows


def spread(name: str, kills: int) -> tuple[int, ...]:
    return tuple(max(1, TASKS[name] * number // (kills + 1)) for number in range(1, kills + 1))


def killed_playbook(
    environment: str, name: str, tree: Path, *, at: Sequence[int | str]
) -> list[str]:
    """Killed at each of these tasks, by their number or name, then run to its end."""
    rows = []
    for number, kill_at in enumerate(at, start=1):
        log = result.FOLDER / f"killed-{name}-{number}.log"
        status, task, tasks = playbook(environment, log, book=name, tree=tree, kill_at=kill_at)
        if status == 0:
            continue  # it has fewer tasks than that, or the one before went on to that one's end
        if not is_there(kill_at, task, tasks):
            raise OperatorError(f"{name} failed after kill {number - 1}, at: {task}", f"read {log}")
        rows.append(f"| {name} {number} | {tasks} | {escaped(task)} |")
        print(rows[-1], flush=True)
    log = result.FOLDER / f"killed-{name}-after.log"
    ended_well(environment, log, book=name, tree=tree, when="after its kills")
    return rows


def ended_well(environment: str, log: Path, *, book: str, tree: Path, when: str) -> None:
    status, task, _ = playbook(environment, log, book=book, tree=tree)
    if status != 0:
        raise OperatorError(f"{book} failed {when}, at: {task}", f"read {log}")


def killed_make(*goals: str, after_s: float) -> bool:
    """Whether it was still running then."""
    with subprocess.Popen(
        ["make", *goals], cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    ) as run:
        try:
            run.wait(after_s)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return True
    if run.returncode != 0:
        raise OperatorError(f"make {' '.join(goals)} failed", "read what it said above")
    return False


def main() -> int:
    parser = Parser(prog="python -m tests.drills.killed", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--others", action="store_true", help="redeploy and the rest alone")
    parser.add_argument("--fresh", action="store_true", help="make the lab's containers anew first")
    given = parser.parse()
    if given.env != "lab" or not given.yes:
        parser.error("it kills runs of site.yml, in the lab only: add --yes")
    began = time.monotonic()
    try:
        rows = [] if given.others else run(given.env, kills=given.kills, fresh=given.fresh)
        rows += others(given.env)
    except OperatorError as error:
        print(error, file=sys.stderr)
        return 1
    table = "\n".join(["| kill | at task | named |", "|---|---|---|", *rows])
    kept = result.keep("killed", table, wrong=[], recorded=given.keep)
    print(
        f"drill-killed: all ended well after {len(rows)} kills, in "
        f"{time.monotonic() - began:.0f} s; the table is in {kept}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
