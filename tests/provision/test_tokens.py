"""A new API token in the place of the one there is, against what Proxmox does with tokens."""

from __future__ import annotations

import itertools

import pytest

from provision import tokens
from provision.credentials import endpoint, read_token_file, site, token_file
from provision.desired import desired
from provision.environment import ROOT
from provision.errors import OperatorError
from provision.proxmox import Proxmox
from tests.provision.conftest import SECRET, TOKEN

USER = TOKEN.partition("!")[0]
OWN = (("/vms", "VM.Audit", "VM.Allocate"), ("/storage", "Datastore.Audit"))
MAY_MAKE = (("/access", "User.Modify", "Permissions.Modify"), ("/", "Permissions.Modify"))


class Killed(BaseException):
    pass


@pytest.fixture
def rotating(cluster):
    """A token with its own rights, and with `extra`; what rotates it."""

    def begin(*extra):
        pve = cluster.pve
        pve.acl, pve.apitokens = {}, {TOKEN: SECRET}
        pve.tokens = {TOKEN: {"privsep": 1}}
        for who in (USER, TOKEN):
            for path, *privileges in (*OWN, *extra):
                pve.grant(who, path, *privileges)
        where = site("lab", root=ROOT)
        for file in where.state.glob("own.token*"):
            file.unlink()
        return lambda: tokens.rotate(desired(cluster.inventory), where)

    return begin


def may(token_id, cluster):
    return {path: set(privileges) for path, privileges in cluster.pve.acl[token_id]}


def test_the_new_token_may_what_the_old_one_did_and_the_old_one_is_gone(cluster, rotating):
    rotate = rotating(*MAY_MAKE)
    before = may(TOKEN, cluster)

    assert rotate() == f"{TOKEN}-2 is used, {TOKEN} is no more"

    assert [*cluster.pve.apitokens] == [f"{TOKEN}-2"]
    assert may(f"{TOKEN}-2", cluster) == before
    where = site("lab", root=ROOT)
    used = endpoint(desired(cluster.inventory), where)
    assert used.token_id == f"{TOKEN}-2"
    assert Proxmox(used).get("version")
    assert token_file(where).stat().st_mode & 0o077 == 0
    assert [file.name for file in where.state.glob("own.token*")] == ["own.token"]
    assert rotate() == f"{TOKEN}-3 is used, {TOKEN}-2 is no more"


def test_a_run_killed_at_any_call_or_file_is_gone_on_with_by_the_same_command(
    cluster, rotating, monkeypatch
):
    send, write = Proxmox._send, tokens.files.write_atomically
    for step in itertools.count(1):
        rotate, count = rotating(*MAY_MAKE), itertools.count(1)

        def lives(count=count, step=step):
            if next(count) == step:
                raise Killed

        monkeypatch.setattr(Proxmox, "_send", lambda *a, lives=lives: (lives(), send(*a))[1])
        monkeypatch.setattr(
            tokens.files, "write_atomically", lambda *a, lives=lives: (lives(), write(*a))[1]
        )
        try:
            rotate()
        except Killed:
            monkeypatch.undo()
            monkeypatch.setenv("CTLV_LAB_STATE", str(cluster.state))
            rotate()
        else:
            break
        used = read_token_file(token_file(site("lab", root=ROOT)))
        assert TOKEN not in cluster.pve.apitokens
        assert may(used["PROXMOX_TOKEN_ID"], cluster)["/vms"] == {"VM.Audit", "VM.Allocate"}
        # One whose secret nobody was told may be left: it has no rights.
        for left in cluster.pve.apitokens.keys() - {used["PROXMOX_TOKEN_ID"]}:
            assert left not in cluster.pve.acl
    assert step > 10


def test_a_token_that_may_not_make_tokens_is_told_what_to_type(cluster, rotating):
    rotate = rotating()
    with pytest.raises(OperatorError, match=r"may not make tokens: .*Permission check failed"):
        rotate()
    assert [*cluster.pve.apitokens] == [TOKEN]
    where = site("lab", root=ROOT)
    used = endpoint(desired(cluster.inventory), where)
    elsewhere = tokens.replace(used, is_lab=False)
    error = tokens.ApiError("", next_step="", status=403, message="Permission check failed")
    told = tokens.refused(
        desired(cluster.inventory), elsewhere, f"{TOKEN}-2", error, token_file(where)
    )
    assert f"pveum user token add {USER} test-2 --privsep 1" in told.next_step
    assert f"--tokens '{TOKEN}-2' --roles CTLVDisks" in told.next_step
    assert f"pveum user token remove {USER} test" in told.next_step
    assert SECRET not in told.next_step


def test_rights_that_cannot_be_handed_on_leave_the_old_token_in_use(cluster, rotating):
    """User.Modify alone: the token makes another, which nobody may give anything."""
    rotate = rotating(("/access", "User.Modify"))
    with pytest.raises(OperatorError, match=f"{TOKEN} may not hand on .* on /access, /storage"):
        rotate()
    assert TOKEN in cluster.pve.apitokens
    assert endpoint(desired(cluster.inventory), site("lab", root=ROOT)).token_id == TOKEN
