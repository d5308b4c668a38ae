"""On which node a container shall lie, and how it gets there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.desired import desired
from provision.inventory import Inventory
from provision.model import Action, Actual, Migrate, Mount, Reboot, Start, Storage
from provision.placement import crowded, kept_away, services, together
from provision.plan import plan, plan_one
from provision.wire import GIB
from tests.provision.situations import WEB, desired_of, found_from, many, wanted

(ONE,) = (w.container for w in desired(Inventory(environment="lab", hosts={"web": WEB})).containers)


def numbered(container):
    return plan_one(wanted(container), None).moves[0].container


def webs(*nodes, **changes):
    """One web container on each of `nodes`."""
    hosts = {
        host: {**values, **changes, "lxc_node": node}
        for (host, values), node in zip(many(len(nodes)).hosts.items(), nodes, strict=True)
    }
    return Inventory(environment="lab", hosts=hosts, groups={"web": [*hosts], "all": [*hosts]})


def cluster_of(*nodes, off=(), storage="local-lvm", there=()):
    """What the API tells of nodes that all have a storage, and of containers of ours."""
    found = [found_from(numbered(container)) for container in there]
    return Actual(
        ours={entry.container.vmid: entry for entry in found},
        nodes={node: "offline" if node in off else "online" for node in nodes},
        storages=tuple(
            Storage(
                name=storage, node=node, type="lvmthin", content="rootdir", is_active=True,
                is_shared=False, free_bytes=1, can_snapshot=True, can_resize=True, is_thin=True,
            )
            for node in nodes
        ),
    )  # fmt: skip


# ---------------------------------------------------------------- apart


@pytest.mark.parametrize(
    ("nodes", "there", "refused"),
    [
        (["a", "b"], ["a", "b"], []),
        (["a", "a"], ["a", "b"], ["ct001"]),
        (["a", "a"], ["a"], []),
        (["a", "a", "a"], ["a", "b", "c"], ["ct001", "ct002"]),
        (["a", "a", "b", "b"], ["a", "b", "c"], []),
        (["a", "a", "a", "b"], ["a", "b", "c"], ["ct002"]),
        (["a", "a"], [], []),
    ],
    ids=["apart", "two on one", "no other node", "three on one", "four on three",
         "three of four on one", "nobody knows the nodes"],
)  # fmt: skip
def test_no_node_gets_more_of_a_service_than_it_must(nodes, there, refused):
    wants = desired(webs(*nodes))

    found = crowded(wants, cluster_of(*there))

    names = {w.vmid: w.host for w in wants.containers}
    assert [names[vmid] for vmid in found] == refused


def test_it_is_said_who_else_is_there_and_which_nodes_are_free():
    (found,) = crowded(desired(webs("a", "a")), cluster_of("a", "b", "c")).values()

    assert found == (
        "VMID 3001 (ct001): a is for ct000 of web too, whose 2 containers have 3 nodes: a, b, c",
        "set lxc_node: b or c in inventory/lab/host_vars/ct001/container.yml",
    )


def test_a_node_that_is_off_or_lacks_the_storage_is_no_node_for_it():
    assert not crowded(desired(webs("a", "a")), cluster_of("a", "b", off=["b"]))
    assert not crowded(desired(webs("a", "a")), cluster_of("a", "b", storage="other"))


def test_what_lies_on_a_node_already_stays_and_the_newcomer_is_refused():
    wants = desired(webs("a", "a"))
    second = wants.containers[1].container

    found = crowded(wants, cluster_of("a", "b", there=[second]))

    assert [*found] == [wants.containers[0].vmid]
    both = [w.container for w in wants.containers]
    assert not crowded(wants, cluster_of("a", "b", there=both))


def test_a_service_of_one_may_be_anywhere_and_different_services_share_a_node():
    wants = replace(desired(webs("a", "a")), groups=(("web", ("ct000",)), ("rest", ("ct001",))))

    assert not crowded(wants, cluster_of("a", "b"))


@pytest.mark.parametrize(
    ("nodes", "there", "wrong"),
    [
        (["a", "a"], ["a", "b"], "all 2 are on a, and these could have some: a, b"),
        (["a", "b"], ["a", "b"], None),
        (["a", "a"], ["a"], None),
    ],
    ids=["together", "apart", "no other node"],
)
def test_verify_proves_that_no_service_lies_on_one_node(nodes, there, wrong):
    wants = desired(webs(*nodes))
    ((_, members),) = services(wants)

    actual = cluster_of(*there, there=[member.container for member in members])

    assert together(members, actual) == wrong


# ---------------------------------------------------------------- another node


def moved(container=ONE, *, reboot=False, status="running", **changes):
    """The step of a container that is on pve2 and shall be on pve1."""
    before = found_from(replace(numbered(container), node="pve2"), status=status)
    return plan_one(wanted(replace(container, **changes)), before, reboot=reboot)


def test_a_stopped_container_is_moved_and_then_started():
    step = moved(status="stopped")

    assert [str(c.field) for c in step.changes] == ["node", "status"]
    assert step.moves == (Migrate(node="pve1"), Start())


def test_a_running_container_is_moved_by_a_restart_that_was_asked_for():
    step = moved()

    assert (step.action, step.changes) == (Action.REFUSE, ())
    (refusal,) = step.refusals
    assert (refusal.change.before, refusal.change.after) == ("pve2", "pve1")
    assert refusal.next_step.startswith("make provision REBOOT=1 moves it; to leave it there, set")
    assert moved(reboot=True).moves == (Migrate(node="pve1"),)


def test_what_waits_for_a_restart_comes_with_the_one_that_moves_it():
    step = moved(reboot=True, nameserver="9.9.9.9")

    assert Reboot() not in step.moves
    assert step.moves[-1] == Migrate(node="pve1")


def test_disks_go_to_the_storage_that_the_inventory_says_now():
    mounts = (Mount(path="/srv", storage="local-lvm", size_bytes=GIB),)
    base = replace(ONE, mounts=mounts)
    elsewhere = {
        "disk": replace(ONE.disk, storage="zfs"),
        "mounts": (replace(mounts[0], storage="zfs"),),
    }

    step = moved(base, status="stopped", **elsewhere)

    assert step.moves == (Migrate(node="pve1", storages=(("local-lvm", "zfs"),)), Start())
    assert [c.field for c in step.changes][:3] == ["node", "rootfs.storage", "mp0.storage"]
    assert step.refusals == ()


def test_one_storage_cannot_become_two():
    mounts = (Mount(path="/srv", storage="local-lvm", size_bytes=GIB),)

    step = moved(
        replace(ONE, mounts=mounts), status="stopped", disk=replace(ONE.disk, storage="zfs")
    )

    assert step.moves[0] == Migrate(node="pve1")
    assert [r.change.field for r in step.refusals] == ["rootfs.storage"]


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ({"pve1": "offline", "pve2": "online"}, "lxc_node pve1 is offline"),
        ({"pve2": "online"}, "lxc_node pve1 is no node of this cluster"),
    ],
)
def test_it_stays_when_its_node_is_out_of_reach_and_the_rest_is_changed(nodes, text):
    found = found_from(replace(numbered(ONE), node="pve2"))
    wants = desired_of(wanted(replace(ONE, cores=2)))

    (step,) = plan(wants, Actual(ours={ONE.vmid: found}, nodes=nodes), reboot=True).steps

    assert text in step.refusals[0].reason
    assert [c.field for c in step.changes] == ["cores"]
    assert kept_away(wants, Actual(nodes={"pve1": "online"})) == {}
