"""Run a playbook: `make deploy`, `make redeploy`, `make rollback`.

    python -m rollout.play deploy|redeploy|rollback --env ENV [--force] [--unlock] [--release NAME]

Ends with one line of result. The whole log is kept in build/logs/, and the screen shows what a
person wants to know (ansible/callback_plugins/steps.py); with --verbose all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from provision.arguments import Parser
from provision.environment import ROOT
from provision.errors import OperatorError, failing_as
from provision.inventory import Inventory, load
from provision.logs import new_log
from rollout import recover

PLAYBOOKS = {
    "deploy": "site.yml",
    "redeploy": "redeploy.yml",
    "rollback": "rollback.yml",
    # Of `make rotate` alone.
    "keys": "keys.yml",
}
DONE = {
    "deploy": "every container is as the inventory says",
    "redeploy": "the code of this tree serves",
    "rollback": "{release} serves",
}


def release_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f"is '{text}', which names no release")
    return text


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog="python -m rollout.play",
        description="Run a playbook.",
        next_step="make status names the releases and says how the containers are",
    )
    parser.add_argument("verb", choices=DONE)
    parser.add_environment(default="lab")
    parser.add("--force", make="FORCE", action="store_true", help="also code that failed before")
    parser.add("--unlock", make="UNLOCK", action="store_true", help="take a lock that was left")
    parser.add("--verbose", make="VERBOSE", action="store_true", help="all that Ansible says")
    parser.add("--release", make="RELEASE", type=release_name, help="what rollback goes back to")
    parser.add("--skip", nargs="+", default=[], help="web and REST hosts that are down")
    return parser.parse()


def check_left_out(inventory: Inventory, names: list[str]) -> None:
    """Only what others stand in for can be left out: a web or REST host of several, one database
    of three.
    """
    for group in ("web", "rest"):
        hosts = list(inventory.groups.get(group, ()))
        if hosts and set(hosts) <= set(names):
            raise OperatorError(
                f"SKIP leaves no host of the group {group}: {', '.join(hosts)}",
                "bring one of them back (make up), or take it out of the inventory",
            )
    spare = [h for group in ("web", "rest") for h in inventory.groups.get(group, ())]
    databases = list(inventory.groups.get("database", ()))
    down = [name for name in databases if name in names]
    if len(down) * 2 >= len(databases) > 0 and down:
        raise OperatorError(
            f"SKIP={','.join(down)} leaves {len(databases) - len(down)} of {len(databases)} "
            "databases",
            "bring them back (make up, make recover); of three, one can be left out",
        )
    if unknown := sorted(set(names) - set(spare) - set(databases)):
        raise OperatorError(
            f"SKIP={','.join(unknown)} is no host of the groups web, rest and database",
            f"give some of {', '.join(spare + databases)}",
        )


def variables(asked: argparse.Namespace) -> dict[str, Any]:
    """What the playbook is told. Pure."""
    told: dict[str, Any] = {}
    if asked.force:
        told["agenda_force"] = True
    if asked.unlock:
        told["agenda_unlock"] = True
    if asked.verb == "rollback" and asked.release:
        told["rollback_release"] = asked.release
    if asked.skip:
        told["site_left_out"] = asked.skip
    return told


def ansible_playbook(
    *words: str, capture_output: bool = False, timeout_s: float | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run it in this tree, by this program's Python, with `variables` in its environment."""
    binaries = Path(sys.executable).parent
    return subprocess.run(
        [str(binaries / "ansible-playbook"), *words],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", **variables},
        # setup/alone holds its lock through a descriptor: also when only Ansible is left.
        close_fds=False,
        capture_output=capture_output,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def play(verb: str, environment: str, told: dict[str, Any], *, verbose: bool = False) -> None:
    """Raises OperatorError when Ansible does not come to the end."""
    log = new_log(f"{verb}-{environment}", at=datetime.now())
    # Ansible ends an interrupted run in its own order, and says so: it is waited for.
    signal.signal(signal.SIGINT, lambda *_: None)
    ended = ansible_playbook(
        *("--inventory", f"inventory/{environment}", f"ansible/{PLAYBOOKS[verb]}"),
        *("--limit", ":!".join(["all", *told.get("site_left_out", [])])),
        *("--extra-vars", json.dumps(told)),
        ANSIBLE_LOG_PATH=str(log),
        CTLV_VERBOSE="1" if verbose else "",
    )
    if ended.returncode != 0:
        raise OperatorError(
            "not done",
            f"see above which task failed and why (all of it: {os.path.relpath(log)}), "
            "then run the same again",
        )


def main() -> None:
    asked = arguments()
    with failing_as(f"{asked.verb} {asked.env}"):
        inventory = load(asked.env, root=ROOT)
        check_left_out(inventory, asked.skip)
        if asked.verb == "deploy" and len(inventory.groups.get("database", ())) > 1:
            recover.if_needed(asked.env)
        play(asked.verb, asked.env, variables(asked), verbose=asked.verbose)
    release = asked.release or "the previous good release"
    print(f"{asked.verb} {asked.env}: {DONE[asked.verb].format(release=release)}")
    if asked.skip:
        print(f"  LEFT OUT: {', '.join(asked.skip)}\n  Next: make deploy when they are back")


if __name__ == "__main__":
    main()
