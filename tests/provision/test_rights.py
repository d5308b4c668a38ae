"""doctor's lines, pasted once or twice, give exactly the rights that every verb needs: in a pool,
and on /vms."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

from provision import creation
from provision.desired import desired
from provision.errors import OperatorError
from provision.proxmox import Proxmox
from provision.rights import ROLES, needed, pveum_commands, too_much
from tests.provision.conftest import TOKEN, VM_PRIVILEGES
from tests.provision.situations import inventory

USER = TOKEN.partition("!")[0]
POOL = "/pool/ctlv"


class Pveum:
    """What the lines leave behind. `add` of what exists fails, `modify` of what does not."""

    def __init__(self):
        self.roles, self.acl, self.known, self.members = {}, set(), set(), {}

    def run(self, line):
        """A line of root's shell: one command, or one for when it failed."""
        for command in line.split(" || "):
            if self.command(shlex.split(command, comments=True)):
                return True
        return line.startswith("#")

    def command(self, words):
        if not words:
            return False
        plain, said = [], {}
        rest = iter(words[1:])
        for word in rest:
            if word.startswith("--"):
                said[word[2:]] = next(rest)
            else:
                plain.append(word)
        verb, place = plain[-2], plain[-1]
        if plain[0] == "acl":
            entry = (place, said.get("users") or said["tokens"], said["roles"])
            assert said["roles"] in self.roles
            assert ("user", entry[1]) in self.known or ("user", "token", entry[1]) in self.known
            (self.acl.add if verb == "modify" else self.acl.discard)(entry)
            return True
        kind = tuple(plain[:-2])
        if plain[:2] == ["user", "token"]:
            verb, kind, place = plain[2], ("user", "token"), f"{plain[3]}!{plain[4]}"
            assert said == {"privsep": "1"}
        if (verb == "add") == ((*kind, place) in self.known):
            return False
        self.known.add((*kind, place))
        if kind == ("role",):
            self.roles[place] = set(said["privs"].split())
        if "vms" in said:
            self.members[int(said["vms"])] = place
        return True

    def held_by(self, who):
        return {(path, role) for path, holder, role in self.acl if holder == who}

    def teach(self, pve):
        """Give these rights, and no others, to the fake server."""
        pve.acl = {}
        for path, role in sorted(self.held_by(TOKEN)):
            pve.grant(TOKEN, path, *self.roles[role])
        pve.pools = {place[-1]: pve.pools.get(place[-1], set())
                     for place in self.known if place[0] == "pool"}  # fmt: skip
        for vmid, pool in self.members.items():
            pve._pool_join(pool, vmid)


def choose(cluster, pool):
    for host in ("web", "db"):
        cluster.change(host, lxc_pool=pool)
    return desired(cluster.inventory)


def pasted(lines, *, times=1):
    pveum = Pveum()
    for line in list(lines) * times:
        assert pveum.run(line), line
    return pveum


@pytest.fixture(params=["ctlv", ""], ids=["in a pool", "on /vms"])
def granted(cluster, healthy, able, request):
    """Exactly what doctor's lines grant."""
    wanted = choose(cluster, request.param)
    pasted(pveum_commands(wanted, *TOKEN.split("!"))).teach(cluster.pve)
    return cluster


def test_every_verb_works_with_exactly_the_rights_of_doctors_lines(granted):
    assert granted.run("doctor") == 0, granted.out
    assert "too much" not in granted.out
    assert granted.apply() == 0, granted.out
    assert granted.run("plan") == 0, granted.out
    assert set(granted.ct(2156).config["tags"].split(";")) >= {"ctlv", "ctlv-lab"}

    granted.change("web", lxc_memory_mib=768, lxc_disk_gib=5, lxc_tags=["more"], lxc_note="x",
                   lxc_mounts=[{"path": "/srv/x", "size_gib": 1}])  # fmt: skip
    assert granted.apply() == 0, granted.out
    assert granted.run("doctor") == 0, granted.out
    assert "too much" not in granted.out
    assert granted.run("snapshot", "--name", "before", "--yes") == 0, granted.err
    assert granted.run("snapshot-restore", "before", "--yes") == 0, granted.err
    assert granted.run("status") == 0
    assert granted.run("destroy", "web", "--yes", "--stop") == 0, granted.err
    assert granted.apply() == 0, granted.out


