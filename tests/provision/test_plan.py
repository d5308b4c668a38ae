"""Every row is a situation an operator can name."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision import wire
from provision.desired import desired
from provision.errors import PlanError
from provision.model import (
    Action,
    Actual,
    Change,
    Configure,
    Copy,
    Create,
    Foreign,
    Mark,
    Mount,
    Nic,
    Pending,
    Reboot,
    Resize,
    Start,
)
from provision.plan import REBUILD, aligned, check_destroy, check_ownership, plan, plan_one
from provision.wire import GIB, parse_container, parse_mount
from tests.provision.situations import (
    DEPLOYMENT,
    containers,
    desired_of,
    disk,
    found_from,
    inventory,
    wanted,
)

WEB, DB = (w.container for w in desired(inventory()).containers)


def numbered(container):
    """The container as it is created: with its devices' keys."""
    return plan_one(wanted(container), None).moves[0].container


def changed(container, **changes):
    """The step from a running `container` to one with `changes`."""
    return plan_one(wanted(replace(container, **changes)), found_from(numbered(container)))


def fields(step):
    return [(change.field, change.before, change.after) for change in step.changes]


def with_nic(container, number, **changes):
    nics = list(container.nics)
    nics[number] = replace(nics[number], **changes)
    return {"nics": tuple(nics)}


# ---------------------------------------------------------------- the whole plan


def test_a_missing_container_is_created_and_started():
    step = plan(desired_of(wanted(WEB)), Actual()).steps[0]

    assert step.action is Action.CREATE
    assert [type(move) for move in step.moves] == [Create, Start]
    assert ("net1.tag", None, 2112) in fields(step)


def test_a_matching_container_is_left_alone():
    found = found_from(numbered(WEB))

    planned = plan(desired_of(wanted(WEB)), Actual(ours={WEB.vmid: found}))

    assert planned.steps == ()
    assert planned.matching == (found,)
    assert not planned.has_moves
    assert not planned.has_refusals


def test_ours_that_the_inventory_no_longer_names_is_an_orphan_and_kept():
    found = found_from(numbered(DB))

    planned = plan(desired_of(wanted(WEB)), Actual(ours={DB.vmid: found}))

    assert planned.orphans == (found,)
    assert [step.wanted.vmid for step in planned.steps] == [WEB.vmid]


def test_a_moved_container_that_runs_stays_where_it_is_and_is_shown():
    found = replace(found_from(numbered(WEB)), container=replace(numbered(WEB), node="pve9"))

    (step,) = plan(desired_of(wanted(WEB)), Actual(ours={WEB.vmid: found})).steps

    assert (step.moves, step.changes) == ((), ())
    assert step.refusals[0].change == Change("node", "pve9", "pve1")


@given(containers(hwaddr=False))
def test_a_plan_after_applying_is_empty(container):
    found = found_from(container)

    assert plan(desired_of(wanted(container)), Actual(ours={container.vmid: found})).steps == ()


@given(containers(hwaddr=False), containers(hwaddr=False), st.randoms())
def test_what_can_be_changed_in_place_converges(before, after, random):
    """Applying the one PUT, the resizes and the start of any plan leaves only refusals."""
    after = replace(after, vmid=before.vmid, node=before.node, mark=before.mark)
    found = found_from(before, status=random.choice(["running", "stopped"]))

    step = plan_one(wanted(after), found)

    refused = {refusal.change.field for refusal in step.refusals}
    assert {change.field for change in applied(step, found).changes} <= refused


def applied(step, found):
    """Plan again over what the moves of `step` leave behind."""
    config = rendered(found)
    for move in step.moves:
        if isinstance(move, Configure):
            sizes = {key: parse_mount(key, text).size_bytes for key, text in config.items()
                     if key.startswith("mp")}  # fmt: skip
            config |= {
                key: measured(allocated(found.container.vmid, key, value), sizes.get(key))
                for key, value in move.set.items()
            }
            for key in move.delete:
                config.pop(key)
        if isinstance(move, Resize):
            first, _, rest = config[move.disk].partition(",size=")
            config[move.disk] = f"{first},size={move.size}" + "".join(
                f",{option}" for option in rest.split(",")[1:]
            )
    container = parse_container(found.container.vmid, found.container.node, config)
    return plan_one(step.wanted, replace(found, container=container, status="running"))


