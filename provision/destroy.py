"""Destroy containers, by name. Everything that speaks against it was checked before (plan.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from provision.actual import node_of, not_ours, read_again
from provision.desired import Desired
from provision.errors import ApiError, OperatorError, UnknownOutcomeError
from provision.model import Actual, Event, Found
from provision.power import shut_down
from provision.proxmox import Proxmox, is_not_found
from provision.ssh import Ssh

TRIES = 5


def select(actual: Actual, desired: Desired, names: Sequence[str], *, is_lab: bool) -> list[Found]:
    """Our containers of these names; in the lab no names mean all of them.

    A name of the inventory means its VMID there, and nothing else that carries the same mark (a
    clone does). Raises OperatorError for names that are neither in the inventory nor ours, and for
    those that two have which are not in the inventory.
    """
    every = ours_by_name(actual, desired)
    ours = {host: found[0] for host, found in every.items() if len(found) == 1}
    vmids = {wanted.host: wanted.vmid for wanted in desired.containers}
    unread = [
        f"{host} (VMID {vmid}): {actual.unread[vmid]}"
        for host, vmid in vmids.items()
        if vmid in actual.unread and (host in names or not names)
    ]
    if unread:
        raise OperatorError(
            "\n  ".join(unread),
            next_step="see 'make doctor', then run this again; nothing was touched",
        )
    if not names and is_lab:
        return list(ours.values())
    known = ", ".join(sorted(ours)) or "none"
    if actual.unread:
        known += f" (not to be looked at: VMID {', '.join(map(str, sorted(actual.unread)))})"
    if not names:
        raise OperatorError("destroy wants names", next_step=f"say which; there are: {known}")
    taken = {*actual.foreign, *actual.ours}
    absent = [name for name in names if name not in ours]
    wrong = [f"{name} is not a container of this environment" for name in absent
             if name not in vmids and name not in every]  # fmt: skip
    wrong += [f"{name} is {' and '.join(map(place, every[name]))}: remove one by hand first"
              for name in absent if name in every]  # fmt: skip
    wrong += [f"{name}: VMID {vmids[name]} is not ours" for name in absent
              if vmids.get(name) in taken]  # fmt: skip
    if wrong:
        raise OperatorError("; ".join(wrong), next_step=f"nothing was touched; ours are: {known}")
    return [ours[name] for name in dict.fromkeys(names) if name in ours]


def ours_by_name(actual: Actual, desired: Desired) -> dict[str, list[Found]]:
    """Host name -> container, where VMID and mark agree with the inventory; and orphans.

    Of an orphan there may be a clone: which one is meant by its name is not for us to say.
    """
    vmids = {wanted.host: wanted.vmid for wanted in desired.containers}
    named: dict[str, list[Found]] = {}
    for vmid, found in sorted(actual.ours.items()):
        is_orphan = found.host not in vmids and vmid not in vmids.values()
        if is_orphan or vmid == vmids.get(found.host):
            named.setdefault(found.host, []).append(found)
    return named


def left_alone(actual: Actual, desired: Desired, names: Sequence[str]) -> list[Found]:
    """What carries one of these names, any without names, and is not what the name means."""
    meant = {f.container.vmid for entries in ours_by_name(actual, desired).values()
             for f in entries if len(entries) == 1}  # fmt: skip
    return [
        found
        for vmid, found in sorted(actual.ours.items())
        if vmid not in meant and (not names or found.host in names)
    ]


def place(found: Found) -> str:
    return f"VMID {found.container.vmid} on {found.container.node}"


def destroy(
    chosen: Sequence[Found], api: Proxmox, ssh: Ssh, *, on_event: Callable[[Event], None]
) -> None:
    """Stop and delete `chosen`, and forget their host keys. Raises OperatorError with failures."""

    def one(found: Found) -> OperatorError | None:
        try:
            destroy_one(found, api, on_event=on_event)
        except OperatorError as error:
            on_event(Event(found.host, f"failed: {error.problem.splitlines()[0]}"))
            return error
        ssh.forget(found.host)
        on_event(Event(found.host, "destroyed"))
        return None

    with ThreadPoolExecutor(max_workers=4) as pool:
        failures = [error for error in pool.map(one, chosen) if error is not None]
    if failures:
        raise OperatorError(
            "\n  ".join(error.problem for error in failures), next_step=failures[0].next_step
        )


def destroy_one(found: Found, api: Proxmox, *, on_event: Callable[[Event], None]) -> None:
    """Read, do the next thing, read again, until it is gone."""
    container = found.container
    path = f"nodes/{container.node}/lxc/{container.vmid}"
    is_asked = False
    for tries_left in reversed(range(TRIES + 1)):
        now = read_again(api, container.vmid, container.node)
        if now is None:
            check_not_moved(found, api)
            return
        if now.container.mark != container.mark:
            if is_asked:
                return
            raise not_ours(found)
        if now.is_running and not (found.is_running or is_asked):
            raise OperatorError(
                f"{found.host} (VMID {container.vmid}) was started while the question stood",
                next_step="look who needs it; say --stop to stop it first (make: STOP=1)",
            )
        if not tries_left:
            break
        try:
            if now.is_running:
                shut_down(api, path, lambda text: on_event(Event(found.host, text)))
            on_event(Event(found.host, "destroying"))
            is_asked = True
            api.wait_for_task(api.delete(path, {"purge": 1}))
        except UnknownOutcomeError:
            pass
        except ApiError as error:
            if not is_not_found(error):
                raise
    raise OperatorError(
        f"{found.host} (VMID {container.vmid}) is still there",
        next_step=f"see its tasks on {container.node} in Proxmox, then run this again",
    )


def check_not_moved(found: Found, api: Proxmox) -> None:
    """Raise OperatorError when it is gone from its node because it runs on another one now."""
    container = found.container
    node = node_of(api, container.vmid)
    if node not in {None, container.node}:
        raise OperatorError(
            f"{found.host} (VMID {container.vmid}) moved to {node} meanwhile",
            next_step="run this again: it is looked for where it is",
        )
