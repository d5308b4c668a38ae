"""Tokens and who may do what, as pve-access-control 9.1 has them (API2/User.pm, API2/ACL.pm,
RPCEnvironment.pm); fakepve makes such answers up, and lets a token do what its user may.

A token is not its user: it makes tokens only with User.Modify on /access/groups, and hands out only
what it may do itself, where it has Permissions.Modify or the right to allocate.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from fakepve.model import PveError
from fakepve.routing import param_error, split_list

from lab.corrections import CorrectedPve

Answer = dict[str, Any]
# Besides Permissions.Modify, below these.
MODIFIES = {"storage": "Datastore.Allocate", "vms": "VM.Allocate", "pool": "Pool.Allocate"}
TOKEN = "/access/users/{userid}/token/{tokenid}"  # noqa: S105 # a path, not a secret


class AccessPve(CorrectedPve):
    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        # What is known of a token: with `privsep` it may do what both it and its user were given.
        self.tokens: dict[str, Answer] = {}

    def _routes_tokens(self) -> list[tuple[str, str, Any]]:
        return [
            *(("GET", TOKEN, self._token_read), ("POST", TOKEN, self._token_make)),
            *(("DELETE", TOKEN, self._token_remove), ("GET", "/access/acl", self._acl_read)),
            ("PUT", "/access/acl", self._acl_change),
        ]

    # ------------------------------------------------------------------ who may do what

    def allowed(self, user: str, path: str, priv: str) -> bool:
        known = self.tokens.get(user)
        if known is None or self.acl is None:
            return bool(super().allowed(user, path, priv))
        # A stranger with the token's own entries: fakepve adds those of a token's user.
        self.acl["token"] = self.acl.get(user, [])
        of_user = bool(super().allowed(user.partition("!")[0], path, priv))
        return of_user and (not known["privsep"] or bool(super().allowed("token", path, priv)))

    def _check(self, user: str, check: Any, values: Answer, declared: Any = None) -> Any:
        if check[0] == "userid-param" and check[1] == "self":
            return values.get("userid") == user, ""
        if check[0] == "perm-modify":
            path = str(values.get("path", ""))
            return self._may_modify(user, path), f"{path}, {'|'.join(modifying(path))}"
        return super()._check(user, check, values, declared)

    def _may_modify(self, user: str, path: str) -> bool:
        return any(self.allowed(user, path, one) for one in modifying(path))

    # ------------------------------------------------------------------ tokens

    def _token(self, v: Answer) -> str:
        full = f"{v['userid']}!{v['tokenid']}"
        if full not in self.tokens:
            raise PveError(500, f"no such token '{v['tokenid']}' for user '{v['userid']}'")
        return full

    async def _token_read(self, v: Answer, _user: str) -> Answer:
        return self.tokens[self._token(v)]

    async def _token_make(self, v: Answer, _user: str) -> Answer:
        if not any(token.startswith(f"{v['userid']}!") for token in self.apitokens):
            raise PveError(500, f"no such user ('{v['userid']}')")
        full = f"{v['userid']}!{v['tokenid']}"
        if full in self.apitokens:
            raise param_error(tokenid="Token already exists.")
        self.tokens[full] = {
            "privsep": int(v.get("privsep", 1)),
            **{name: v[name] for name in ("expire", "comment") if v.get(name) is not None},
        }
        self.apitokens[full] = str(uuid.uuid4())
        self.remember()
        return {"full-tokenid": full, "info": self.tokens[full], "value": self.apitokens[full]}

    async def _token_remove(self, v: Answer, _user: str) -> None:
        self._forget(self._token(v))
        self.remember()

    def kept_tokens(self) -> Answer:
        return {
            token: {
                "known": known,
                "secret": self.apitokens[token],
                "given": [[path, sorted(own)] for path, own in (self.acl or {}).get(token, [])],
            }
            for token, known in self.tokens.items()
        }

    def keep_tokens(self, kept: Answer) -> None:
        """As they were kept; the lab's own one is there already, unless it was removed."""
        for token in self.tokens.keys() - kept.keys():
            self._forget(token)
        for token in kept.keys() - self.tokens.keys():
            self.tokens[token] = kept[token]["known"]
            self.apitokens[token] = kept[token]["secret"]
            for path, own in kept[token]["given"]:
                self.grant(token, path, *own)

    def _forget(self, token: str) -> None:
        del self.tokens[token], self.apitokens[token]
        (self.acl or {}).pop(token, None)

    # ------------------------------------------------------------------ who was given what

    def _entries(self) -> Iterator[tuple[str, str, set[str]]]:
        for who, given in (self.acl or {}).items():
            if who != "token":
                yield from ((who, path, privileges) for path, privileges in given)

    @property
    def roles(self) -> dict[str, set[str]]:
        """By names of the lab's own: nobody asks what is in one."""
        every = {tuple(sorted(privileges)) for _, _, privileges in self._entries()}
        return {f"Lab{number}": set(one) for number, one in enumerate(sorted(every))}

    async def _acl_read(self, _v: Answer, user: str) -> list[Answer]:
        audits = self.allowed(user, "/access", "Sys.Audit")
        named = {tuple(sorted(own)): name for name, own in self.roles.items()}
        return [
            {
                "path": path,
                "type": "token" if "!" in who else "user",
                "ugid": who,
                "roleid": named[tuple(sorted(privileges))],
                "propagate": 1,
            }
            for who, path, privileges in self._entries()
            if audits or self._may_modify(user, path)
        ]

    async def _acl_change(self, v: Answer, user: str) -> None:
        names = split_list(v.get("users")) + split_list(v.get("tokens"))
        if not names:
            needed = "either 'users', 'groups' or 'tokens' is required."
            raise param_error(users=needed, groups=needed, tokens=needed)
        for token in split_list(v.get("tokens")):
            userid, _, tokenid = token.partition("!")
            self._token({"userid": userid, "tokenid": tokenid})
        roles = self.roles
        for role in split_list(v["roles"]):
            if role not in roles:
                raise PveError(500, f"role '{role}' does not exist")
            if not self.allowed(user, v["path"], "Permissions.Modify") and not all(
                self.allowed(user, v["path"], privilege) for privilege in roles[role]
            ):
                verb = "remove" if v.get("delete") else "add"
                way = "requires 'Permissions.Modify' or superset of privileges."
                raise param_error(role=f"Cannot {verb} role '{role}' - {way}")
            for who in names:
                if v.get("delete"):
                    given = self.acl.get(who, [])
                    self.acl[who] = [one for one in given if one != (v["path"], roles[role])]
                else:
                    self.grant(who, v["path"], *roles[role])
        self.remember()

    def remember(self) -> None:
        """Keep it on disk: whoever has a disk says how."""


def modifying(path: str) -> list[str]:
    """The privileges of which one lets somebody change who may do what there."""
    kind = path.strip("/").partition("/")[0]
    below = path.count("/") > 1
    return ["Permissions.Modify", *([MODIFIES[kind]] if below and kind in MODIFIES else [])]
