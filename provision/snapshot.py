"""Snapshots of all containers together: stopped in reverse order of their startup, so consistent.

The database starts first and stops last: nobody writes to it while it is being copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from provision import power
from provision.actual import check_still_ours, in_parallel
from provision.errors import OperatorError, PlanError
from provision.model import Event, Found
from provision.proxmox import Proxmox, held_on
from provision.wire import parse_bool

PREFIX = "ctlv-"
NAME = re.compile(r"[A-Za-z][\w-]{1,39}")
NEEDED = frozenset({"VM.PowerMgmt", "VM.Snapshot"})
Say = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One name, and the containers that have it. `taken_at` is in seconds since 1970."""

    name: str
    taken_at: int
    vmids: tuple[int, ...]


def startup_order(found: Iterable[Found]) -> list[Found]:
    """Those with a lower `startup` order first; those without one last, as Proxmox does."""

    def order(entry: Found) -> tuple[int, int]:
        match = re.search(r"order=(\d+)", entry.container.startup)
        return (int(match[1]) if match else 2**31, entry.container.vmid)

    return sorted(found, key=order)


def check_name(name: str) -> None:
    if not NAME.fullmatch(name) or name in {"current", "vzdump"}:
        raise OperatorError(
            f"{name!r} cannot name a snapshot",
            next_step="use 2 to 40 letters, digits, _ and -, beginning with a letter",
        )


def path_of(found: Found) -> str:
    return f"nodes/{found.container.node}/lxc/{found.container.vmid}"


# ---------------------------------------------------------------- reading


def listing(api: Proxmox, found: Sequence[Found]) -> list[Snapshot]:
    """Every snapshot, oldest first."""
    by_name: dict[str, dict[int, int]] = {}
    entries = {entry.container.vmid: entry for entry in found}
    lists = in_parallel(lambda vmid: api.get(f"{path_of(entries[vmid])}/snapshot"), entries)
    for vmid, snapshots in lists.items():
        for snapshot in snapshots:
            if snapshot["name"] != "current":
                taken = int(snapshot.get("snaptime") or 0)
                by_name.setdefault(str(snapshot["name"]), {})[vmid] = taken
    made = [
        Snapshot(name=name, taken_at=min(times.values()), vmids=tuple(sorted(times)))
        for name, times in by_name.items()
    ]
    return sorted(made, key=lambda snapshot: (snapshot.taken_at, snapshot.name))


def to_prune(snapshots: Sequence[Snapshot], keep: int) -> list[Snapshot]:
    """The oldest of those that we named, beyond `keep`; names given by people are never pruned."""
    ours = [snapshot for snapshot in snapshots if snapshot.name.startswith(PREFIX)]
    return ours[: max(len(ours) - keep, 0)]


def check_possible(api: Proxmox, found: Sequence[Found]) -> None:
    """Ask before: on a storage without snapshots the task fails after everything was stopped."""
    problems = []
    for entry in found:
        answer = api.get(f"{path_of(entry)}/feature", feature="snapshot")
        if not parse_bool(answer.get("hasFeature", 0)):
            storage = entry.container.disk.storage
            problems.append(f"{entry.host}: its storage {storage} has no snapshots")
        if entry.lock:
            problems.append(f"{entry.host} is locked ({entry.lock})")
        path = f"/vms/{entry.container.vmid}"
        problems += [
            f"{entry.host}: {api.endpoint.token_id} lacks {privilege} on {path}"
            for privilege in sorted(NEEDED - held_on(api, path))
        ]
    if problems:
        raise PlanError(
            "\n  ".join(problems),
            next_step="use a storage that can (LVM-thin, ZFS, Btrfs, Ceph), or make backup; "
            "'make doctor' prints the rights; nothing was touched",
        )


# ---------------------------------------------------------------- doing


def take(api: Proxmox, found: Sequence[Found], name: str, *, say: Say) -> None:
    """Stop all, snapshot all, start those that ran. They are started again whatever happens."""
    while_stopped(api, found, lambda: each_snapshot(api, found, name, say), say=say)


def each_snapshot(api: Proxmox, found: Sequence[Found], name: str, say: Say) -> None:
    for entry in found:
        say(Event(entry.host, f"snapshot {name}"))
        api.wait_for_task(api.post(f"{path_of(entry)}/snapshot", {"snapname": name}))


def restore(api: Proxmox, found: Sequence[Found], name: str, *, say: Say) -> None:
    """Stop all, roll all back, start those that ran."""
    while_stopped(api, found, lambda: each_rollback(api, found, name, say), say=say)


def each_rollback(api: Proxmox, found: Sequence[Found], name: str, say: Say) -> None:
    for entry in found:
        say(Event(entry.host, f"rolling back to {name}"))
        api.wait_for_task(api.post(f"{path_of(entry)}/snapshot/{name}/rollback"))


def remove(api: Proxmox, found: Sequence[Found], snapshot: Snapshot, *, say: Say) -> None:
    for entry in found:
        if entry.container.vmid in snapshot.vmids:
            say(Event(entry.host, f"removing snapshot {snapshot.name}"))
            api.wait_for_task(api.delete(f"{path_of(entry)}/snapshot/{snapshot.name}"))


def while_stopped(
    api: Proxmox, found: Sequence[Found], work: Callable[[], None], *, say: Say
) -> None:
    now = in_parallel(lambda entry: check_still_ours(api, entry), found)
    running = startup_order(entry for entry in now.values() if entry.is_running)
    failure: OperatorError | None = None
    try:
        for entry in reversed(running):
            power.shut_down(api, path_of(entry), teller(entry, say))
        work()
    except OperatorError as error:
        failure = error
    finally:
        # Also after Ctrl-C, which is no OperatorError.
        problems = start_all(api, running, say=say)
    if failure is not None:
        problems.insert(0, failure)
    if problems:
        raise OperatorError(
            "\n  ".join(problem.problem for problem in problems), next_step=problems[0].next_step
        )


def start_all(api: Proxmox, running: Sequence[Found], *, say: Say) -> list[OperatorError]:
    problems: list[OperatorError] = []
    for entry in running:
        try:
            power.start(api, path_of(entry), teller(entry, say))
            say(Event(entry.host, "ready: running"))
        except OperatorError as error:
            problems.append(error)
    return problems


def teller(entry: Found, say: Say) -> Callable[[str], None]:
    return lambda text: say(Event(entry.host, text))


def find(snapshots: Sequence[Snapshot], name: str, found: Sequence[Found]) -> Snapshot:
    """The snapshot `name`. Raises OperatorError unless every container has it."""
    snapshot = next((entry for entry in snapshots if entry.name == name), None)
    if snapshot is None:
        names = ", ".join(entry.name for entry in snapshots) or "none"
        raise OperatorError(f"there is no snapshot {name}", next_step=f"there are: {names}")
    missing = [e.host for e in found if e.container.vmid not in snapshot.vmids]
    if missing:
        raise OperatorError(
            f"{', '.join(missing)} has no snapshot {name}; together they would not fit",
            next_step="choose one that all have: make snapshot-list",
        )
    return snapshot
