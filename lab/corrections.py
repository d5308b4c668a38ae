"""Where fakepve 0.5.0 answers otherwise than a real Proxmox VE 9.2 server did to the same calls.

Each method names what the real server does. tests/lab/test_contract_cases.py runs every case
against this class, plain fakepve and a lab.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fakepve import FakePve
from fakepve.lxc import MOUNT_KEY, NEW_DISK, mount_type, parse_mount, split_props
from fakepve.model import PveError
from fakepve.routing import param_error
from fakepve.schema import Match
from fakepve.server import USER, ok, params

from lab.commands import CommandError, run

UPID = re.compile(r"UPID:[^:\s]+(:[0-9A-Fa-f]{8}){3}:[^:\s]+:[^:\s]*:[^:\s]+:")
API_PATH = re.compile(r"^/api2/\w+")
Answer = dict[str, Any]


class CorrectedPve(FakePve):  # type: ignore[misc] # fakepve is not typed
    """fakepve, with the real server's answers."""

    def __init__(self, **where: Any) -> None:
        super().__init__(**where)
        self.vnets: dict[str, str] = {}  # of SDN: each one's zone

    async def answer(
        self,
        request: Any,
        match: Any,
        values: Mapping[str, Any],
        user: str,
        call: Callable[..., Awaitable[Any]] | None = None,
    ) -> Any:
        """Answer 501 to an unknown path or method; see empty values, and Python's booleans."""
        if match is None or request.method not in match.methods:
            path = API_PATH.sub("", request.path)
            raise PveError(501, f"Method '{request.method} {path}' not implemented")
        whole = {**await _blanks(request), **values}
        match = Match(match.template, match.params, _of_its_type(match.methods, whole))
        _check_booleans(match.methods[request.method], whole)
        return await super().answer(request, match, whole, user, call)

    def _get_task(self, request: Any) -> Answer:
        """Answer 400 to a task that is not there; fakepve answers 500."""
        upid = request.match_info["upid"]
        if upid not in self.tasks or self.tasks[upid]["node"] != request.match_info["node"]:
            known = UPID.fullmatch(upid)
            raise param_error(upid="no such task" if known else "unable to parse worker upid")
        task: Answer = super()._get_task(request)
        return task

    async def _task_log(self, request: Any) -> Any:
        """Answer one line for the log of an unknown task; `limit=0` is the whole log."""
        given = self._verify(request, await params(request))
        upid = request.match_info["upid"]
        if upid not in self.tasks and UPID.fullmatch(upid):
            return ok([{"n": 1, "t": "unable to open file - No such file or directory"}])
        lines = self._get_task(request)["log"]
        start, limit = given.get("start", 0), given.get("limit", 50)
        numbered = [{"n": number, "t": line} for number, line in enumerate(lines, 1)]
        return ok(numbered[start : start + limit] if limit else numbered[start:])

    async def _task_list(self, request: Any) -> Any:
        """Hide running tasks unless they are asked for, and honour the filters."""
        node, user = request.match_info["node"], request[USER]
        given = self._verify(request, await params(request))
        audit = self.allowed(user, f"/nodes/{node}", "Sys.Audit")
        found = [
            self._task_view(task, True)
            for task in self.tasklog
            if task["node"] == node and (audit or self._task_owner(user, task))
            if _is_asked_for(task, given)
        ]
        found.sort(key=lambda task: -int(task["starttime"]))
        start = given.get("start", 0)
        return ok(found[start : start + given.get("limit", 50)])

    async def _cluster_status(self, request: Any) -> Any:
        self.require(request[USER], "/", "Sys.Audit")
        return await super()._cluster_status(request)

    async def _resources(self, request: Any) -> Any:
        """Refuse a type that there is none of, such as `lxc`; fakepve answers an empty list."""
        self._verify(request, await params(request))
        return await super()._resources(request)

    async def _permissions(self, v: Answer, user: str) -> Answer:
        """Tell what is held on the path itself, by its pool too (RPCEnvironment.pm)."""
        if self.acl is None or user.startswith("root@pam"):
            found: Answer = await super()._permissions(v, user)
            return found
        granted = self.acl.get(user, [])
        shown = {path for path, _ in granted}
        for pool in (name for name in self.pools if f"/pool/{name}" in shown):
            shown |= {f"/vms/{vmid}" for vmid in self.pools[pool]}
        every = {privilege for _, privileges in granted for privilege in privileges}
        return {
            path: {name: 1 for name in sorted(every) if self.allowed(user, path, name)}
            for path in ([v["path"]] if v.get("path") else sorted(shown))
        }

    def _check_modify_perm(self, user: str, vmid: int, *rest: Any) -> None:
        """Ask for tags on the guest, which is in no pool yet when it is created
        (GuestHelpers.pm, assert_tag_permissions)."""
        super()._check_modify_perm(user, vmid, *rest)
        _pool, _old, new, deletes, _unprivileged = rest
        if "tags" in {*new, *deletes}:
            self.require(user, f"/vms/{vmid}", "VM.Config.Options")

    async def _lxc_create(self, user: str, v: Answer) -> str:
        for key, value in v.items():
            if MOUNT_KEY.match(key):
                self._check_new_volume(user, str(value))
        # Line by line, as Proxmox does.
        for line in str(v.get("ssh-public-keys") or "").splitlines():
            if line.strip() and not line.strip().startswith("#"):
                try:
                    run(["ssh-keygen", "-l", "-f", "/dev/stdin"], stdin=line)
                except CommandError as error:
                    raise PveError(500, "SSH public key validation error") from error
        upid: str = await super()._lxc_create(user, v)
        return upid

    def _check_new_volume(self, user: str, value: str) -> None:
        """Refuse a volume that is neither new (`storage:GiB`) nor has a volume's name."""
        volume = parse_mount(value).get("volume", "")
        if mount_type(volume) != "volume" or NEW_DISK.match(volume):
            return
        storage, colon, name = volume.partition(":")
        if not colon:
            if user != "root@pam":
                raise PveError(500, "Only root can pass arbitrary filesystem paths.")
        elif storage in self.storages:
            self._parse_volname(self.storages[storage], name)

    def volume_exists(self, volid: str) -> bool | None:
        """Say of a template whether it is there; fakepve does not mind one when it knows none."""
        found: bool | None = super().volume_exists(volid)
        if found is None and ":vztmpl/" in str(volid):
            return False
        return found

    def _check_bridge(self, user: str, net: str) -> None:
        """Ask SDN.Use of each of a NIC's tags, of the bridge when it has none (GuestHelpers.pm,
        check_vnet_access); fakepve asks it of the bridge."""
        given = split_props(net)[1]
        if given.get("bridge"):
            zone = self.vnets.get(given["bridge"], "localnetwork")
            path = f"/sdn/zones/{zone}/{given['bridge']}"
            tags = [given["tag"]] if given.get("tag") else []
            for part in filter(None, given.get("trunks", "").split(";")):
                first, _, last = part.partition("-")
                tags += range(int(first), int(last or first) + 1)
            for one in [f"{path}/{tag}" for tag in tags] or [path]:
                self.require(user, one, "SDN.Use")

    async def _lxc_template(self, user: str, v: Answer) -> None:
        """Answer null; the task must be looked for."""
        await super()._lxc_template(user, v)

    def _routes_network(self) -> list[tuple[str, str, Any]]:
        return [("GET", "/nodes/{node}/network", self._network_list)]

    async def _network_list(self, v: Answer, _user: str) -> list[Answer]:
        bridge = {"iface": "vmbr0", "type": "bridge", "active": 1, "autostart": 1, "exists": 1}
        bridge |= {"bridge_ports": "eno1", "bridge_stp": "off", "bridge_fd": "0", "priority": 3}
        card = {"iface": "eno1", "type": "eth", "active": 1, "exists": 1, "priority": 2}
        common = {"method": "manual", "method6": "manual", "families": ["inet"]}
        kinds = ("bridge", "any_bridge", "any_local_bridge"), ("eth",)
        wanted = v.get("type")
        return [
            item | common
            for item, known in zip((bridge, card), kinds, strict=True)
            if wanted is None or wanted in known
        ]


