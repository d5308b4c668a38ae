"""Take over a container that was made by hand. Marks it; changes nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from provision.actual import is_ours, read_again, with_denied, with_unmanaged
from provision.desired import Desired
from provision.errors import OperatorError, PlanError
from provision.model import Found, Step, Wanted
from provision.plan import plan_one
from provision.proxmox import Proxmox
from provision.rights import join_line
from provision.wire import render_description, render_tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What would be taken over, and what differs from the inventory once it is."""

    wanted: Wanted
    found: Found
    differences: Step
    is_ours_already: bool
    # Root's line that puts it into the pool; empty when it is there, or none is wanted.
    join_line: str


def choose(desired: Desired, name: str, vmid: int | None) -> Wanted:
    """The inventory's entry for `name`. Raises OperatorError without one, or for another VMID."""
    wanted = next((w for w in desired.containers if w.host == name), None)
    if wanted is None:
        names = ", ".join(w.host for w in desired.containers)
        raise OperatorError(
            f"{name} is not in the inventory (there are: {names})",
            next_step="give the container a name and variables in the inventory first",
        )
    if vmid is not None and vmid != wanted.vmid:
        raise OperatorError(
            f"the inventory says VMID {wanted.vmid} for {name}, not {vmid}",
            next_step=f"look at both: make plan; when {vmid} is the one, set lxc_vmid: {vmid} in "
            f"host_vars/{name}/container.yml ({wanted.vmid} is the copy then), run this again",
        )
    return wanted


def examine(api: Proxmox, desired: Desired, wanted: Wanted) -> Adoption:
    """Look at the container. Raises PlanError, naming every reason, when it must not be taken."""
    resources = api.get("cluster/resources", type="vm")
    item = next((i for i in resources if int(i.get("vmid", 0)) == wanted.vmid), None)
    if item is None:
        join = join_line(desired.pool, wanted.vmid) if desired.pool else ""
        raise PlanError(
            f"there is no container with VMID {wanted.vmid}, or the token cannot see it",
            next_step="check lxc_vmid; 'make doctor' prints what the token needs"
            + f"; when it is not in the pool yet, on a node, as root: {join}" * bool(join),
        )
    found = None
    if item.get("type") == "lxc":
        found = read_again(api, wanted.vmid, str(item["node"]))
    if found is None:
        raise PlanError(
            f"VMID {wanted.vmid} is not a container but {item.get('type')} {item.get('name')!r}",
            next_step="choose another lxc_vmid",
        )
    found = with_unmanaged(api, with_denied(api, found, wanted))
    return judge(desired, wanted, found, pool=str(item.get("pool") or ""))


def judge(desired: Desired, wanted: Wanted, found: Found, *, pool: str) -> Adoption:
    """Pure: may it be taken over, and what would differ? Raises PlanError with every reason."""
    mark = found.container.mark
    mine = is_ours(mark, desired) and mark is not None and mark.host == wanted.host
    problems = [] if mine else reasons_against(found)
    if problems:
        raise PlanError(
            "\n  ".join(f"VMID {wanted.vmid}: {problem}" for problem in problems),
            next_step="rebuild it instead: back its data up, choose a free lxc_vmid for "
            f"{wanted.host}, make provision, restore, then remove the old one by hand",
        )
    marked = replace(found, container=replace(found.container, mark=wanted.container.mark))
    return Adoption(
        wanted=wanted,
        found=found,
        differences=plan_one(wanted, marked),
        is_ours_already=mine,
        join_line=join_line(desired.pool, wanted.vmid, now=pool)
        if desired.pool not in ("", pool)
        else "",
    )


def reasons_against(found: Found) -> list[str]:
    container = found.container
    reasons = []
    if container.mark is not None:
        mark = container.mark
        reasons.append(f"it is {mark.host} of {mark.environment}, deployment {mark.deployment}")
    if not container.unprivileged:
        reasons.append("it is privileged, which Proxmox cannot change afterwards")
    if found.ostype != "debian":
        reasons.append(f"it runs {found.ostype or 'an unknown system'}, not Debian")
    if found.is_template:
        reasons.append("it is a template")
    if found.lock:
        reasons.append(f"it is locked ({found.lock})")
    return reasons


def mark_container(api: Proxmox, adoption: Adoption) -> None:
    """Write our block below its note, and add our tags to its own. Needs no restart."""
    container = adoption.found.container
    api.put(
        f"nodes/{container.node}/lxc/{container.vmid}/config",
        {
            "description": render_description(
                container.note, adoption.wanted.container.mark, container.template
            ),
            "tags": render_tags([*container.tags, *adoption.wanted.container.tags]),
            "digest": adoption.found.digest,
        },
    )


def console_lines(adoption: Adoption, public_keys: str) -> Sequence[str]:
    """What root types on the node: keys can be injected at creation only, and pools are root's."""
    container = adoption.found.container
    run = f"pct exec {container.vmid} --"
    keys = public_keys.splitlines()
    return [
        *filter(None, [adoption.join_line]),
        f"{run} apt-get install --yes openssh-server python3",
        f"{run} install --directory --mode=0700 /root/.ssh",
        *(f"echo '{key}' | {run} tee --append /root/.ssh/authorized_keys" for key in keys),
        f"{run} chmod 0600 /root/.ssh/authorized_keys",
        f"{run} passwd --lock root",
        f"{run} ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    ]
