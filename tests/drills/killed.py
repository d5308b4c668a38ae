"""Ansible killed inside site.yml, at tasks spread over it: the run after goes on, and all is well.

    python -m tests.drills.killed --kills 20 --fresh --yes

With --fresh the lab's containers are made anew first, so that every task has something to do. The
last run is not killed; one more must change nothing, and `make verify` must prove the rest.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.drills import result
from tests.drills.consent import DrillError, add_arguments
from tests.infra.site import ROOT, SiteError, state_folder

TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\]")
RUN_WITHIN_S = 1200
# Tasks and handlers of site.yml on a new lab, roughly: where the kills are spread.
TASKS = 170


def playbook(environment: str, log: Path, *, kill_at: int = 0) -> tuple[int, str, int]:
    """Run site.yml, killed as its `kill_at`th task begins (0: never). Status, last task, tasks."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory"]
    command += [str(ROOT / "inventory" / environment), "ansible/site.yml"]
    tasks, name = 0, ""
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "CTLV_LAB_STATE": str(state_folder("lab"))},
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
            if kill_at and tasks == kill_at:
                os.killpg(run.pid, signal.SIGKILL)
                break
        return run.wait(RUN_WITHIN_S), name, tasks


def changes(log: Path) -> dict[str, int]:
    found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", log.read_text("utf-8"), re.MULTILINE)
    return {host: int(changed) for host, changed in found}


def make(*goals: str) -> None:
    ended = subprocess.run(["make", *goals], cwd=ROOT, check=False, timeout=RUN_WITHIN_S)
    if ended.returncode != 0:
        raise DrillError(f"make {' '.join(goals)} failed", "read what it said above")


def run(environment: str, *, kills: int, fresh: bool) -> str:
    result.FOLDER.mkdir(parents=True, exist_ok=True)
    if fresh:
        make("destroy", "YES=1")
        make("provision", "YES=1")
    rows = ["| kill | at task | named |", "|---|---|---|"]
    for number in range(1, kills + 1):
        at = max(1, TASKS * number // (kills + 1))
        log = result.FOLDER / f"killed-{number}.log"
        status, name, tasks = playbook(environment, log, kill_at=at)
        if status == 0:
            break  # it has fewer tasks than that
        if tasks < at:
            raise DrillError(f"site.yml failed after kill {number - 1}, at: {name}", f"read {log}")
        rows.append(f"| {number} | {tasks} | {name} |")
        print(rows[-1], flush=True)
    for turn in ("after", "again"):
        log = result.FOLDER / f"killed-{turn}.log"
        status, name, _ = playbook(environment, log)
        if status != 0:
            raise DrillError(f"site.yml failed {turn}, at: {name}", f"read {log}")
    changed = changes(log)
    if set(changed.values()) != {0}:
        raise DrillError(f"the second run after the kills changed {changed}", f"read {log}")
    make("verify")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.killed", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--fresh", action="store_true", help="make the lab's containers anew first")
    given = parser.parse_args()
    if given.env != "lab" or not given.yes:
        parser.error("it kills runs of site.yml, in the lab only: add --yes")
    began = time.monotonic()
    try:
        table = run(given.env, kills=given.kills, fresh=given.fresh)
    except (DrillError, SiteError) as error:
        print(error, file=sys.stderr)
        return 1
    kept = result.keep("killed", table, wrong=[], recorded=given.keep)
    print(
        f"drill-killed: converged after {table.count(chr(10)) - 1} kills, in "
        f"{time.monotonic() - began:.0f} s; the table is in {kept}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
