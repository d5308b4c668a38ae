#!/usr/bin/python
"""Note what became of a release: good, with the oldest ones forgotten; or bad, with the cause."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.releases import (
    BAD,
    GOOD,
    good,
    log,
    note,
    now,
    read,
    serving,
    whole,
    write,
)

DOCUMENTATION = """
module: release_record
short_description: Note what became of a release
options:
  release: {description: Its name., required: true, type: str}
  state:
    description:
      - Good (proved while it served), bad (it failed), failed (so did the one that serves, asked
        the same then - nothing is marked), or back (it serves after a rollback).
    choices: [good, bad, failed, back]
    required: true
    type: str
  by: {description: Who deployed it., required: true, type: str}
  action: {description: What the log calls it., type: str, default: deploy}
  why: {description: What failed., type: str, default: ""}
  before: {description: The release that a rollback left., type: str, default: ""}
  units:
    description: Units of this release; their journals are the evidence, and they are stopped.
    type: list
    elements: str
    default: []
  gently: {description: Whether the units may end what they are at., type: bool, default: false}
  keep: {description: How many releases are kept., type: int, default: 5}
  home: {description: Folder of the releases., type: path, default: /opt/agenda}
  evidence:
    description: Folder for what failed releases said.
    type: path
    default: /var/log/agenda-releases
author: CTLV
"""
# Ansible's words when a unit fails: they say where to look, and so do we.
UNHELPFUL = re.compile(r"Unable to start service .*", re.DOTALL)
LINES, SINCE = 400, "15min"
# What a program says last of all, and systemd's words when it said nothing.
RAISED = re.compile(
    r"^(?:\w+\.)*\w*(?:Error|Exception|Fault|Exit|Interrupt|ImproperlyConfigured)\b.*"
)
# Followed by what systemd did about it, which names nothing.
HANGS = re.compile(r"start operation timed out")
SYSTEMD = re.compile(r"(timeout|oom-kill|out of memory|status=\d+/\w+)", re.IGNORECASE)


def cause(lines: Sequence[str]) -> str:
    """The line that names why a unit failed: its last exception, else what systemd said; or ""."""
    texts = [line.strip() for line in lines]
    for pattern, whole_line in ((RAISED, True), (HANGS, False), (SYSTEMD, False)):
        found = [
            text for text in texts if (pattern.match(text) if whole_line else pattern.search(text))
        ]
        if found:
            return found[-1][:300]
    return ""


def forgettable(
    names: Sequence[str], *, proved: Sequence[str], held: Sequence[str], keep: int
) -> list[str]:
    """Which of `names` (latest first) may go: never the last good one, nor one in use."""
    safe = {*held, *proved[:2]}
    kept = [name for name in names if name in safe]
    for name in names:
        if name not in safe and len(kept) < keep:
            kept.append(name)
    return [name for name in names if name not in kept]


def prune(home: Path, keep: int) -> list[str]:
    folders = sorted(whole(home), key=lambda path: path.stat().st_ctime, reverse=True)
    names = [path.name for path in folders]
    links = [home / name for name in ("current", "previous")]
    held = [serving(home), *(path.readlink().name for path in links if path.is_symlink())]
    gone = forgettable(names, proved=good(home), held=held, keep=keep)
    for name in gone:
        shutil.rmtree(home / "releases" / name)
    used = {path.resolve() for path in (home / "releases").glob("*/venv")}
    for environment in (home / "shared").glob("python-*"):
        if environment.resolve() not in used and (environment / ".complete").exists():
            shutil.rmtree(environment)
    return gone


def said(units: Sequence[str]) -> list[str]:
    """What the units said lately, systemd's own words included.

    Not by invocation: systemd starts one that failed again at once, and that one has said nothing.
    """
    lines: list[str] = []
    journal = ("journalctl", "--no-pager", "--output=cat", f"--lines={LINES}", f"--since=-{SINCE}")
    for unit in units:
        lines += run(*journal, f"--unit={unit}").splitlines()
    return lines


def run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return ended.stdout


def stop(units: Sequence[str], *, gently: bool) -> None:
    """At once, unless it had traffic: what hangs at its start would hang at its end too."""
    for unit in units:
        if not gently:
            # Asked to stop first: killed alone, it would be started again.
            run("systemctl", "stop", "--no-block", unit)
            run("systemctl", "kill", "--signal=KILL", unit)
        run("systemctl", "disable", "--now", unit)
        run("systemctl", "reset-failed", unit)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["good", "bad", "failed", "back"],
                "required": True,
            },
            "by": {"type": "str", "required": True},
            "action": {"type": "str", "default": "deploy"},
            "why": {"type": "str", "default": ""},
            "before": {"type": "str", "default": ""},
            "units": {"type": "list", "elements": "str", "default": []},
            "gently": {"type": "bool", "default": False},
            "keep": {"type": "int", "default": 5},
            "home": {"type": "path", "default": "/opt/agenda"},
            "evidence": {"type": "path", "default": "/var/log/agenda-releases"},
        },
        supports_check_mode=True,
    )
    given = module.params
    home, release, by = Path(given["home"]), given["release"], given["by"]
    folder = home / "releases" / release
    if module.check_mode:
        module.exit_json(changed=not (folder / GOOD).exists(), cause="", evidence="", gone=[])
    if given["state"] in {"bad", "failed"}:
        module.exit_json(changed=True, **condemn(given, folder))
    changed = not read(folder / GOOD) or (folder / BAD).exists()
    if changed:
        (folder / BAD).unlink(missing_ok=True)
        note(home, release, GOOD, by=by)
        log(by=by, action=given["action"], release=release, result="good")
    if given["state"] == "back" and given["before"]:
        described = {"from": given["before"], "to": release, "at": now(), "by": by}
        write(home / "rolled-back", json.dumps(described) + "\n")
        changed = True
    rolled_back = read(home / "rolled-back")
    # Deploying what serves since a rollback does not undo that it was one.
    if given["state"] == "good" and rolled_back and rolled_back.get("to") != release:
        (home / "rolled-back").unlink()
        changed = True
    gone = prune(home, given["keep"])
    module.exit_json(changed=changed or bool(gone), cause="", evidence="", gone=gone)


def condemn(given: dict[str, object], folder: Path) -> dict[str, object]:
    """Keep the evidence, mark the release when it is to blame, stop its units."""
    units = [str(unit) for unit in given["units"]]  # type: ignore[attr-defined]
    lines = said(units)
    why = UNHELPFUL.sub("it did not start", str(given["why"]))
    named = cause(lines)
    told = f"{why}: {named}" if named and named not in why else why
    kept = Path(str(given["evidence"]))
    kept.mkdir(mode=0o750, exist_ok=True)
    evidence = kept / f"{now()[:19].replace(':', '')}-{folder.name}.txt"
    write(evidence, "\n".join([told, "", *lines]) + "\n", mode=0o640)
    for old in sorted(kept.glob("*.txt"))[:-20]:
        old.unlink()
    is_guilty = given["state"] == "bad"
    if folder.is_dir() and is_guilty:
        note(Path(str(given["home"])), folder.name, BAD, by=str(given["by"]), why=told)
    log(
        by=str(given["by"]),
        action=str(given["action"]),
        release=folder.name,
        result="bad" if is_guilty else "failed, and is not to blame",
        detail=told,
    )
    stop(units, gently=bool(given["gently"]))
    return {"cause": told, "evidence": str(evidence), "gone": []}


if __name__ == "__main__":
    main()
