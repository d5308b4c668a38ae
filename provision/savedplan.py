"""A plan as a file: apply does exactly that, or refuses. Pure but for reading the file.

The format is report.plan_data's (schema.json), and with it the fingerprint of the inventory.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from provision.desired import Desired
from provision.errors import OperatorError
from provision.model import Plan
from provision.report import plan_data

KINDS = ("containers", "matching")


def fingerprint(desired: Desired) -> str:
    """Changes with anything that the inventory says about the containers."""
    return hashlib.sha256(repr(desired).encode()).hexdigest()


def saved(plan: Plan, desired: Desired) -> dict[str, Any]:
    return {
        **plan_data(plan),
        "environment": desired.environment,
        "inventory": fingerprint(desired),
    }


def advice(environment: str) -> str:
    return f"make a new one: .venv/bin/python -m provision plan --env {environment} --out FILE"


def load(file: Path, *, environment: str) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"{file} cannot be read as a plan: {error}", next_step=advice(environment)
        ) from error
    if not is_plan(data):
        raise OperatorError(f"{file} is not a plan of this program", next_step=advice(environment))
    plan: dict[str, Any] = data
    return plan


def is_plan(data: Any) -> bool:
    """Whether it has the parts that `check` compares; schema.json says the rest."""
    if not isinstance(data, dict) or data.get("format") != 1:
        return False
    kinds = [data.get(kind) for kind in KINDS]
    return all(isinstance(entries, list) for entries in kinds) and all(
        isinstance(entry, dict) and isinstance(entry.get("vmid"), int)
        for entries in kinds
        for entry in entries or ()
    )


def check(old: dict[str, Any], plan: Plan, desired: Desired) -> None:
    """Raise OperatorError, naming all that moved, unless `plan` is still exactly the old one."""
    if old.get("environment") != desired.environment:
        raise OperatorError(
            f"the plan is for {old.get('environment')}, not for {desired.environment}",
            next_step=f"say --env {old.get('environment')}",
        )
    problems = []
    if old.get("inventory") != fingerprint(desired):
        problems.append("the inventory has changed since the plan was made")
    now = plan_data(plan)
    for kind in KINDS:
        before = {entry["vmid"]: entry for entry in old[kind]}
        after = {entry["vmid"]: entry for entry in now[kind]}
        problems += [
            f"container {vmid} has changed since the plan was made"
            for vmid in sorted(before.keys() | after.keys())
            if before.get(vmid) != after.get(vmid)
        ]
    if old.get("ha", []) != now["ha"]:
        problems.append("what is to do in HA has changed since the plan was made")
    if problems:
        raise OperatorError(
            "\n  ".join(dict.fromkeys(problems)),
            next_step=f"{advice(desired.environment)}; nothing was touched",
        )
