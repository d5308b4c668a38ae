"""Tokens as Proxmox has them: what one may do, and what it may do to others."""

from __future__ import annotations

import pytest

from lab.certificates import CA_FILE
from tests.lab.support import TOKEN, Client, served

USER, _, NAME = TOKEN[0].partition("!")
TOKENS = f"/access/users/{USER}/token"
MAKES = ("/access", "User.Modify", "Permissions.Modify")


def permit(api, *given):
    for who in (USER, TOKEN[0]):
        for path, *privileges in given:
            api.pve.grant(who, path, *privileges)


def also(api, answer):
    """A client with the token that was just made."""
    token = answer["full-tokenid"], answer["value"]
    return Client(api.pve.url, api.session.verify, token, pve=api.pve)


def test_a_token_is_not_its_user_and_makes_no_other(api):
    for method, path in (("POST", "new"), ("DELETE", NAME), ("GET", NAME)):
        assert api.ask(method, f"{TOKENS}/{path}").status_code == 403
    refused = api.ask("PUT", "/access/acl", path="/pool/ctlv", tokens=TOKEN[0], roles="Lab0")
    assert (refused.status_code, "Permissions.Modify|Pool.Allocate" in refused.reason) == (
        403,
        True,
    )
    assert api.data("GET", "/access/acl") == []


def test_a_new_token_has_the_rights_that_it_is_given_and_no_others(api):
    permit(api, MAKES, ("/pool", "Permissions.Modify"))
    new = api.data("POST", f"{TOKENS}/new", comment="second")
    assert new["info"] == {"privsep": 1, "comment": "second"}
    client = also(api, new)
    assert client.data("GET", "/access/permissions") == {}
    (given,) = (
        one
        for one in api.data("GET", "/access/acl")
        if (one["ugid"], one["path"]) == (TOKEN[0], "/pool/ctlv")
    )
    api.data(
        "PUT", "/access/acl", path="/pool/ctlv", roles=given["roleid"], tokens=new["full-tokenid"]
    )
    held = client.data("GET", "/access/permissions")
    assert [*held] == ["/pool/ctlv"]
    of_the_first = api.data("GET", "/access/permissions")["/pool/ctlv"]
    assert {*held["/pool/ctlv"]} == {*of_the_first} - {"Permissions.Modify"}


OTHER_ROLE = {"path": "/pool/ctlv", "tokens": TOKEN[0], "roles": "Other"}


@pytest.mark.parametrize(
    ("call", "values", "said"),
    [
        (("POST", f"{TOKENS}/{NAME}"), {}, (400, "Token already exists.")),
        (("POST", "/access/users/no@pve/token/new"), {}, (500, "no such user ('no@pve')")),
        (("DELETE", f"{TOKENS}/new"), {}, (500, f"no such token 'new' for user '{USER}'")),
        (("PUT", "/access/acl"), OTHER_ROLE, (500, "role 'Other' does not exist")),
    ],
    ids=["taken", "user", "token", "role"],
)
def test_what_is_not_there_or_there_already_is_said_as_proxmox_says_it(api, call, values, said):
    permit(api, MAKES, ("/pool", "Permissions.Modify"))
    answer = api.ask(*call, **values)
    assert answer.status_code == said[0]
    assert said[1] in answer.reason + answer.text


def test_who_may_allocate_hands_on_what_it_has_itself_and_no_more(api):
    permit(api, MAKES, ("/pool/ctlv", "Pool.Allocate"))
    api.pve.grant("somebody@pve", "/pool/other", "Sys.Modify")
    name = {frozenset(own): role for role, own in api.pve.roles.items()}[frozenset({"Sys.Modify"})]
    new = api.data("POST", f"{TOKENS}/new")["full-tokenid"]
    refused = api.ask("PUT", "/access/acl", path="/pool/ctlv", roles=name, tokens=new)
    assert refused.status_code == 400
    assert "Cannot add role" in refused.text


def test_a_removed_token_opens_nothing_and_made_ones_outlive_the_lab(runtime, tmp_path):
    with served(runtime, tmp_path) as pve:
        api = Client(pve.url, tmp_path / CA_FILE, pve=pve)
        permit(api, MAKES, ("/pool", "Permissions.Modify"))
        new = api.data("POST", f"{TOKENS}/new")
        (role,) = {r["roleid"] for r in api.data("GET", "/access/acl") if r["path"] == "/access"}
        api.data("PUT", "/access/acl", path="/access", roles=role, tokens=new["full-tokenid"])
        also(api, new).data("DELETE", f"{TOKENS}/{NAME}")
        assert api.ask("GET", "/version").status_code == 401
    with served(runtime, tmp_path) as pve:
        api = Client(pve.url, tmp_path / CA_FILE, pve=pve)
        assert api.ask("GET", "/version").status_code == 401
        client = also(api, new)
        pve.grant(USER, *MAKES)
        assert set(client.data("GET", "/access/permissions")["/access"]) == {*MAKES[1:]}
