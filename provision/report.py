"""Say what will happen, what happened, and what is there. Pure: data in, text or data out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from provision.apply import Result
from provision.model import Action, Change, Found, Pending, Plan, Reboot, Step, Value
from provision.wire import render_size

MIB = 1024**2


def shown(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def plan_text(plan: Plan) -> str:
    """One line a container and one a field; never a secret, for a Plan holds none."""
    lines = [line for step in plan.steps for line in step_lines(step)]
    lines += [line for found in plan.matching for line in pending_lines(found)]
    lines += [
        f"? {found.container.vmid} {found.container.hostname} is ours and not in the inventory; "
        f"nothing is done (make destroy NAMES={found.container.hostname} removes it)"
        for found in plan.orphans
    ]
    return "\n".join([*lines, summary(plan)])


def summary(plan: Plan) -> str:
    if not plan.steps:
        return "Nothing to do: the containers match the inventory."
    create = sum(step.action is Action.CREATE for step in plan.steps)
    update = sum(step.action is Action.UPDATE for step in plan.steps)
    refuse = sum(bool(step.refusals) for step in plan.steps)
    parts = [f"{create} to create", f"{update} to change", f"{len(plan.matching)} match"]
    return (
        "Plan: " + ", ".join(parts + [f"{refuse} with differences that stay"] * bool(refuse)) + "."
    )


def step_lines(step: Step) -> list[str]:
    where = f" on {step.wanted.container.node}" if step.before is None else ""
    lines = [f"{step.action.value} {step.wanted.vmid} {step.wanted.host}{where}"]
    changes = [c for c in step.changes if step.before is not None or c.after is not None]
    lines += [change_line(change, new=step.before is None) for change in changes]
    for refusal in step.refusals:
        lines.append(f"    ! {change_text(refusal.change)}: {refusal.reason}")
        lines.append(f"        Next: {refusal.next_step}")
    if Reboot() in step.moves:
        shown_pending = [restart_text(pending) for pending in step.pending]
    else:
        shown_pending = [pending_text(pending) for pending in step.pending]
    return lines + [f"    {text}" for text in shown_pending]


def change_line(change: Change, *, new: bool) -> str:
    if new:
        return f"    {change.field}: {shown(change.after)}"
    return f"    {change_text(change)}"


def change_text(change: Change) -> str:
    return f"{change.field}: {shown(change.before)} -> {shown(change.after)}"


def pending_lines(found: Found) -> list[str]:
    if not found.pending:
        return []
    name = f". {found.container.vmid} {found.container.hostname}"
    return [name, *(f"    {pending_text(pending)}" for pending in found.pending)]


def restart_text(pending: Pending) -> str:
    return f"restarts for {pending.key}: {pending.before or 'none'} -> {pending.after or 'none'}"


def pending_text(pending: Pending) -> str:
    change = f"{pending.before or 'none'} -> {pending.after or 'none'}"
    return f"waits for a restart: {pending.key}: {change} (apply --reboot; make: REBOOT=1)"


# ---------------------------------------------------------------- machines


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON: the format is described in schema.json beside this file."""
    return {
        "format": 1,
        "changes_pending": plan.has_moves,
        "containers": [step_data(step) for step in plan.steps],
        "matching": [
            {"vmid": f.container.vmid, "host": f.container.hostname, "digest": f.digest,
             "pending": [pending_data(p) for p in f.pending]}
            for f in plan.matching
        ],
        "orphans": [{"vmid": f.container.vmid, "host": f.container.hostname} for f in plan.orphans],
    }  # fmt: skip


def step_data(step: Step) -> dict[str, Any]:
    return {
        "vmid": step.wanted.vmid,
        "host": step.wanted.host,
        "action": step.action.name.lower(),
        "digest": step.before.digest if step.before else None,
        "changes": [change_data(change) for change in step.changes],
        "refusals": [
            {**change_data(r.change), "reason": r.reason, "next_step": r.next_step}
            for r in step.refusals
        ],
        "pending": [pending_data(pending) for pending in step.pending],
    }