def _of_its_type(methods: Mapping[str, Answer], values: Mapping[str, Any]) -> dict[str, Answer]:
    """Give each method the parameters of the type that is asked for (JSONSchema.pm, oneOf).

    fakepve sees none at all in a schema of several parts, and lets everything through.
    """
    return {
        name: {**method, "parameters": _joined(method, values)} for name, method in methods.items()
    }


def _joined(method: Answer, values: Mapping[str, Any]) -> Answer | None:
    parameters: Answer | None = method.get("parameters")
    if not parameters or "allOf" not in parameters:
        return parameters
    properties: Answer = {}
    for part in parameters["allOf"]:
        if "oneOf" in part:
            key = part["type-property"]
            properties[key] = part["type-property-schema"]
            kinds = {kind["instance-type"]: kind["properties"] for kind in part["oneOf"]}
            properties |= kinds.get(str(values.get(key)), {})
        else:
            properties |= part["properties"]
    return {"additionalProperties": 0, "properties": properties}


async def _blanks(request: Any) -> dict[str, str]:
    """Return the values that were sent empty; fakepve drops them."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    pairs = urllib.parse.parse_qsl((await request.read()).decode(), keep_blank_values=True)
    return {key: value for key, value in pairs if not value}


def _check_booleans(method: Answer, values: Mapping[str, Any]) -> None:
    """Refuse what is not 0 or 1 (a JSON body may say true); fakepve takes `True` and `yes`."""
    known = (method.get("parameters") or {}).get("properties") or {}
    wrong = {
        name: f"type check ('boolean') failed - got '{value}'"
        for name, value in values.items()
        if known.get(name, {}).get("type") == "boolean"
        if isinstance(value, str) and value not in ("0", "1")
    }
    if wrong:
        raise param_error(**wrong)


def _is_asked_for(task: Answer, given: Answer) -> bool:
    """Return whether the task passes the filters of a task list."""
    runs = task["status"] == "running"
    source = given.get("source", "archive")
    if (source == "archive" and runs) or (source == "active" and not runs):
        return False
    failed = not runs and not re.fullmatch(r"OK|WARNINGS: \d+", task.get("exitstatus", ""))
    return (
        not (given.get("errors") and not failed)
        and str(given.get("vmid", task["id"])) == task["id"]
        and given.get("typefilter") in (None, task["type"])
        and given.get("userfilter", "") in task["user"]
        and given.get("since", 0) <= task["starttime"] <= given.get("until", 1 << 62)
    )
