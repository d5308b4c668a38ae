"""Say what will happen, what happened, and what is there. Pure: data in, text or data out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from provision.apply import Result
from provision.model import (
    BESIDE,
    Action,
    Change,
    Container,
    Copy,
    Create,
    Found,
    HaStep,
    Pending,
    Plan,
    Reboot,
    Resize,
    Step,
    Storage,
    Value,
)
from provision.storages import described
from provision.wire import render_size

MIB = 1024**2


def shown(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def plan_text(plan: Plan, *, all_fields: bool = False) -> str:
    """One line a container and one a field; never a secret, for a Plan holds none.

    With `all_fields` also what the inventory has no word for.
    """
    lines = []
    for step in plan.steps:
        lines += step_lines(step)
        lines += unmanaged_lines(step.before) if all_fields and step.before else []
    for found in plan.matching:
        own = [f"    {pending_text(pending)}" for pending in found.pending]
        own += unmanaged_lines(found) if all_fields else []
        lines += [f". {found.container.vmid} {found.container.hostname}", *own] if own else []
    lines += [line for found in plan.orphans for line in orphan_lines(found, plan.orphans)]
    lines += [line for copy in plan.copies for line in copy_lines(copy)]
    lines += [unread_text(vmid, why) for vmid, why in sorted(plan.unread.items())]
    lines += [line for step in plan.ha for line in ha_lines(step)]
    return "\n".join([*lines, *storage_lines(plan), summary(plan)])


def storage_lines(plan: Plan) -> list[str]:
    """Which verbs they will carry: said when something is put on them."""
    moves = [move for step in plan.steps for move in step.moves]
    if not any(isinstance(move, Create | Resize) for move in moves):
        return []
    return [f"= storage {s.name} on {s.node}: {described(s)}" for s in plan.storages]


SIGNS = {"POST": "+", "PUT": "~", "DELETE": "-", "": "!"}


def ha_lines(step: HaStep) -> list[str]:
    if step.refusal:
        return [f"! {step.subject}: {step.refusal.reason}", f"    Next: {step.refusal.next_step}"]
    changes = [change_line(change, new=step.method == "POST") for change in step.changes]
    return [f"{SIGNS[step.method]} {step.subject}", *changes]


def summary(plan: Plan) -> str:
    if not (plan.steps or plan.ha):
        return "Nothing to do: the containers match the inventory."
    create = sum(step.action is Action.CREATE for step in plan.steps)
    update = sum(step.action is Action.UPDATE for step in plan.steps)
    blocked = sum(step.is_blocked for step in plan.steps)
    refuse = sum(bool(step.refusals) for step in plan.steps) - blocked
    parts = [f"{create} to create", f"{update} to change", f"{len(plan.matching)} match"]
    parts += [f"{refuse} with differences that stay"] * bool(refuse)
    parts += [f"{blocked} left alone"] * bool(blocked)
    parts += [f"{len(plan.ha)} of HA"] * bool(plan.ha)
    return f"Plan: {', '.join(parts)}."


def step_lines(step: Step) -> list[str]:
    where = f" on {step.wanted.container.node}" if step.action is Action.CREATE else ""
    lines = [f"{step.action.value} {step.wanted.vmid} {step.wanted.host}{where}"]
    changes = [c for c in step.changes if step.before is not None or c.after is not None]
    lines += [change_line(change, new=step.before is None) for change in changes]
    for way, refusals in groupby(step.refusals, lambda refusal: refusal.next_step):
        for refusal in refusals:
            change = "" if step.is_blocked else f"{change_text(refusal.change)}: "
            lines.append(f"    ! {change}{refusal.reason}")
        lines.append(f"        Next: {way}")
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


def unmanaged_lines(found: Found) -> list[str]:
    return [f"    not in the inventory, left as it is: {k}: {v}" for k, v in found.unmanaged]


def restart_text(pending: Pending) -> str:
    return f"restarts for {pending.key}: {pending.before or 'none'} -> {pending.after or 'none'}"


def pending_text(pending: Pending) -> str:
    change = f"{pending.before or 'none'} -> {pending.after or 'none'}"
    return f"waits for a restart: {pending.key}: {change} (apply --reboot; make: REBOOT=1)"


# ---------------------------------------------------------------- what no step is about


def identified(found: Found) -> str:
    """What a person compares before agreeing that something happens to it."""
    state = "a template" if found.is_template else found.status
    up = f", up {duration(found.uptime_s)}" if found.is_running else ""
    lock = f", locked ({found.lock})" if found.lock else ""
    return f"VMID {found.container.vmid} on {found.container.node}, {state}{up}{lock}"


def named_lines(found: Iterable[Found]) -> list[str]:
    return [f"  {entry.host}: {identified(entry)}" for entry in found]


def titled(found: Found) -> str:
    """VMID and name, and the name in its mark when that is another one."""
    container = found.container
    marked = "" if container.hostname == found.host else f" (marked as {found.host})"
    return f"{container.vmid} {container.hostname}{marked}"


def orphan_lines(found: Found, orphans: Iterable[Found]) -> list[str]:
    """By its name, unless a clone of it carries the name too."""
    text = f"? {titled(found)} is ours and not in the inventory; nothing is done"
    if sum(other.host == found.host for other in orphans) == 1:
        return [f"{text} (make destroy NAMES={found.host} removes it)"]
    return [f"{text}: others carry the mark of {found.host} too", f"    Next: {by_hand(found)}"]


def addresses(container: Container) -> list[str]:
    return [nic.ip.partition("/")[0] for nic in container.nics if nic.ip]


def copy_lines(copy: Copy) -> list[str]:
    facts = [f"    {fact}" for fact in copy_facts(copy)]
    return [f"? {copy_text(copy)}", *facts, *(f"    Next: {way}" for way in copy_ways(copy))]


def copy_text(copy: Copy) -> str:
    return f"{titled(copy.found)} is {copy_of(copy)}: left alone"


def copy_of(copy: Copy) -> str:
    return f"a copy of {copy.wanted.host} (VMID {copy.wanted.vmid})"


def copy_facts(copy: Copy) -> list[str]:
    host, vmid = copy.wanted.host, copy.wanted.vmid
    own = addresses(copy.found.container)
    shared = [ip for ip in addresses(copy.wanted.container) if ip in own]
    facts = [f"it is {identified(copy.found)}"]
    if not copy.is_original_there:
        facts.append(f"VMID {vmid} does not exist: apply makes {host} anew there, empty")
    if copy.found.is_running and shared:
        facts.append(f"it has {', '.join(shared)} too: what is meant for {host} may reach it")
    return facts


def copy_ways(copy: Copy) -> list[str]:
    """Each harms the copy alone; without the original it may be all that is left, so it stays."""
    host, vmid = copy.wanted.host, copy.found.container.vmid
    keep = f"when this one is {host}, set lxc_vmid: {vmid} in host_vars/{host}/container.yml"
    if copy.is_original_there:
        return [f"when nothing in it is needed, {by_hand(copy.found)}", keep]
    return [keep, f"to move it with its data, {moving(copy)}", f"while people work, {BESIDE}"]


def by_hand(found: Found) -> str:
    """How root takes our mark off one container, or removes it. Proxmox's own program, its VMID."""
    vmid = found.container.vmid
    removal = [f"pct set {vmid} --protection 0"] * found.container.protection
    removal += [f"pct shutdown {vmid}"] * found.is_running
    removal.append(f"pct destroy {vmid}" + " --purge" * found.ha_managed)
    return (
        f"on {found.container.node}, as root: {' && '.join(removal)}; "
        f"or, to keep it as none of ours: pct set {vmid} --delete description,tags"
    )