def rendered(found):
    c = found.container
    simple = {key: value for key, value in wire.render_simple(c).items() if value != ""}
    return {
        **simple,
        "unprivileged": 1,
        "rootfs": f"{c.disk.volume},size={wire.render_size(c.disk.size_bytes)}",
        **{nic.key: wire.render_nic(nic) for nic in c.nics},
        **{mount.key: wire.render_mount(mount) for mount in c.mounts},
    }


def measured(value, size_bytes):
    """A volume that is there has its own size, whatever was written beside it."""
    return re.sub("size=[^,]+", f"size={size_bytes}", str(value)) if size_bytes else value


def allocated(vmid, key, value):
    """A new volume gets a name and its size in bytes, as Proxmox does."""
    first, _, rest = str(value).partition(",")
    storage, _, gib = first.partition(":")
    if not key.startswith("mp") or not gib.replace(".", "").isdigit():
        return value
    return f"{storage}:vm-{vmid}-{key},size={round(float(gib) * GIB)},{rest}"


# ---------------------------------------------------------------- changes in place


@pytest.mark.parametrize(
    ("changes", "expected", "sent"),
    [
        ({"cores": 2}, ("cores", 1, 2), {"cores": 2}),
        ({"memory_mib": 1024}, ("memory_mib", 512, 1024), {"memory": 1024}),
        ({"swap_mib": 0}, ("swap_mib", 256, 0), {"swap": 0}),
        ({"hostname": "web2"}, ("hostname", "web", "web2"), {"hostname": "web2"}),
        ({"onboot": False}, ("onboot", True, False), {"onboot": 0}),
        ({"startup": "order=9"}, ("startup", "order=2", "order=9"), {"startup": "order=9"}),
        ({"protection": True}, ("protection", False, True), {"protection": 1}),
        ({"nameserver": "9.9.9.9"}, ("nameserver", None, "9.9.9.9"), {"nameserver": "9.9.9.9"}),
        ({"searchdomain": "a.org"}, ("searchdomain", None, "a.org"), {"searchdomain": "a.org"}),
        ({"tags": ("ctlv", "x")}, ("tags", "ctlv;ctlv-lab", "ctlv;x"), {"tags": "ctlv;x"}),
    ],
)
def test_a_changed_field_is_shown_and_sent_alone(changes, expected, sent):
    step = changed(WEB, **changes)

    assert fields(step) == [expected]
    assert step.moves == (Configure(set=sent, delete=(), digest="d1"),)
    assert step.action is Action.UPDATE


@pytest.mark.parametrize("field", ["features", "startup", "nameserver"])
def test_an_emptied_field_is_deleted_not_sent_empty(field):
    full = replace(WEB, nameserver="9.9.9.9")

    step = changed(full, **{field: () if field == "features" else ""})

    assert step.moves == (Configure(set={}, delete=(field,), digest="d1"),)


def test_a_note_travels_in_the_description_with_the_mark():
    (move,) = changed(WEB, note="Ask Zoé").moves

    assert list(move.set) == ["description"]
    assert move.set["description"].startswith("Ask Zoé\n\n```ctlv\n")
    assert f"deployment: {DEPLOYMENT}" in move.set["description"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tag": 2112}, ("net0.tag", 2028, 2112)),
        ({"tag": None}, ("net0.tag", 2028, None)),
        ({"gateway": None}, ("net0.gw", "198.18.28.1", None)),
        ({"ip": "198.18.28.9/24"}, ("net0.ip", "198.18.28.156/24", "198.18.28.9/24")),
        ({"bridge": "vmbr1"}, ("net0.bridge", "vmbr0", "vmbr1")),
        ({"firewall": True}, ("net0.firewall", None, True)),
        ({"mtu": 1400}, ("net0.mtu", None, 1400)),
    ],
    ids=["other VLAN", "tag removed", "gateway removed", "address", "bridge", "firewall", "mtu"],
)
def test_a_changed_interface_keeps_its_mac(changes, expected):
    step = changed(WEB, **with_nic(WEB, 0, **changes))

    assert fields(step) == [expected]
    (move,) = step.moves
    assert list(move.set) == ["net0"]
    assert "hwaddr=BC:24:11:00:00:00" in move.set["net0"]


