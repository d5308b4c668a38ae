"""The nodes of the lab's cluster: all on this machine, so a container moves by its name alone.

pve-container: API2/LXC.pm (migrate_vm), LXC/Migrate.pm; pve-ha-manager: Manager.pm.
"""

from __future__ import annotations

from typing import Any

from fakepve import FakeCt, TaskError
from fakepve.model import PveError
from fakepve.routing import split_list

from lab.ha import SHUTDOWN_S, HaPve
from lab.lxc import LxcRuntime

Answer = dict[str, Any]


class NodesPve(HaPve):
    """The API with nodes that can be off, and containers that move between them."""

    def __init__(self, runtime: LxcRuntime, **where: Any) -> None:
        super().__init__(runtime, **where)
        self.fence_delay = 120  # what a node must be away before HA takes its containers
        self._targets: dict[int, str] = {}

    # ------------------------------------------------------------------ off and on

    def _routes_power(self) -> list[tuple[str, str, Any]]:
        return [
            ("POST", "/nodes/{node}/status", self._node_command),
            ("POST", "/nodes/{node}/wakeonlan", self._node_wake),
        ]

    async def _answer(self, request: Any, handler: Any, generic: Any, path_node: Any) -> Any:
        """Let wakeonlan reach a node that is off: another one answers it."""
        if request.path.endswith("/wakeonlan"):
            path_node = None
        return await super()._answer(request, handler, generic, path_node)

    async def _node_command(self, v: Answer, _user: str) -> None:
        """Turn a node off, and on again for `reboot`."""
        self.nodes[v["node"]]["online"] = False
        self.follow_up(self._go_down(v["node"], again=v["command"] == "reboot"))

    async def _go_down(self, node: str, *, again: bool) -> None:
        for ct in self.on_node(node):
            if ct.status == "running":
                await self._ct_powerdown(ct, SHUTDOWN_S, force=True)
        if again:
            self._come_up(node)
        else:
            for ct in self.on_node(node):
                self.follow_up(self._recover(ct))
        self.remember()

    async def _node_wake(self, v: Answer, _user: str) -> str:
        self._come_up(v["node"])
        return "02:00:00:00:00:00"

    def _come_up(self, node: str) -> None:
        self.nodes[node]["online"] = True
        for ct in self.on_node(node):
            if self.wanted(ct):
                self._ha_changed(f"ct:{ct.vmid}")
            elif ct.config.get("onboot") and ct.status != "running":
                self.follow_up(self._lxc_start("root@pam", {"node": node, "vmid": ct.vmid}))

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
        places = self._places(ct) if shared else []
        ct.ha_state = "recovery"
        if places:
            ct.node = places[0]
            self._ha_changed(f"ct:{ct.vmid}")

    def _places(self, ct: FakeCt) -> list[str]:
        """Return the nodes that are on, those first that the container's rules prefer."""
        online = [name for name, node in sorted(self.nodes.items()) if node.get("online", True)]
        for rule in self.ha["rules"].values():
            if f"ct:{ct.vmid}" in split_list(rule["resources"]) and rule.get("nodes"):
                given = (item.partition(":") for item in split_list(rule["nodes"]))
                rank = {name: int(priority or 0) for name, _, priority in given}
                if rule.get("strict"):
                    online = [name for name in online if name in rank]
                online.sort(key=lambda name: -rank.get(name, -1))
        return online

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

    def _routes_ha_migrate(self) -> list[tuple[str, str, Any]]:
        path = "/cluster/ha/resources/{sid}"
        return [("POST", f"{path}/{verb}", self._ha_migrate) for verb in ("migrate", "relocate")]

    async def _ha_migrate(self, v: Answer, _user: str) -> Answer:
        sid = self._sid(v["sid"])
        ct = self.ct(int(sid.removeprefix("ct:")))
        if ct is None or self.wanted(ct) is None:
            raise PveError(500, f"resource '{sid}' is not HA managed")
        self.follow_up(self._relocate(ct, v["node"]))
        return {"sid": sid, "requested-node": v["node"]}

    async def _relocate(self, ct: FakeCt, target: str) -> None:
        """Stop, move, and start again as HA wants it: no container moves live (PVECT.pm)."""

        async def move() -> None:
            ct.node = target

        await self.pause(self.ha_delay)
        async with self._ha_turns[ct.vmid]:
            self._targets[ct.vmid] = target
            ct.ha_state = "relocate"
            if ct.status == "running":
                await self._lrm(
                    ct, "vzshutdown", lambda: self._ct_powerdown(ct, SHUTDOWN_S, force=False)
                )
            if ct.status != "running":
                await self._lrm(ct, "vzmigrate", move)
        self._ha_changed(f"ct:{ct.vmid}")
