"""A new API token in the place of the one there is: `make rotate WHAT=api-token`.

The new one may do what the old one may, is tried, and used, before the old one is taken away. The
file beside the token's says what a killed run had made: the same command goes on from there.
"""

from __future__ import annotations

import os
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from provision import files
from provision.credentials import Endpoint, Site, endpoint, read_token_file, token_file
from provision.desired import Desired
from provision.errors import ApiError, OperatorError
from provision.proxmox import Proxmox
from provision.rights import pveum_commands

MOST_NAMES = 99


def rotate(desired: Desired, site: Site) -> str:
    """Raises OperatorError where the token may not make tokens, with what to type instead."""
    file = token_file(site)
    if os.environ.get("PROXMOX_TOKEN_ID") and site.environment != "lab":
        raise OperatorError(
            "PROXMOX_TOKEN_ID names the token, which this cannot change for you",
            next_step=f"unset it, with PROXMOX_TOKEN_SECRET, and write both into {file}",
        )
    used = endpoint(desired, site)
    before, coming = (file.with_name(f"{file.name}.{end}") for end in ("before", "next"))
    if not before.exists():
        new = made(desired, used, coming, file)
        give_same(Proxmox(used), new)
        files.write_atomically(before, f"PROXMOX_TOKEN_ID={used.token_id}\n")
        used = new
    if coming.exists():
        coming.replace(file)
        used = endpoint(desired, site)
    old = read_token_file(before)["PROXMOX_TOKEN_ID"]
    try:
        Proxmox(used).delete(path_of(old))
    except ApiError as error:
        if "no such token" not in error.text:
            raise
    before.unlink()
    return f"{used.token_id} is used, {old} is no more"


def path_of(token_id: str) -> str:
    user, _, name = token_id.partition("!")
    return f"access/users/{user}/token/{name}"


def following(token_id: str, number: int) -> str:
    """provision, provision-2, provision-3."""
    stem, dash, last = token_id.rpartition("-")
    if not (dash and last.isdigit()):
        stem, last = token_id, "1"
    return f"{stem}-{int(last) + number}"


def made(desired: Desired, used: Endpoint, coming: Path, file: Path) -> Endpoint:
    """A token without rights yet: the one of a killed run, or another. Its secret is told once."""
    api, kept = Proxmox(used), read_token_file(coming)
    if kept:
        return replace(
            used, token_id=kept["PROXMOX_TOKEN_ID"], token_secret=kept["PROXMOX_TOKEN_SECRET"]
        )
    for number in range(1, MOST_NAMES):
        name = following(used.token_id, number)
        try:
            known = api.get(path_of(used.token_id))
            given: dict[str, str | int] = {
                "privsep": int(known.get("privsep", 1)),
                "comment": "make rotate",
            }
            answer: dict[str, Any] = api.post(path_of(name), given)
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                raise refused(desired, used, name, error, file) from error
            if "already exists" not in error.text:
                raise
            continue
        text = f"PROXMOX_TOKEN_ID={name}\nPROXMOX_TOKEN_SECRET={answer['value']}\n"
        files.write_atomically(coming, text)
        return replace(used, token_id=name, token_secret=str(answer["value"]))
    raise OperatorError(
        f"{used.token_id} has {MOST_NAMES} followers", next_step="remove those that nobody uses"
    )


def give_same(api: Proxmox, new: Endpoint) -> None:
    """Raises OperatorError when the new one may not do all that the old one may."""
    old = api.endpoint
    for entry in api.get("access/acl"):
        if (entry["type"], entry["ugid"]) == ("token", old.token_id):
            given = {name: entry[name] for name in ("path", "propagate")}
            api.put("access/acl", {**given, "roles": entry["roleid"], "tokens": new.token_id})
    may, has = (Proxmox(one).get("access/permissions") for one in (old, new))
    lacking = [path for path, privileges in may.items() if set(privileges) - {*has.get(path, ())}]
    if lacking:
        raise OperatorError(
            f"{old.token_id} may not hand on what it may itself on {', '.join(sorted(lacking))}",
            next_step=f"grant it to {new.token_id} on a node, as root (`pveum acl list` says what "
            "the old one has), and run this again",
        )


def refused(
    desired: Desired, used: Endpoint, name: str, error: ApiError, file: Path
) -> OperatorError:
    user, _, short = name.partition("!")
    lines = (line for line in pveum_commands(desired, user, short) if "token" in line)
    way = (
        f"on a node, as root: {' && '.join(lines)}; write what it prints into {file} as "
        f"PROXMOX_TOKEN_ID={name} and PROXMOX_TOKEN_SECRET=…, see that `make doctor` is content, "
        f"then there: pveum user token remove {used.user} {used.token_name}"
    )
    if used.is_lab:
        way = "the lab makes another where its file `token` is missing: make down, rm, make up"
    return OperatorError(f"{used.token_id} may not make tokens: {error.message}", next_step=way)