def test_a_vnet_is_asked_for_in_the_zone_that_it_lies_in(cluster, healthy):
    cluster.pve.vnets = {"vnet1": "campus"}
    healthy["/nodes/{node}/network"].append({"iface": "vnet1", "type": "vnet"})
    for host in ("web", "db"):
        cluster.change(host, lxc_bridge="vnet1")
    assert cluster.apply() == 1
    assert "lacks SDN.Use on /sdn/zones/campus/vnet1/2" in cluster.out
    assert "Next: it is a vnet: set lxc_sdn_zone to the zone in this path" in cluster.out

    for host in ("web", "db"):
        cluster.change(host, lxc_sdn_zone="campus")
    pasted(pveum_commands(desired(cluster.inventory), *TOKEN.split("!"))).teach(cluster.pve)

    assert cluster.run("doctor") == 0, cluster.out
    assert cluster.apply() == 0, cluster.out
    assert cluster.run("plan") == 0, cluster.out


def test_containers_are_created_in_the_pool(cluster):
    cluster.pve.pools["ctlv"] = set()
    choose(cluster, "ctlv")

    assert cluster.apply() == 0, cluster.out
    assert cluster.pve.pools["ctlv"] == {2156, 2157}


def test_a_pool_that_is_not_there_is_named_before_and_after(cluster, healthy):
    choose(cluster, "ctlv")

    assert cluster.run("doctor") == 1
    assert "BAD   pool: ctlv is not there" in cluster.out
    assert "pveum pool add ctlv || pveum pool modify ctlv" in cluster.out
    assert cluster.apply() == 1
    assert "pool 'ctlv' does not exist" in cluster.out
    assert "make doctor" in cluster.out


def test_what_a_killed_run_left_being_created_in_the_pool_is_finished_by_the_next(
    cluster, monkeypatch
):
    """Until it is in the pool the list does not show it, and its VMID is taken."""
    monkeypatch.setattr(creation, "SETTLE_S", 0.5)
    wanted = choose(cluster, "ctlv")
    pasted(pveum_commands(wanted, *TOKEN.split("!"))).teach(cluster.pve)
    cluster.pve.time_scale, cluster.pve.ct_secs["create"] = 1, 3.0
    with monkeypatch.context() as first:
        first.setattr(Proxmox, "wait_for_task", killed)
        assert cluster.apply() == 1
    assert {ct.config.get("lock") for ct in cluster.pve.cts} == {"create"}

    assert cluster.apply() == 0, cluster.out + cluster.err
    assert {ct.status for ct in cluster.pve.cts} == {"running"}
    assert cluster.run("plan") == 0, cluster.out


def killed(*_, **__):
    raise OperatorError("killed", next_step="run it again")


# ---------------------------------------------------------------- the lines


@pytest.mark.parametrize("pool", ["ctlv", "a/b", ""])
def test_the_lines_may_be_pasted_twice_and_mend_a_role_that_exists(pool):
    wanted = desired(inventory())
    lines = pveum_commands(replace(wanted, pool=pool), USER, "test")
    pveum = Pveum()
    pveum.known.add(("role", "CTLVContainers"))
    pveum.roles["CTLVContainers"] = {"VM.Audit", "VM.Console"}

    for line in lines * 2:
        assert pveum.run(line), line

    unasked = {"CTLVMove", "CTLVHA"} | (set() if pool else {"CTLVPool"})
    assert pveum.roles == {role: set(own) for role, own in ROLES.items() if role not in unasked}
    assert pveum.held_by(USER) == pveum.held_by(TOKEN)


def test_in_a_pool_the_lines_reach_no_guest_but_the_pools_own():
    wanted = desired(inventory())
    lines = pveum_commands(replace(wanted, pool="ctlv"), USER, "test")

    paths = {line.split()[3] for line in lines if line.startswith("pveum acl")}
    assert {path.split("/")[1] for path in paths} == {"pool", "storage", "sdn"}
    assert POOL in paths


@pytest.mark.parametrize("pool", ["ctlv", ""])
def test_each_missing_privilege_is_named(cluster, healthy, pool):
    wanted = choose(cluster, pool)
    pveum = pasted(pveum_commands(wanted, *TOKEN.split("!")))
    for path, privileges in needed(wanted).items():
        for privilege in sorted(privileges):
            pveum.teach(cluster.pve)
            for granted, own in cluster.pve.acl[TOKEN]:
                if path == granted or path.startswith(f"{granted}/"):
                    own.discard(privilege)
            assert cluster.run("doctor") == 1
            assert re.search(rf"lacks .*{privilege}.* on {path}\n", cluster.out), cluster.out