def test_a_tag_that_someone_removed_is_seen():
    """community.proxmox#69: every wanted part was compared, a part too few or too many was not."""
    found = found_from(numbered(WEB))
    nics = (
        replace(found.container.nics[0], tag=None, other=(("rate", "10"),)),
        found.container.nics[1],
    )
    found = replace(found, container=replace(found.container, nics=nics))

    step = plan_one(wanted(WEB), found)

    assert set(fields(step)) == {("net0.rate", "10", None), ("net0.tag", None, 2028)}
    assert "rate" not in step.moves[0].set["net0"]


def test_an_interface_is_added_on_the_first_free_number():
    extra = Nic(name="eth2", bridge="vmbr0", tag=2112, ip="198.18.112.200/24")

    step = changed(WEB, nics=(extra, *WEB.nics))

    assert list(step.moves[0].set) == ["net2"]
    assert {change.field.partition(".")[0] for change in step.changes} == {"net2"}


def test_an_interface_is_removed_and_the_others_keep_their_numbers():
    step = changed(WEB, nics=WEB.nics[1:])

    assert step.moves == (Configure(set={}, delete=("net0",), digest="d1"),)


def test_an_interface_is_known_by_its_name_not_by_its_place():
    assert changed(WEB, nics=WEB.nics[::-1]).moves == ()


def test_of_two_interfaces_with_one_name_the_second_goes():
    found = found_from(numbered(WEB))
    twin = replace(found.container.nics[0], key="net5")
    found = replace(found, container=replace(found.container, nics=(*found.container.nics, twin)))

    assert plan_one(wanted(WEB), found).moves[0].delete == ("net5",)


def test_a_grown_disk_is_resized_never_sent_as_rootfs():
    step = changed(WEB, disk=disk(6))

    assert fields(step) == [("rootfs.size", "4G", "6G")]
    assert step.moves == (Resize(disk="rootfs", size="6G", digest="d1"),)


MOUNTED = replace(
    WEB, mounts=(Mount(path="/srv", storage="local-lvm", size_bytes=GIB, backup_enabled=False),)
)


def test_a_new_volume_is_allocated_once():
    step = changed(WEB, mounts=MOUNTED.mounts)

    assert step.moves == (Configure(set={"mp0": "local-lvm:1,mp=/srv"}, delete=(), digest="d1"),)


def test_a_grown_volume_is_resized_and_not_made_anew():
    grown = replace(MOUNTED.mounts[0], size_bytes=2 * GIB)

    assert changed(MOUNTED, mounts=(grown,)).moves == (Resize(disk="mp0", size="2G", digest="d1"),)


def test_an_option_of_a_volume_changes_with_its_present_size():
    grown = replace(MOUNTED.mounts[0], size_bytes=2 * GIB, backup_enabled=True)

    resize, configure = changed(MOUNTED, mounts=(grown,)).moves

    assert configure.set == {"mp0": "local-lvm:vm-2156-mp0,mp=/srv,backup=1,size=1G"}
    assert resize == Resize(disk="mp0", size="2G", digest="d1")


def test_several_changes_are_the_resizes_then_one_call():
    step = changed(WEB, cores=4, memory_mib=2048, disk=disk(8))

    assert [type(move) for move in step.moves] == [Resize, Configure]
    assert step.moves[1].set == {"cores": 4, "memory": 2048}


def test_a_stopped_container_is_started_after_its_changes():
    found = found_from(numbered(WEB), status="stopped")

    step = plan_one(wanted(replace(WEB, cores=2)), found)

    assert [type(move) for move in step.moves] == [Configure, Start]
    assert fields(step)[-1] == ("status", "stopped", "running")


# ---------------------------------------------------------------- what apply never does


