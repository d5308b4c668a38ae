"""What creating needs beyond the call itself: a template, a bridge, and patience with others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus

from provision.actual import is_being_created, read_again
from provision.desired import Desired
from provision.errors import ApiError, OperatorError, PlanError, TaskError
from provision.model import Action, Actual, Event, Found, Migrate, Plan, Step, Wanted
from provision.proxmox import Proxmox
from provision.wire import newest_template

# A creation whose answer was lost shows itself within this time, or did not happen.
SETTLE_S = 12.0
POLL_S = 0.3
DOWNLOAD_TIMEOUT_S = 1800.0
BRIDGE_TYPES = frozenset({"bridge", "OVSBridge", "vnet"})


# ---------------------------------------------------------------- others' creations


def wait_for_creations(
    api: Proxmox,
    actual: Actual,
    desired: Desired,
    *,
    timeout_s: float,
    on_event: Callable[[Event], None],
) -> bool:
    """Wait until no container of ours is being created; True when there was one to wait for.

    Until its task has ended a container shows little but the lock "create"; our mark comes late.
    """
    waited = False
    for wanted in desired.containers:
        node = creating_on(actual, wanted.vmid)
        if node is not None:
            waited = True
            settle(
                api,
                wanted,
                node,
                timeout_s=timeout_s,
                on_wait=partial(on_event, Event(wanted.host, "waiting for a creation under way")),
            )
    return waited


def creating_on(actual: Actual, vmid: int) -> str | None:
    """The node on which this VMID is being created, ours or not; None when it is not."""
    guest, found = actual.foreign.get(vmid), actual.ours.get(vmid)
    if guest is not None and guest.lock == "create":
        return guest.node
    return found.container.node if found is not None and found.lock == "create" else None


def settle(
    api: Proxmox, wanted: Wanted, node: str, *, timeout_s: float, on_wait: Callable[[], None]
) -> Found | None:
    """Wait until a creation that somebody began has ended somehow; return what is there.

    Raises TaskError for a container that was left half-created.
    """
    deadline = api.clock() + timeout_s
    quiet_until = api.clock() + SETTLE_S
    while True:
        found = None
        try:
            found = read_again(api, wanted.vmid, node)
        except ApiError as error:
            # It joins its pool, where our token sees it, as the last thing of its creation.
            if error.status != HTTPStatus.FORBIDDEN:
                raise
        if found is not None and found.lock != "create":
            return found
        if is_being_created(api, wanted.vmid, node):
            quiet_until = api.clock() + SETTLE_S
        if api.clock() >= min(quiet_until, deadline):
            break
        on_wait()
        api.sleep(POLL_S)
    if found is None:
        return None
    vmid = wanted.vmid
    raise TaskError(
        f"{wanted.host} (VMID {vmid}): it is half-created (lock 'create', but no task runs)",
        next_step=f"on {node}: pct unlock {vmid} && pct destroy {vmid}; run this again",
        exit_status=None,
    )


# ---------------------------------------------------------------- before the first creation


def check_bridges(plan: Plan, api: Proxmox) -> None:
    """Raise PlanError for a bridge that its node lacks: Proxmox would accept it silently."""
    needed = {
        (node, nic.bridge)
        for step in plan.steps
        if step.moves
        for node in nodes_of(step)
        for nic in step.wanted.container.nics
    }
    missing = []
    for node in sorted({node for node, _ in needed}):
        there = bridges(api, node)
        # None at all: the token may not see them, or the API hides them. Creation will tell.
        missing += [
            f"there is no bridge {bridge} on {node} (there are: {', '.join(sorted(there))})"
            for on, bridge in sorted(needed, key=str)
            if on == node and there and bridge not in there
        ]
    if missing:
        raise PlanError(
            "\n  ".join(missing),
            next_step="correct lxc_bridge in the inventory; nothing was touched",
        )


def nodes_of(step: Step) -> set[str]:
    """Where it is, and where it will be."""
    nodes = {(step.before or step.wanted).container.node}
    return nodes | {move.node for move in step.moves if isinstance(move, Migrate)}


def bridges(api: Proxmox, node: str) -> frozenset[str]:
    interfaces = api.get(f"nodes/{node}/network", type="any_bridge")
    return frozenset(str(i["iface"]) for i in interfaces if i.get("type") in BRIDGE_TYPES)


def find_templates(
    plan: Plan, api: Proxmox, *, on_event: Callable[[Event], None]
) -> dict[tuple[str, str, str], str]:
    """(node, storage, name) -> volume of each template that is needed; fetches missing ones."""
    creating = [step.wanted for step in plan.steps if step.action is Action.CREATE]
    keys = {(w.container.node, w.template_storage, str(w.container.template)) for w in creating}
    return {key: find_template(*key, api=api, on_event=on_event) for key in sorted(keys)}


def find_template(
    node: str, storage: str, name: str, *, api: Proxmox, on_event: Callable[[Event], None]
) -> str:
    found = stored_template(node, storage, name, api=api)
    if found is not None:
        return found
    index = api.get(f"nodes/{node}/aplinfo")
    known = [str(item["template"]) for item in index if item.get("template")]
    file = newest_template(name, [f"{storage}:vztmpl/{template}" for template in known])
    if file is None:
        raise PlanError(
            f"there is no template {name} on {storage} of {node}, nor in the node's index",
            next_step=f"on {node}: pveam update; then run this again",
        )
    template = file.rpartition("/")[2]
    on_event(Event(template, f"downloading to {storage}"))
    upid = api.post(f"nodes/{node}/aplinfo", {"storage": storage, "template": template})
    api.wait_for_task(
        upid,
        timeout_s=DOWNLOAD_TIMEOUT_S,
        on_poll=lambda: on_event(Event(template, download_state(api.task_log(upid)))),
    )
    on_event(Event(template, f"ready: on {storage} of {node}"))
    found = stored_template(node, storage, name, api=api)
    if found is None:
        raise OperatorError(
            f"{template} was downloaded, but {storage} of {node} does not list it",
            next_step=f"see the content of {storage} in Proxmox, then run this again",
        )
    return found


def download_state(log: Sequence[str]) -> str:
    """The last percentage in the log of a download (wget's dots), else its last line."""
    lines = [line.strip() for line in log if line.strip()]
    shares = [share for line in lines for share in re.findall(r"\b(\d{1,3})%", line)]
    if shares:
        return f"downloading, {shares[-1]} %"
    return f"downloading: {lines[-1][:60]}" if lines else "downloading"


def stored_template(node: str, storage: str, name: str, *, api: Proxmox) -> str | None:
    content = api.get(f"nodes/{node}/storage/{storage}/content", content="vztmpl")
    return newest_template(name, [str(item["volid"]) for item in content])


def check_assumed(plan: Plan, desired: Desired) -> None:
    """Nothing is created while the inventory still holds guesses."""
    creating = [step.wanted.host for step in plan.steps if step.action is Action.CREATE]
    if creating and desired.assumed:
        listed = "".join(f"\n  {entry}" for entry in desired.assumed)
        raise PlanError(
            f"{len(desired.assumed)} values are still assumed, so nothing is created:{listed}",
            next_step="check each with the cluster's administrator, then empty lxc_assumed in "
            f"inventory/{desired.environment}/group_vars/all/containers.yml",
        )