# ---------------------------------------------------------------- too much

WIDER = [
    ("/vms", "VM.Audit"),
    ("/", "Sys.Audit"),
    ("/vms/999", "VM.Console"),
    ("/storage/local", "Datastore.Allocate"),
    ("/sdn/zones/localnetwork/vmbr0", "SDN.Use"),
    ("/pool/other", "VM.Audit"),
]


@pytest.mark.parametrize("wider", WIDER, ids=[path for path, _ in WIDER])
def test_doctor_says_which_right_is_too_much(cluster, healthy, wider):
    path, privilege = wider
    wanted = choose(cluster, "ctlv")
    pasted(pveum_commands(wanted, *TOKEN.split("!"))).teach(cluster.pve)
    cluster.pve.pools["other"] = {999}
    cluster.pve.grant(TOKEN, path, privilege)

    assert cluster.run("doctor") == 0, cluster.out
    assert f"note  privileges: too much, on {path}: {privilege}\n" in cluster.out
    assert cluster.out.count("too much") == 1, "once, at the highest path that has it"
    assert f"pveum acl delete {path} --tokens '{TOKEN}'" in cluster.out


def test_the_rights_of_an_earlier_release_are_named_with_the_lines_that_take_them_back(
    cluster, healthy
):
    wanted = choose(cluster, "ctlv")
    pasted(pveum_commands(wanted, *TOKEN.split("!"))).teach(cluster.pve)
    cluster.pve.grant(TOKEN, "/vms", *VM_PRIVILEGES)

    assert cluster.run("doctor") == 0, cluster.out
    assert f"pveum acl delete /vms --users {USER} --roles CTLVContainers; " in cluster.out


def test_what_is_held_above_is_not_said_again_below():
    held = {"/": frozenset({"A"}), "/vms": frozenset({"A", "B"}), "/vms/1": frozenset({"A", "B"})}

    assert too_much(held, {"/vms/1": frozenset({"B"})}) == {
        "/": frozenset({"A"}), "/vms": frozenset({"B"}),
    }  # fmt: skip


# ---------------------------------------------------------------- what existed before


def test_doctor_and_adopt_say_how_a_container_joins_the_pool(cluster, healthy, monkeypatch):
    wanted = choose(cluster, "ctlv")
    pveum = pasted(pveum_commands(wanted, *TOKEN.split("!")))
    pveum.teach(cluster.pve)
    cluster.pve.add_ct(
        2156, "web", status="stopped", config={"unprivileged": 1, "ostype": "debian"}
    )
    line = "pveum pool modify ctlv --vms 2156"

    assert cluster.run("doctor") == 1
    assert f"or, when it is ours, on a node, as root: {line}\n" in cluster.out
    assert cluster.run("adopt", "web", "--yes") == 1
    assert f"when it is not in the pool yet, on a node, as root: {line}\n" in cluster.err

    assert pveum.run(line)
    pveum.teach(cluster.pve)
    assert cluster.run("adopt", "web", "--yes") == 0, cluster.err
    assert line not in cluster.out, "it is there now"


def test_adopt_with_rights_on_all_guests_prints_the_line_too(cluster):
    choose(cluster, "ctlv")
    cluster.pve.add_ct(
        2156, "web", status="stopped", config={"unprivileged": 1, "ostype": "debian"}
    )

    assert cluster.run("adopt", "web", "--yes") == 0, cluster.err
    assert "  pveum pool modify ctlv --vms 2156\n" in cluster.out


# ---------------------------------------------------------------- the inventory's word


@pytest.mark.parametrize("pool", ["ctlv", "a/b/c", "", "Lab-1.x_y"])
def test_the_inventory_may_name_a_pool_or_none(cluster, pool):
    assert choose(cluster, pool).pool == pool


@pytest.mark.parametrize("pool", ["1st", "a/b/c/d", "a/", "a b", "é", 7, None])
def test_what_proxmox_takes_for_no_pool_is_refused(cluster, pool):
    with pytest.raises(OperatorError, match="lxc_pool"):
        choose(cluster, pool)


def test_without_a_word_it_is_ctlv(cluster):
    hosts = {name: {k: v for k, v in own.items() if k != "lxc_pool"}
             for name, own in cluster.inventory.hosts.items()}  # fmt: skip
    assert desired(inventory(**hosts)).pool == "ctlv"