@pytest.mark.parametrize(
    ("before", "changes", "field", "reason"),
    [
        (WEB, {"template": "debian-12-standard"}, "template", REBUILD),
        (WEB, {"unprivileged": False}, "unprivileged", REBUILD),
        (WEB, {"disk": disk(4, "tank")}, "rootfs.storage", REBUILD),
        (WEB, {"disk": disk(2)}, "rootfs.size", "a disk cannot shrink"),
        (MOUNTED, {"mounts": (replace(MOUNTED.mounts[0], size_bytes=GIB // 2),)}, "mp0.size",
         "a volume cannot shrink"),
        (MOUNTED, {"mounts": (replace(MOUNTED.mounts[0], storage="tank"),)}, "mp0.storage",
         "a volume is never moved by itself"),
        (replace(MOUNTED, mounts=(replace(MOUNTED.mounts[0], storage="", volume="/srv/x"),)),
         {"mounts": MOUNTED.mounts}, "mp0.storage",
         "a bind mount or device is never replaced by itself"),
        (MOUNTED, {"mounts": ()}, "mp0.path", "a volume is never detached by itself"),
        (replace(WEB, protection=True), {"mounts": MOUNTED.mounts}, "mp0.path",
         "protection forbids changes of volumes"),
    ],
    ids=["template", "privileges", "storage", "shrinking", "shrinking volume", "moved volume",
         "bind mount", "removed volume", "protected"],
)  # fmt: skip
def test_what_cannot_be_done_in_place_is_refused_with_a_way_out(before, changes, field, reason):
    step = changed(before, **changes)

    assert field in [refusal.change.field for refusal in step.refusals]
    assert reason in {refusal.reason for refusal in step.refusals}
    assert all(refusal.next_step for refusal in step.refusals)
    assert step.moves == ()
    assert step.action is Action.REFUSE


def test_a_refusal_does_not_stop_the_other_changes():
    step = changed(WEB, template="debian-12-standard", cores=2)

    assert step.moves == (Configure(set={"cores": 2}, delete=(), digest="d1"),)
    assert [refusal.change.field for refusal in step.refusals] == ["template"]


def test_the_template_of_an_adopted_container_is_not_asked_about():
    found = found_from(replace(numbered(WEB), template=None))

    assert plan_one(wanted(WEB), found).changes == ()
    assert aligned(WEB, found).template is None


# ---------------------------------------------------------------- restarts

PENDING = (Pending(key="nameserver", before=None, after="9.9.9.9"),)


def test_pending_changes_alone_are_shown_and_nothing_is_done():
    found = found_from(numbered(WEB), pending=PENDING)

    step = plan_one(wanted(WEB), found)

    assert (step.moves, step.pending) == ((), PENDING)


def test_pending_changes_are_applied_by_a_reboot_when_asked():
    found = found_from(numbered(WEB), pending=PENDING)

    assert plan_one(wanted(WEB), found, reboot=True).moves == (Reboot(),)


def test_the_reboot_comes_after_everything_else():
    found = found_from(numbered(WEB), pending=PENDING)

    step = plan_one(wanted(replace(WEB, cores=2)), found, reboot=True)

    assert [type(move) for move in step.moves] == [Configure, Reboot]


def test_a_stopped_container_with_pending_changes_needs_no_reboot():
    found = found_from(numbered(WEB), pending=PENDING, status="stopped")

    assert plan_one(wanted(WEB), found, reboot=True).moves == (Start(),)


# ---------------------------------------------------------------- whose it is


@pytest.mark.parametrize(
    ("guest", "text"),
    [
        (Foreign(vmid=2156, node="pve1", kind="virtual machine", name="mail"),
         "belongs to a guest that this project did not create: virtual machine 'mail'"),
        (Foreign(vmid=2156, node="pve1", kind="container", name="x", lock="create"),
         "is being created by someone, or was left half-created"),
        (Foreign(vmid=2156, node="pve1", kind="container", name="web",
                 mark=Mark(deployment="ffff0000", environment="lab", host="web")),
         "is web of lab, deployment ffff0000: not ours"),
    ],
    ids=["unmarked", "half-created", "other deployment"],
)  # fmt: skip
def test_a_vmid_that_is_not_ours_is_left_alone_and_keeps_no_other_back(guest, text):
    planned = plan(desired_of(wanted(WEB), wanted(DB)), Actual(foreign={2156: guest}))

    web, db = planned.steps
    assert (web.is_blocked, web.action, web.moves) == (True, Action.REFUSE, ())
    assert text in web.refusals[0].reason
    assert "lxc_vmid" in web.refusals[0].next_step
    assert db.action is Action.CREATE


@pytest.mark.parametrize(("kind", "may"), [("container", True), ("virtual machine", False)])
def test_a_container_that_is_nobodys_may_be_adopted(kind, may):
    guest = Foreign(vmid=2156, node="pve1", kind=kind, name="old-web")

    step = plan(desired_of(wanted(WEB)), Actual(foreign={2156: guest})).steps[0]

    assert ("make adopt NAME=web VMID=2156" in step.refusals[0].next_step) == may


def test_what_needs_all_containers_refuses_when_one_is_not_ours():
    with pytest.raises(PlanError, match="nothing was touched") as error:
        check_ownership(desired_of(wanted(WEB)), Actual(unread={2156: "it lies on pve2"}))

    assert "VMID 2156 (web): it lies on pve2" in error.value.problem


@pytest.mark.parametrize("is_original_there", [True, False])
def test_what_has_the_mark_of_a_host_under_another_vmid_is_a_copy(is_original_there):
    found = found_from(numbered(replace(WEB, vmid=999)))
    original = {WEB.vmid: found_from(numbered(WEB))} if is_original_there else {}

    planned = plan(desired_of(wanted(WEB)), Actual(ours={999: found} | original))

    assert planned.copies == (
        Copy(found=found, wanted=wanted(WEB), is_original_there=is_original_there),
    )
    assert planned.orphans == ()
    assert [step.action for step in planned.steps] == [Action.CREATE] * (not is_original_there)


def test_a_copy_is_known_by_its_mark_whatever_its_name_is():
    found = found_from(numbered(replace(WEB, vmid=999, hostname="try", mark=WEB.mark)))

    (copy,) = plan(desired_of(wanted(WEB)), Actual(ours={999: found})).copies

    assert copy.wanted.host == "web"


def test_what_could_not_be_read_is_passed_on():
    assert plan(desired_of(), Actual(unread={999: "no"})).unread == {999: "no"}


def test_a_vmid_that_holds_another_host_of_ours_is_left_alone():
    found = found_from(replace(numbered(DB), vmid=WEB.vmid))

    (step,) = plan(desired_of(wanted(WEB)), Actual(ours={WEB.vmid: found})).steps

    assert "VMID 2156 is db of this environment" in step.refusals[0].reason


@pytest.mark.parametrize(
    ("nodes", "text"),
    [({"pve1": "offline"}, "lxc_node pve1 is offline"),
     ({"pve2": "online"}, "lxc_node pve1 is no node of this cluster: pve2")],
)  # fmt: skip
def test_nothing_is_created_on_a_node_that_is_out_of_reach(nodes, text):
    (step,) = plan(desired_of(wanted(WEB)), Actual(nodes=nodes)).steps

    assert step.is_blocked
    assert text in step.refusals[0].reason
    assert plan(desired_of(wanted(WEB)), Actual(ours={2156: found_from(numbered(WEB))},
                                                nodes=nodes)).steps == ()  # fmt: skip


# ---------------------------------------------------------------- destroying


@pytest.mark.parametrize(
    ("changes", "lock", "text"),
    [
        ({"protection": True}, None, "web (VMID 2156) is protected"),
        ({}, "backup", "web (VMID 2156) is locked (backup)"),
        ({}, None, "web (VMID 2156) is running"),
    ],
    ids=["protected", "locked", "running"],
)
def test_destroy_refuses_before_it_touches_anything(changes, lock, text):
    found = found_from(numbered(replace(WEB, **changes)), lock=lock)

    with pytest.raises(PlanError, match="nothing was touched") as error:
        check_destroy([found], stop=False)

    assert text in error.value.problem


def test_destroy_stops_a_running_container_when_told():
    check_destroy([found_from(numbered(WEB))], stop=True)


def test_destroy_takes_a_stopped_container():
    check_destroy([found_from(numbered(WEB), status="stopped")], stop=False)


# ---------------------------------------------------------------- features, protection


@pytest.mark.parametrize(
    ("old", "way"),
    [
        ((("keyctl", "1"), ("nesting", "1")), "pct set 2156 --features nesting=1"),
        ((("fuse", "1"),), "pct set 2156 --features nesting=1"),
    ],
    ids=["keyctl beside nesting", "fuse"],
)
def test_features_that_only_root_may_change_are_left_and_said(old, way):
    """bpg#344, Telmate#155: the call failed with 403 in the middle of the run."""
    found = found_from(numbered(WEB))
    found = replace(found, container=replace(found.container, features=old))

    step = plan_one(wanted(WEB), found)

    assert step.moves == ()
    (refusal,) = step.refusals
    assert "only root@pam may change features" in refusal.reason
    assert refusal.next_step == f"on pve1, as root: {way}"


def test_features_that_are_all_to_go_name_the_way():
    found = found_from(numbered(WEB))
    found = replace(found, container=replace(found.container, features=(("mknod", "1"),)))

    (refusal,) = plan_one(wanted(replace(WEB, features=())), found).refusals

    assert refusal.next_step.endswith("pct set 2156 --delete features")


def test_nesting_alone_is_ours_to_change():
    step = changed(replace(WEB, features=()), features=(("nesting", "1"),))

    assert step.refusals == ()
    assert step.moves[0].set == {"features": "nesting=1"}


def test_a_protected_containers_volume_may_grow():
    """Protection forbids setting and removing volumes, not resizing them."""
    mount = Mount(path="/srv", storage="local-lvm", size_bytes=GIB)
    base = replace(WEB, mounts=(mount,), protection=True)

    step = changed(base, mounts=(replace(mount, size_bytes=2 * GIB),))

    assert step.refusals == ()
    assert [type(move) for move in step.moves] == [Resize]


def test_a_protection_that_is_to_go_holds_a_new_volume_until_the_second_apply():
    mount = Mount(path="/srv", storage="local-lvm", size_bytes=GIB)

    step = changed(replace(WEB, protection=True), protection=False, mounts=(mount,))

    assert step.refusals[0].next_step == "apply twice: the first time lifts the protection"


def test_a_lock_that_a_failed_destruction_left_has_a_way_out():
    found = found_from(numbered(WEB), status="stopped", lock="destroyed")

    with pytest.raises(PlanError) as error:
        check_destroy([found], stop=True)
    assert "on pve1: pct unlock 2156" in error.value.next_step


# ---------------------------------------------------------------- what only root can do


def test_a_template_is_refused_and_nothing_else_of_it_is_looked_at():
    step = plan_one(wanted(WEB), found_from(numbered(WEB), is_template=True))
    assert not step.moves
    assert step.refusals[0].reason == f"VMID {WEB.vmid} is a template, which never runs"


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_network_that_the_token_may_not_use_is_left_to_root_alone(is_wanted):
    there = numbered(replace(WEB, **with_nic(WEB, 1, tag=99)))
    goal = WEB if is_wanted else replace(WEB, nics=WEB.nics[:1])
    found = found_from(there, denied=frozenset({"net1"}))
    step = plan_one(wanted(replace(goal, memory_mib=2048)), found)

    (refusal,) = step.refusals
    assert refusal.next_step.startswith(f"on {WEB.node}, as root: pct set {WEB.vmid} ")
    assert ("tag=2112" if is_wanted else "--delete net1") in refusal.next_step
    assert [change.field for change in step.changes] == ["memory_mib"]


def test_what_is_in_nobodys_way_is_no_obstacle():
    check_ownership(desired_of(wanted(WEB)), Actual(ours={WEB.vmid: found_from(numbered(WEB))}))