def moving(copy: Copy) -> str:
    """The mark goes along: the clone is the original then, and the old one none of ours."""
    vmid = copy.found.container.vmid
    steps = [f"pct shutdown {vmid}"] * copy.found.is_running
    steps += [
        f"pct clone {vmid} {copy.wanted.vmid} --full 1",
        f"pct set {vmid} --delete description,tags --onboot 0",
    ]
    return f"on {copy.found.container.node}, as root: {' && '.join(steps)}"


def unread_text(vmid: int, why: str) -> str:
    return f"? {vmid} could not be looked at: {why}"


# ---------------------------------------------------------------- machines


def plan_data(plan: Plan, *, all_fields: bool = False) -> dict[str, Any]:
    """The plan as JSON: the format is described in schema.json beside this file."""

    def unmanaged(found: Found | None) -> dict[str, Any]:
        pairs = found.unmanaged if found else ()
        return {"unmanaged": [{"key": k, "value": v} for k, v in pairs]} if all_fields else {}

    return {
        "format": 1,
        "changes_pending": plan.has_moves,
        "containers": [step_data(step) | unmanaged(step.before) for step in plan.steps],
        "matching": [
            {"vmid": f.container.vmid, "host": f.container.hostname, "digest": f.digest,
             "pending": [asdict(p) for p in f.pending]} | unmanaged(f)
            for f in plan.matching
        ],
        "orphans": [{"vmid": f.container.vmid, "host": f.host} for f in plan.orphans],
        "copies": [copy_data(copy) for copy in plan.copies],
        "unread": [{"vmid": vmid, "reason": why} for vmid, why in sorted(plan.unread.items())],
        "storages": [storage_data(storage) for storage in plan.storages],
        "ha": [ha_data(step) for step in plan.ha],
    }  # fmt: skip


