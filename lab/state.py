"""Keep what fakepve has in memory: containers, their configuration, tasks."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from fakepve import FakeCt

from lab.errors import LabError
from lab.settings import POOL

TASKS_KEPT = 500
# What Proxmox says of a task whose worker was killed.
INTERRUPTED = "unexpected status"


def snapshot(pve: Any, *, running: set[int]) -> str:
    """Return the API's state as text. `running`: containers to start when the lab resumes."""
    return json.dumps(
        {
            "containers": [
                {
                    "vmid": ct.vmid,
                    "node": ct.node,
                    "config": ct.config,
                    "pending": ct.pending,
                    "snapshots": ct.snapshots,
                    "pool": ct.pool,
                    "running": ct.vmid in running,
                }
                for ct in pve.cts
            ],
            "tasks": pve.tasklog[-TASKS_KEPT:],
            "ha": pve.ha,
            "backups": pve.backups,
            "pools": [*pve.pools],
            "tokens": pve.kept_tokens(),
            "off": [name for name, node in pve.nodes.items() if not node.get("online", True)],
        }
    )


def restore(pve: Any, path: Path) -> set[int]:
    """Load a snapshot that was kept into a new API; return the containers that ran."""
    if not path.exists():
        return set()
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise LabError(
            f"{path} is damaged: {error}",
            next_step="run `.venv/bin/python -m lab reset`, then `up`: the containers are lost",
        ) from error
    for item in data["containers"]:
        ct = FakeCt(item["vmid"], node=item["node"], config=item["config"], defaults=False)
        ct.pending = item["pending"]
        ct.snapshots = item["snapshots"]
        pve.cts.append(ct)
        if item["pool"]:
            pve._pool_join(item["pool"], ct.vmid)
    pve.ha |= data.get("ha", {})
    pve.backups |= data.get("backups", {})
    pve.show_backups()
    for name in data.get("pools", []):
        pve.pools.setdefault(name, set())
    if not data.get("pools"):
        # Kept by a lab from before it had a pool: its token could see none of them.
        for ct in pve.cts:
            pve._pool_join(POOL, ct.vmid)
    if "tokens" in data:
        pve.keep_tokens(data["tokens"])
    for name in data.get("off", []):
        pve.set_online(name, is_online=False)
    for task in data["tasks"]:
        if task["status"] == "running":
            task.update(status="stopped", exitstatus=INTERRUPTED, endtime=task["starttime"])
            task["log"].append(f"TASK ERROR: {INTERRUPTED}")
        pve.tasks[task["upid"]] = task
        pve.tasklog.append(task)
    last = max((task["pid"] for task in pve.tasklog), default=1000)
    pve._pids = itertools.count(last + 1)
    return {item["vmid"] for item in data["containers"] if item["running"]}