def change_data(change: Change) -> dict[str, Any]:
    return {"field": change.field, "before": change.before, "after": change.after}


def pending_data(pending: Pending) -> dict[str, Any]:
    return {"key": pending.key, "before": pending.before, "after": pending.after}


# ---------------------------------------------------------------- tables


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def results_text(results: Sequence[Result]) -> str:
    """The table at the end of apply, then each failure with its next step."""
    if not results:
        return ""
    rows = [
        (
            str(r.vmid),
            r.host,
            ", ".join(r.did) or "nothing",
            "failed" if r.error else r.proof,
            f"{r.took_s:.1f} s",
        )
        for r in results
    ]
    lines = [table(("VMID", "container", "done", "proof", "time"), rows)]
    lines += [f"{r.host}: {pending_text(pending)}" for r in results for pending in r.pending]
    lines += [named(r.host, str(r.error)) for r in results if r.error]
    return "\n".join(lines)


def named(host: str, text: str) -> str:
    return text if text.startswith(host) else f"{host}: {text}"


def duration(seconds: int) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def status_rows(plan: Plan, found: Sequence[Found]) -> list[dict[str, Any]]:
    """One row a container, ours and wanted, by VMID: for `status` and for `status --json`."""
    here = {entry.container.vmid: entry for entry in found}
    steps = {step.wanted.vmid: step for step in plan.steps}
    orphans = {entry.container.vmid for entry in plan.orphans}
    return [
        status_row(vmid, here.get(vmid), steps.get(vmid), is_orphan=vmid in orphans)
        for vmid in sorted(here.keys() | steps.keys())
    ]


def status_row(
    vmid: int, found: Found | None, step: Step | None, *, is_orphan: bool
) -> dict[str, Any]:
    drift = (
        [c.field for c in step.changes] + [r.change.field for r in step.refusals] if step else []
    )
    if found is None:
        return missing_row(vmid, step)
    container = found.container
    return {
        "vmid": vmid,
        "host": container.hostname,
        "node": container.node,
        "status": found.status,
        "uptime_s": found.uptime_s,
        "addresses": [nic.ip.partition("/")[0] for nic in container.nics if nic.ip],
        "memory_used_bytes": found.memory_used_bytes,
        "memory_mib": container.memory_mib,
        "disk_used_bytes": found.disk_used_bytes,
        "disk_bytes": container.disk.size_bytes,
        "lock": found.lock,
        "ha_managed": found.ha_managed,
        "pending": [pending.key for pending in found.pending],
        "drift": ["not in the inventory"] if is_orphan else drift,
    }


def missing_row(vmid: int, step: Step | None) -> dict[str, Any]:
    return {
        "vmid": vmid,
        "host": step.wanted.host if step else "",
        "node": None,
        "status": "missing",
        "uptime_s": 0,
        "addresses": [],
        "memory_used_bytes": 0,
        "memory_mib": 0,
        "disk_used_bytes": 0,
        "disk_bytes": 0,
        "lock": None,
        "ha_managed": False,
        "pending": [],
        "drift": ["missing"],
    }


def status_text(rows: Sequence[dict[str, Any]]) -> str:
    header = (
        "VMID",
        "container",
        "node",
        "status",
        "up",
        "addresses",
        "memory",
        "disk",
        "pending",
        "drift",
    )
    cells = [
        (
            str(row["vmid"]),
            row["host"],
            row["node"] or "-",
            row["status"]
            + (" (HA)" if row["ha_managed"] else "")
            + (f" ({row['lock']})" if row["lock"] else ""),
            duration(row["uptime_s"]) if row["uptime_s"] else "-",
            " ".join(row["addresses"]) or "-",
            f"{row['memory_used_bytes'] // MIB}/{row['memory_mib']} MiB",
            f"{row['disk_used_bytes'] // MIB} MiB/{render_size(row['disk_bytes'])}",
            ",".join(row["pending"]) or "-",
            ",".join(row["drift"]) or "-",
        )
        for row in rows
    ]
    return table(header, cells)
