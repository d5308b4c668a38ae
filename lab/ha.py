"""High availability: a request is kept at once, and followed some cycles later; nodes that can be
off, and containers that move between them. All nodes are this machine: one moves by its name alone.

pve-ha-manager: API2/HA/{Resources,Rules,Groups,Status}.pm, LRM.pm, Manager.pm, Resources/PVECT.pm;
pve-container: API2/LXC.pm (migrate_vm), LXC/Migrate.pm. fakepve 0.5.0 answers the paths of HA from
the schema and keeps nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from fakepve import FakeCt, TaskError
from fakepve.model import PveError
from fakepve.routing import split_list

from lab.lxc import LxcRuntime
from lab.pending import PendingPve

Answer = dict[str, Any]
MIGRATED = "ha groups have been migrated to rules"
# PVECT.pm, `shutdown`: what the LRM waits when nobody says how long.
SHUTDOWN_S = 60
# The status of a container that HA keeps started, or stopped.
RUNS_AS = {"started": "running", "stopped": "stopped"}
REQUESTS = {"started": "request_start", "stopped": "request_stop"}


class HaPve(PendingPve):
    """The API with resources, rules (Proxmox VE 9) and groups (8) of HA, and nodes."""

    def __init__(self, runtime: LxcRuntime, **where: Any) -> None:
        super().__init__(runtime, **where)
        self.ha: dict[str, dict[str, Answer]] = {"resources": {}, "rules": {}, "groups": {}}
        self.ha_delay = 7  # the CRM's cycle and the LRM's: a container follows after 5 to 10 s
        self._ha_turns: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.fence_delay = 120  # what a node must be away before HA takes its containers
        self._targets: dict[int, str] = {}

    def _routes_ha(self) -> list[tuple[str, str, Any]]:
        routes = [("GET", "/cluster/ha/status/current", self._ha_status)]
        for kind, name in (("resources", "sid"), ("rules", "rule"), ("groups", "group")):
            every, one = f"/cluster/ha/{kind}", f"/cluster/ha/{kind}/{{{name}}}"
            for method, path, verb, call in (
                ("GET", every, f"index {kind}", self._ha_list),
                ("POST", every, f"create {kind[:-1]}", self._ha_create),
                ("GET", one, f"read {kind[:-1]}", self._ha_read),
                ("PUT", one, f"update {kind[:-1]}", self._ha_update),
                ("DELETE", one, f"delete {kind[:-1]}", self._ha_delete),
            ):
                routes.append((method, path, self._of(kind, name, verb, call)))
        return routes

    def _of(self, kind: str, name: str, verb: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a route's handler: `call` with the kind's table, and the name of what is meant."""

        async def handle(v: Answer, _user: str) -> Any:
            # A cluster of Proxmox VE 8 has groups; their migration to rules makes it one of 9.
            if kind == "groups" and not self.version.startswith("8"):
                raise PveError(500, f"cannot {verb}: {MIGRATED}")
            if kind == "rules" and self.version.startswith("8"):
                raise PveError(501, "Method '/cluster/ha/rules' not implemented")
            asked = v.pop(name, None)
            if kind == "resources" and asked:
                asked = self._sid(asked)
            return call(kind, asked, v)

        return handle

    def _sid(self, text: str) -> str:
        if not text.isdigit():
            return text
        if not self.ct(int(text)):
            reason = f"VM/CT {text} does not exist"
            raise PveError(500, f"unable to detect SID from VMID - {reason}")
        return f"ct:{text}"

    # ------------------------------------------------------------------ what is configured

    def _ha_list(self, kind: str, _name: None, v: Answer) -> list[Answer]:
        found = [self._ha_read(kind, name, {}) for name in sorted(self.ha[kind])]
        resource = v.get("resource")
        return [
            item
            for item in found
            if v.get("type") in (None, item["type"])
            and (not resource or resource in split_list(item["resources"]))
        ]

    def _ha_read(self, kind: str, name: str, _v: Answer) -> Answer:
        if name not in self.ha[kind]:
            what = {"resources": "resource", "rules": "ha rule", "groups": "ha group"}[kind]
            raise PveError(500, f"no such {what} '{name}'")
        key = {"resources": "sid", "rules": "rule", "groups": "group"}[kind]
        order = {"order": [*self.ha["rules"]].index(name) + 1} if kind == "rules" else {}
        return {key: name, "digest": "0" * 40, **order, **self.ha[kind][name]}

    def _ha_create(self, kind: str, name: str, v: Answer) -> None:
        if kind == "resources":
            vmid = name.removeprefix("ct:")
            if not (vmid.isdigit() and self.ct(int(vmid))):
                raise PveError(500, f"resource '{name}' does not exist in cluster")
            if name in self.ha[kind]:
                reason = f"resource ID '{name}' already defined"
                raise PveError(500, f"create resource failed: {reason}")
            v["type"] = "ct"
        elif name in self.ha[kind]:
            what = "HA rule" if kind == "rules" else "ha group ID"
            raise PveError(500, f"create {kind[:-1]} failed: {what} '{name}' already defined")
        else:
            v.setdefault("type", "group")
        self._check_ha(kind, v)
        if kind == "rules":
            _check_feasible(name, v, len(self.nodes))
        self.ha[kind][name] = v
        self._ha_configured(kind, name)

    def _ha_configured(self, kind: str, name: str) -> None:
        """Let what is configured now take effect."""
        if kind == "resources":
            self._ha_changed(name)
        self.follow_up(self._rebalance())

    def _check_ha(self, kind: str, v: Answer) -> None:
        """Refuse what names a resource, a node or a group that there is none of."""
        unmanaged = set(split_list(v.get("resources"))) - self.ha["resources"].keys()
        if unmanaged:
            names = ", ".join(sorted(unmanaged))
            raise PveError(500, f"cannot use unmanaged resource(s) {names}.")
        nodes = {item.partition(":")[0] for item in split_list(v.get("nodes"))}
        if kind == "rules" and (absent := nodes - self.nodes.keys()):
            raise PveError(500, f"cannot use non-existent node(s) {', '.join(sorted(absent))}.")
        if kind == "resources" and (group := v.get("group")):
            if not self.version.startswith("8"):
                raise PveError(500, f"invalid parameter 'group': {MIGRATED}")
            if group not in self.ha["groups"]:
                raise PveError(500, f"HA group '{group}' does not exist")

    def _ha_update(self, kind: str, name: str, v: Answer) -> None:
        self._ha_read(kind, name, {})
        v.pop("digest", None)
        gone = split_list(v.pop("delete", ""))
        self._check_ha(kind, v)
        if kind == "resources" and v.get("state") != "disabled":
            ct = self.ct(int(name.removeprefix("ct:")))
            if ct.ha_state == "error":
                reason = "in error state, must be disabled and fixed first"
                raise PveError(500, f"service '{name}' {reason}")
        kept = {key: x for key, x in self.ha[kind][name].items() if key not in gone}
        if kind == "rules":
            _check_feasible(name, kept | v, len(self.nodes))
        self.ha[kind][name] = kept | v
        self._ha_configured(kind, name)

    def _ha_delete(self, kind: str, name: str, v: Answer) -> None:
        if kind == "resources" and name not in self.ha[kind]:
            raise PveError(500, f"cannot delete service '{name}', not HA managed!")
        self.ha[kind].pop(name, None)
        if kind == "resources":
            if v.get("purge", 1):
                self._forget_in_rules(name)
            if ct := self.ct(int(name.removeprefix("ct:"))):
                ct.ha_state = None

    def _forget_in_rules(self, sid: str) -> None:
        """Take a resource out of the rules; one that has no other goes."""
        for name, rule in list(self.ha["rules"].items()):
            rest = [item for item in split_list(rule["resources"]) if item != sid]
            rule["resources"] = ",".join(rest)
            if not rest:
                del self.ha["rules"][name]

    def _drop(self, ct: FakeCt) -> None:
        """A container that is destroyed with `purge` is no resource any more."""
        super()._drop(ct)
        if self.ha["resources"].pop(f"ct:{ct.vmid}", None):
            self._forget_in_rules(f"ct:{ct.vmid}")

    async def _lxc_destroy(self, user: str, v: Answer) -> Any:
        """Refuse a resource, an ignored one too, unless `purge` is asked for."""
        if f"ct:{v['vmid']}" in self.ha["resources"] and not v.get("purge"):
            self._check_protection(self._find_ct(v["node"], v["vmid"]), "")
            reason = "used in HA resources and purge parameter not set."
            raise PveError(500, f"unable to remove CT {v['vmid']} - {reason}")
        return await super()._lxc_destroy(user, v)

    # ------------------------------------------------------------------ what is done

    def wanted(self, ct: FakeCt) -> str | None:
        """Return the state that HA keeps the container in, None when it is not HA's business."""
        resource = self.ha["resources"].get(f"ct:{ct.vmid}")
        if resource is None or resource.get("state") == "ignored":
            return None
        state: str = resource.get("state", "started")
        return {"enabled": "started", "disabled": "stopped"}.get(state, state)

    def _ha_changed(self, sid: str, timeout_s: int = SHUTDOWN_S) -> None:
        """Let the container follow what is configured now."""
        ct = self.ct(int(sid.removeprefix("ct:")))
        state = self.wanted(ct)
        ct.ha_state = state
        if state:
            if ct.status != RUNS_AS[state]:
                ct.ha_state = REQUESTS[state]
            self.follow_up(self._follow(ct, timeout_s))

    async def _follow(self, ct: FakeCt, timeout_s: int) -> None:
        await self.pause(self.ha_delay)
        async with self._ha_turns[ct.vmid]:
            state = self.wanted(ct)
            if ct not in self.cts or not state or not self.nodes[ct.node].get("online", True):
                return
            done = ct.status == RUNS_AS[state]
            if done:
                pass
            elif state == "started":
                done = await self._lrm(ct, "vzstart", lambda: self._start_steps(ct, "root@pam"))
            elif timeout_s:
                done = await self._lrm(
                    ct, "vzshutdown", lambda: self._ct_powerdown(ct, timeout_s, force=False)
                )
            else:
                done = await self._lrm(ct, "vzstop", lambda: self._ct_powerdown(ct, 0, force=True))
            # Of the task, as LRM.pm: by now somebody else may have stopped what it started.
            ct.ha_state = state if done else "error"
        self.remember()

    async def _lrm(self, ct: FakeCt, kind: str, body: Callable[[], Awaitable[Any]]) -> bool:
        """Whether its task succeeded."""
        upid = await self._ct_task(ct, kind, "root@pam", body)
        while self.tasks[upid]["status"] == "running":
            await asyncio.sleep(0.05)
        return bool(self.tasks[upid]["exitstatus"] == "OK")

    async def _ct_ha(self, ct: FakeCt, user: str, state: str, timeout: int | None = None) -> Any:
        """Hand a start or stop to HA (API2/LXC/Status.pm): the task ends before anything is done.

        fakepve passes no timeout for `stop`, which is the LRM's 0.
        """

        async def body() -> None:
            sid = f"ct:{ct.vmid}"
            if ct.ha_state == "error":
                command = f"ha-manager set {sid} --state {state}"
                raise TaskError(f"command '{command}' failed: exit code 255")
            self.ha["resources"][sid]["state"] = state
            self._ha_changed(sid, timeout or 0)

        verb = "start" if state == "started" else "stop"
        line = f"Requesting HA {verb} for CT {ct.vmid}"
        return await self._ct_task(ct, f"ha{verb}", user, body, lock=False, log=[line])

    async def _ha_status(self, _v: Answer, _user: str) -> list[Answer]:
        first = sorted(self.nodes)[0]
        quorum = {"id": "quorum", "type": "quorum", "node": first, "status": "OK", "quorate": 1}
        lrms = [
            {"id": f"lrm:{node}", "type": "lrm", "node": node, "status": f"{node} (active)"}
            for node in sorted(self.nodes)
        ]
        services = []
        for sid, resource in sorted(self.ha["resources"].items()):
            ct = self.ct(int(sid.removeprefix("ct:")))
            state = ct.ha_state or "ignored"
            services.append(
                {
                    "id": f"service:{sid}",
                    "type": "service",
                    "sid": sid,
                    "node": ct.node,
                    "state": state,
                    "crm_state": state,
                    "request_state": resource.get("state", "started"),
                    "status": f"{sid} ({ct.node}, {state})",
                }
            )
        return [quorum, *lrms, *services]

    # ------------------------------------------------------------------ off and on

    def set_online(self, node: str, *, is_online: bool) -> None:
        """A node less or more. With half of them or fewer the rest may write nothing."""
        self.nodes[node]["online"] = is_online
        self.quorate = 2 * len(self.online()) > len(self.nodes)

    def online(self) -> list[str]:
        return [name for name, node in sorted(self.nodes.items()) if node.get("online", True)]

    async def cut_power(self, node: str) -> None:
        """What runs on the node ends at once, and nothing there is asked. Harmless to repeat."""
        self.set_online(node, is_online=False)
        running = [ct for ct in self.on_node(node) if ct.status == "running"]
        for ct in running:
            ct.status, ct.pid = "stopped", None
        await asyncio.gather(*(self.run(self.runtime.kill, self.parsed(ct)) for ct in running))
        for ct in self.on_node(node):
            self.follow_up(self._recover(ct))
        self.remember()

    def come_up(self, node: str) -> None:
        """Start what HA wants there, and what starts on boot. Harmless to repeat."""
        if self.nodes[node].get("online", True):
            return
        self.set_online(node, is_online=True)
        for ct in self.on_node(node):
            if self.wanted(ct):
                self._ha_changed(f"ct:{ct.vmid}")
            elif ct.config.get("onboot") and ct.status != "running":
                self.follow_up(self._lxc_start("root@pam", {"node": node, "vmid": ct.vmid}))
        self.follow_up(self._rebalance())
        self.remember()

    def on_node(self, node: str) -> list[FakeCt]:
        return [ct for ct in self.cts if ct.node == node]

    async def _recover(self, ct: FakeCt) -> None:
        """Let HA start a container of a node that is gone on another, where its disks are too."""
        if self.wanted(ct) is None:
            return
        ct.ha_state = "fence"
        await self.pause(self.fence_delay)
        if ct not in self.cts or self.nodes[ct.node].get("online", True):
            return
        storages = {mount["volume"].partition(":")[0] for _, mount in ct.volumes()}
        shared = all(self.storages[name].get("shared") for name in storages)
        places = self._places(ct) if shared and self.quorate else []
        ct.ha_state = "recovery"
        if places:
            ct.node = places[0]
            self._ha_changed(f"ct:{ct.vmid}")

    def _ranks(self, ct: FakeCt) -> dict[str, int]:
        """How much the container's rule, or its group, prefers each node that it names."""
        resource = self.ha["resources"].get(f"ct:{ct.vmid}", {})
        group = self.ha["groups"].get(resource.get("group", ""), {})
        rules = [*self._rules_of(ct, "nodes"), group]
        given = (item.partition(":") for rule in rules for item in split_list(rule.get("nodes")))
        return {name: int(priority or 0) for name, _, priority in given}

    def _rules_of(self, ct: FakeCt, key: str) -> list[Answer]:
        """The rules about a container that have `key`."""
        rules = [rule for rule in self.ha["rules"].values() if not rule.get("disable")]
        return [r for r in rules if key in r and f"ct:{ct.vmid}" in split_list(r["resources"])]

    def _places(self, ct: FakeCt) -> list[str]:
        """Return the nodes that are on and may have it, those first that its rules prefer."""
        ranks, online = self._ranks(ct), self.online()
        if any(rule.get("strict") for rule in self._rules_of(ct, "nodes")):
            online = [name for name in online if name in ranks]
        for rule in self._rules_of(ct, "affinity"):
            others = {*split_list(rule["resources"])} - {f"ct:{ct.vmid}"}
            taken = {other.node for other in self.cts if f"ct:{other.vmid}" in others}
            if rule["affinity"] == "negative" and "nodes" not in rule:
                online = [name for name in online if name not in taken]
        return sorted(online, key=lambda name: -ranks.get(name, -1))

    async def _rebalance(self) -> None:
        """Bring what HA keeps started to where its rules want it, one after the other."""
        await self.pause(self.ha_delay)
        for ct in list(self.cts):
            resource = self.ha["resources"].get(f"ct:{ct.vmid}", {})
            if self.wanted(ct) != "started" or ct.node not in self.online():
                continue
            places, ranks = self._places(ct), self._ranks(ct)
            is_preferred = places and ranks.get(places[0], -1) > ranks.get(ct.node, -1)
            fails_back = is_preferred and resource.get("failback", 1)
            if places and (ct.node not in places or fails_back):
                await self._relocate(ct, places[0])

    # ------------------------------------------------------------------ migration

    async def _lxc_migrate(self, user: str, v: Answer) -> Any:
        self._targets[int(v["vmid"])] = v["target"]
        return await super()._lxc_migrate(user, v)

    async def _effect_vzmigrate(self, ct: FakeCt, body: Any, say: Any) -> Any:
        target = self._targets[ct.vmid]
        if not self.nodes[target].get("online", True):
            say("ERROR: Can't connect to destination address using public key")
            raise TaskError("migration aborted")
        for _, mount in ct.volumes():
            storage = mount["volume"].partition(":")[0]
            if not self._storage_enabled(storage, target):
                say(f"ERROR: storage '{storage}' is not available on node '{target}'")
                raise TaskError("migration aborted")
            if not self.storages[storage].get("shared"):
                say(f"volume '{mount['volume']}' is on local storage '{storage}': copied")
        ran = ct.status == "running"
        note = await body()
        if ran:
            await self._start_steps(ct, "root@pam")
        return note

    async def _effect_hamigrate(self, ct: FakeCt, _body: Any, _say: Any) -> None:
        """Hand the migration to HA: the task ends at once."""
        self.follow_up(self._relocate(ct, self._targets[ct.vmid]))

    async def _relocate(self, ct: FakeCt, target: str) -> None:
        """Stop, move, and start again as HA wants it: no container moves live (PVECT.pm)."""

        async def move() -> None:
            ct.node = target

        await self.pause(self.ha_delay)
        async with self._ha_turns[ct.vmid]:
            if ct.node == target:
                return
            self._targets[ct.vmid] = target
            ct.ha_state = "relocate"
            if ct.status == "running":
                await self._lrm(
                    ct, "vzshutdown", lambda: self._ct_powerdown(ct, SHUTDOWN_S, force=False)
                )
            if ct.status != "running":
                await self._lrm(ct, "vzmigrate", move)
        self._ha_changed(f"ct:{ct.vmid}")


def _check_feasible(name: str, rule: Answer, nodes: int) -> None:
    """Refuse a rule that can never be kept (pve-ha-manager HA/Rules/ResourceAffinity.pm)."""
    if rule["type"] != "resource-affinity":
        return
    resources = split_list(rule["resources"])
    wrong = []
    if len(resources) < 2:  # noqa: PLR2004 # apart, or together, are at least two
        wrong.append("rule is ineffective as there are less than two resources")
    if rule["affinity"] == "negative" and len(resources) > nodes:
        wrong.append("rule defines more resources than available nodes")
    if wrong:
        raise PveError(400, f"Rule '{name}' is invalid.", {"resources": ", ".join(wrong)})
