#!/usr/bin/python
"""Let one run at a time change a host's releases: who holds it, and since when."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.releases import log, now, read, write

DOCUMENTATION = """
module: release_lock
short_description: One run at a time changes a host's releases
description:
  - The lock lies below /run, so a reboot frees it. Not counted as a change: it does not stay.
  - It is taken from a run that ended without giving it back. That is known of a run that was
    started on the same machine and lives no longer; after stale_after_s it is held to be so of any.
options:
  state: {description: Take it or give it back., choices: [held, free], required: true, type: str}
  run: {description: What lookup release_run says of this run., required: true, type: dict}
  action: {description: What this run does., type: str, default: ""}
  forced: {description: Take it whoever holds it., type: bool, default: false}
  stale_after_s: {description: Age at which no run can still be at work., type: int, default: 7200}
  path: {description: The lock., type: path, default: /run/agenda-release.lock}
author: CTLV
"""


def is_stale(
    holder: Mapping[str, Any], run: Mapping[str, Any], *, age_s: float, stale_after_s: int
) -> bool:
    """Whether the run that holds the lock has certainly ended."""
    if age_s > stale_after_s:
        return True
    return holder.get("machine") == run["machine"] and holder.get("run") not in run["alive"]


def take(path: Path, run: Mapping[str, Any], *, action: str, forced: bool, limit_s: int) -> str:
    """Take the lock. "" when it is ours, else two lines on who holds it."""
    holder = read(path)
    if holder and holder.get("run") != run["run"]:
        age_s = time.time() - path.stat().st_mtime
        if not forced and not is_stale(holder, run, age_s=age_s, stale_after_s=limit_s):
            return (
                f"{holder.get('by')} is at work here since {holder.get('at')}: "
                f"{holder.get('action')}\n"
                "  Next: wait until that has ended; if you know that it has, add UNLOCK=1"
            )
        detail = f"held by {holder.get('by')} since {holder.get('at')}"
        log(by=run["by"], action="take over the lock", release="", result="done", detail=detail)
    described = {**{name: run[name] for name in ("by", "machine", "run")}, "action": action}
    write(path, json.dumps({**described, "at": now()}) + "\n")
    return ""


def give_back(path: Path, run: Mapping[str, Any]) -> None:
    if read(path).get("run") == run["run"]:
        path.unlink(missing_ok=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["held", "free"], "required": True},
            "run": {"type": "dict", "required": True},
            "action": {"type": "str", "default": ""},
            "forced": {"type": "bool", "default": False},
            "stale_after_s": {"type": "int", "default": 7200},
            "path": {"type": "path", "default": "/run/agenda-release.lock"},
        },
        supports_check_mode=True,
    )
    given = module.params
    path, run = Path(given["path"]), given["run"]
    if module.check_mode:
        module.exit_json(changed=False)
    with Path(f"{path}.guard").open("w", encoding="ascii") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if given["state"] == "free":
            give_back(path, run)
            module.exit_json(changed=False)
        refused = take(
            path,
            run,
            action=given["action"],
            forced=given["forced"],
            limit_s=given["stale_after_s"],
        )
    if refused:
        module.fail_json(msg=refused)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
