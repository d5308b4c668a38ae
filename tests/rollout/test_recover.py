"""No database takes writes: who begins again, and when nobody may unless somebody says so."""

from __future__ import annotations

import json
import subprocess

import pytest

from provision.errors import OperatorError
from rollout.recover import Member, Recovery, check_majority, most_advanced, quiet_member

NAMES = ("a", "b", "c")
UUID, OTHER = "afea7104-ecb1-11f1-ac4a-3bca3419a85d", "b8e22fba-ecb0-11f1-9270-821ba0e0dfe3"
NULL = "00000000-0000-0000-0000-000000000000"


def at(name, seqno, *, uuid=UUID, has_left=False):
    return Member(name=name, uuid=uuid, seqno=seqno, has_left=has_left)


def lost(name):
    return Member(name=name)


@pytest.mark.parametrize(
    "members",
    [
        (at("a", 5), at("b", 7), at("c", 6)),
        (at("a", 5), at("b", 7)),
        (at("a", 5), at("b", 7), lost("c")),
        # All ended in good order: whoever was last is among them.
        tuple(at(name, 5, has_left=True) for name in NAMES),
    ],
)
def test_two_of_three_are_enough(members):
    check_majority(NAMES, members, ())
    assert most_advanced(members).seqno == max(m.seqno for m in members)


@pytest.mark.parametrize(
    ("members", "given_up", "problem"),
    [
        ((at("a", 5),), "b,c", "only a of 3 knows a position; what b and c alone wrote"),
        ((at("a", 5), lost("b")), "b,c", "only a of 3 knows a position"),
        ((at("a", 5), at("b", 5, has_left=True)), "c", "b ended in good order, and c does not"),
    ],
)
def test_what_could_be_lost_is_lost_only_by_name(members, given_up, problem):
    with pytest.raises(OperatorError, match=problem) as refused:
        check_majority(NAMES, members, ())
    assert refused.value.next_step.endswith(f"CONFIRM={given_up}")
    with pytest.raises(OperatorError, match=problem):
        check_majority(NAMES, members, ["a"])
    check_majority(NAMES, members, given_up.split(","))


def test_a_name_that_is_no_database_is_refused():
    with pytest.raises(OperatorError, match="CONFIRM names lab, which is no database host"):
        check_majority(NAMES, (at("a", 5),), ["lab"])


def test_histories_are_not_mixed_and_nothing_is_begun_from_nothing():
    with pytest.raises(OperatorError, match="they are of different histories: a at"):
        most_advanced((at("a", 5), at("b", 9, uuid=OTHER)))
    with pytest.raises(OperatorError, match="none of them knows a position"):
        most_advanced((lost("a"), at("b", 4, uuid=NULL)))


def test_the_first_of_the_inventory_begins_among_equals():
    assert most_advanced((at("b", 5), at("a", 5))).name == "b"


class Three:
    """Hosts: `members` by name, each with its state and position; a name without one is silent."""

    def __init__(self, **members):
        self.members, self.did = members, []

    def of(self, *_groups):
        return list(NAMES)

    def first(self, _group):
        return NAMES[0]

    def run(self, host, _program, verb, **_):
        if host not in self.members:
            return subprocess.CompletedProcess([], 255, "", "ssh: no route")
        if verb == "state":
            return subprocess.CompletedProcess([], 0, json.dumps(self.members[host]), "")
        self.did.append((host, verb))
        said = {"position": f"{UUID}:{self.members[host].get('seqno', 0)}"}
        return subprocess.CompletedProcess([], 0, said.get(verb, "done"), "")


def down(seqno, **changes):
    state = {"uuid": UUID, "mark": "member", "primary": False, "synced": False}
    return {**state, "left": False, "sessions": 0, "seqno": seqno, **changes}


UP = down(0, primary=True, synced=True)


def test_whoever_has_the_last_write_begins_and_the_others_join_after(capsys):
    hosts = Three(a=down(5), b=down(8), c=down(7))
    said = Recovery(hosts).run(())
    assert [did for did in hosts.did if did[1] in {"first", "join"}] == [
        ("b", "first"), ("a", "join"), ("c", "join"),
    ]  # fmt: skip
    assert "lost: nothing" in said
    assert "b has the last write, number 8" in capsys.readouterr().out


def test_nothing_is_touched_when_it_is_refused():
    hosts = Three(a=down(5))
    with pytest.raises(OperatorError, match="only a of 3"):
        Recovery(hosts).run(())
    assert hosts.did == []


def test_what_is_given_up_is_said():
    said = Recovery(Three(a=down(5))).run(["b", "c"])
    assert "what b and c alone had is given up" in said


def test_where_one_goes_on_nobody_begins_anew():
    hosts = Three(a=UP, b=down(9), c=UP)
    Recovery(hosts).run(())
    assert hosts.did == [("b", "join")]


@pytest.mark.parametrize(
    ("members", "is_needed"),
    [
        ({"a": down(1), "b": down(1)}, True),
        ({"a": UP, "b": down(1)}, False),
        ({"a": down(0, uuid=NULL, mark="")}, False),
        ({"a": down(0, uuid=NULL, mark="joins")}, False),
        ({"a": down(0, uuid=NULL)}, True),
        ({}, False),
    ],
)
def test_deploy_recovers_only_what_was_together_and_stands_still(members, is_needed):
    assert Recovery(Three(**members)).is_needed() is is_needed


def test_a_backup_is_made_where_people_are_not():
    busy = {**UP, "sessions": 7}
    assert quiet_member(Three(a=busy, b=down(1), c=UP)) == "c"
    assert quiet_member(Three(a=busy)) == "a"
    with pytest.raises(OperatorError, match="none of a, b, c is synced"):
        quiet_member(Three(a=down(1)))