def ha_data(step: HaStep) -> dict[str, Any]:
    refusal = step.refusal
    return {
        "subject": step.subject,
        "action": {"POST": "create", "PUT": "update", "DELETE": "delete"}.get(
            step.method, "refuse"
        ),
        "changes": [asdict(change) for change in step.changes],
        "reason": refusal.reason if refusal else None,
        "next_step": refusal.next_step if refusal else None,
    }


def storage_data(storage: Storage) -> dict[str, Any]:
    return {
        "name": storage.name,
        "node": storage.node,
        "type": storage.type,
        "takes_containers": storage.takes("rootdir"),
        "can_snapshot": storage.can_snapshot,
        "can_resize": storage.can_resize,
        "is_shared": storage.is_shared,
        "is_thin": storage.is_thin,
    }


def copy_data(copy: Copy) -> dict[str, Any]:
    container = copy.found.container
    return {
        "vmid": container.vmid,
        "hostname": container.hostname,
        "node": container.node,
        "status": copy.found.status,
        "copy_of": copy.wanted.host,
        "vmid_in_inventory": copy.wanted.vmid,
        "is_original_there": copy.is_original_there,
    }


def step_data(step: Step) -> dict[str, Any]:
    return {
        "vmid": step.wanted.vmid,
        "host": step.wanted.host,
        "action": step.action.name.lower(),
        "digest": step.before.digest if step.before else None,
        "changes": [asdict(change) for change in step.changes],
        "refusals": [
            {**asdict(r.change), "reason": r.reason, "next_step": r.next_step}
            for r in step.refusals
        ],
        "pending": [asdict(pending) for pending in step.pending],
    }


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
            str(r.vmid or "-"),
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
    drift: dict[int, list[str]] = {
        step.wanted.vmid: [c.field for c in step.changes] + [r.change.field for r in step.refusals]
        for step in plan.steps
    }
    drift |= {entry.container.vmid: ["not in the inventory"] for entry in plan.orphans}
    drift |= {copy.found.container.vmid: [copy_of(copy)] for copy in plan.copies}
    blocked = {step.wanted.vmid: step for step in plan.steps if step.is_blocked}
    drift |= {vmid: [step.refusals[0].reason] for vmid, step in blocked.items()}
    rows = [status_row(entry, drift.get(entry.container.vmid, [])) for entry in found]
    rows += [
        absent_row(step.wanted.vmid, step.wanted.host, "missing", "missing")
        for step in plan.steps
        if step.action is Action.CREATE
    ]
    rows += [
        absent_row(vmid, step.wanted.host, "unknown", step.refusals[0].reason)
        for vmid, step in blocked.items()
        if vmid not in {entry.container.vmid for entry in found}
    ]
    rows += [absent_row(vmid, "?", "unknown", f"could not be looked at: {why}")
             for vmid, why in plan.unread.items()]  # fmt: skip
    return sorted(rows, key=lambda row: int(row["vmid"]))


def status_row(found: Found, drift: Sequence[str]) -> dict[str, Any]:
    container = found.container
    return {
        "vmid": container.vmid,
        "host": container.hostname,
        "node": container.node,
        "status": found.status,
        "uptime_s": found.uptime_s,
        "addresses": addresses(container),
        "memory_used_bytes": found.memory_used_bytes,
        "memory_mib": container.memory_mib,
        "disk_used_bytes": found.disk_used_bytes,
        "disk_bytes": container.disk.size_bytes,
        "lock": found.lock,
        "ha_managed": found.ha_managed,
        "pending": [pending.key for pending in found.pending],
        "drift": list(drift),
    }


def absent_row(vmid: int, host: str, status: str, drift: str) -> dict[str, Any]:
    return {
        "vmid": vmid,
        "host": host,
        "node": None,
        "status": status,
        "uptime_s": 0,
        "addresses": [],
        "memory_used_bytes": 0,
        "memory_mib": 0,
        "disk_used_bytes": 0,
        "disk_bytes": 0,
        "lock": None,
        "ha_managed": False,
        "pending": [],
        "drift": [drift],
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
