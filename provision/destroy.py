"""Destroy containers, by name. Everything that speaks against it was checked before (plan.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from provision.actual import node_of, read_again
from provision.desired import Desired
from provision.errors import (
    ApiError,
    ProvisionError,
    StepError,
    TaskError,
    UnknownOutcomeError,
    UsageError,
)
from provision.model import Actual, Event, Found
from provision.proxmox import Proxmox, is_not_found
from provision.ssh import Ssh

SHUTDOWN_TIMEOUT_S = 60
TRIES = 5
POLL_S = 0.3


def select(actual: Actual, desired: Desired, names: Sequence[str], *, is_lab: bool) -> list[Found]:
    """Our containers of these names; in the lab no names mean all of them.

    A name of the inventory means its VMID there, and nothing else that carries the same mark (a
    clone does). Raises UsageError for names that are neither in the inventory nor ours.
    """
    ours = ours_by_name(actual, desired)
    if not names and is_lab:
        return list(ours.values())
    known = ", ".join(sorted(ours)) or "none"
    if not names:
        raise UsageError("destroy wants names", next_step=f"say which; there are: {known}")
    vmids = {wanted.host: wanted.vmid for wanted in desired.containers}
    taken = {*actual.foreign, *actual.ours}
    absent = [name for name in names if name not in ours]
    wrong = [f"{name} is not a container of this environment" for name in absent
             if name not in vmids]  # fmt: skip
    wrong += [f"{name}: VMID {vmids[name]} is not ours" for name in absent
              if vmids.get(name) in taken]  # fmt: skip
    if wrong:
        raise UsageError("; ".join(wrong), next_step=f"nothing was touched; ours are: {known}")
    return [ours[name] for name in dict.fromkeys(names) if name in ours]


def ours_by_name(actual: Actual, desired: Desired) -> dict[str, Found]:
    """Host name -> container, where VMID and mark agree with the inventory; and orphans."""
    vmids = {wanted.host: wanted.vmid for wanted in desired.containers}
    named = {}
    for vmid, found in actual.ours.items():
        host = found.container.mark.host if found.container.mark else ""
        in_inventory = host in vmids
        if vmid == vmids.get(host) or (not in_inventory and vmid not in vmids.values()):
            named[host] = found
    return named


def destroy(
    chosen: Sequence[Found], api: Proxmox, ssh: Ssh, *, on_event: Callable[[Event], None]
) -> None:
    """Stop and delete `chosen`, and forget their host keys. Raises StepError naming failures."""

    def one(found: Found) -> ProvisionError | None:
        try:
            destroy_one(found, api, on_event=on_event)
        except ProvisionError as error:
            on_event(Event(found.container.hostname, f"failed: {error.problem.splitlines()[0]}"))
            return error
        ssh.forget(found.container.hostname)
        on_event(Event(found.container.hostname, "destroyed"))
        return None

    with ThreadPoolExecutor(max_workers=4) as pool:
        failures = [error for error in pool.map(one, chosen) if error is not None]
    if failures:
        raise StepError(
            "\n  ".join(error.problem for error in failures), next_step=failures[0].next_step
        )


def destroy_one(found: Found, api: Proxmox, *, on_event: Callable[[Event], None]) -> None:
    """Read, do the next thing, read again, until it is gone."""
    container = found.container
    path = f"nodes/{container.node}/lxc/{container.vmid}"
    now: Found | None = found
    for _ in range(TRIES):
        if now is None:
            check_not_moved(found, api)
            return
        is_deleted = False
        try:
            if now.is_running:
                on_event(Event(container.hostname, "stopping"))
                stop(api, path)
            on_event(Event(container.hostname, "destroying"))
            api.wait_for_task(api.delete(path, {"purge": 1}))
            is_deleted = True
        except UnknownOutcomeError:
            pass
        except ApiError as error:
            if not is_not_found(error):
                raise
        try:
            now = read_again(api, container.vmid, container.node)
        except ApiError as error:
            # Rights on /vms/ID go with the container: what remains is "not allowed".
            if is_deleted and error.status == HTTPStatus.FORBIDDEN:
                return
            raise
        if now is not None and now.container.mark != container.mark:
            return
    raise StepError(
        f"{container.hostname} (VMID {container.vmid}) is still there",
        next_step=f"see its tasks on {container.node} in Proxmox, then run this again",
    )


def wait_until_stopped(api: Proxmox, path: str) -> None:
    """HA's own task ends as soon as it is asked, not when the container has stopped."""
    deadline = api.clock() + SHUTDOWN_TIMEOUT_S
    while api.get(f"{path}/status/current").get("status") == "running":
        if api.clock() >= deadline:
            raise TaskError(
                f"{path} still runs {SHUTDOWN_TIMEOUT_S} s after it was told to stop",
                next_step="see its console in Proxmox (HA: ha-manager status), run this again",
                exit_status=None,
            )
        api.sleep(POLL_S)


def check_not_moved(found: Found, api: Proxmox) -> None:
    """Raise StepError when it is gone from its node because it runs on another one now."""
    container = found.container
    node = node_of(api, container.vmid)
    if node not in {None, container.node}:
        raise StepError(
            f"{container.hostname} (VMID {container.vmid}) moved to {node} meanwhile",
            next_step="run this again: it is looked for where it is",
        )


def stop(api: Proxmox, path: str) -> None:
    """A clean shutdown, and the hard way when it takes too long."""
    try:
        upid = api.post(f"{path}/status/shutdown", {"timeout": SHUTDOWN_TIMEOUT_S, "forceStop": 1})
        api.wait_for_task(upid)
    except ApiError as error:
        if "not running" not in error.text:
            raise
    except TaskError as error:
        if "did not stop" not in (error.exit_status or ""):
            raise
        api.wait_for_task(api.post(f"{path}/status/stop"))
    wait_until_stopped(api, path)
