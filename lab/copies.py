"""Copies of containers: clones, backups and what is restored from them.

A copy carries description (and so the mark), tags and host name of its original (pve-container
API2/LXC.pm, clone_vm; LXC/Create.pm, recover_config).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fakepve import FakeCt, TaskError
from fakepve.lxc import parse_mount, random_mac

from lab.guest import DISK_KEY, ContainerError, Guest, Say, parse_guest
from lab.ha import HaPve
from lab.lxc import LxcRuntime
from lab.pending import print_mount

Answer = dict[str, Any]
Body = Callable[[], Awaitable[str | None]]
# What an archive's configuration does not bring along.
LEFT_OUT = ("lock", "parent", "template")


class CopiesPve(HaPve):
    def __init__(self, runtime: LxcRuntime, **where: Any) -> None:
        super().__init__(runtime, **where)
        # An archive's file name -> its configuration, and the number its disks are kept under:
        # below zero, so that it is no container's.
        self.backups: dict[str, Answer] = {}
        self._sources: dict[int, tuple[Guest, str | None]] = {}
        self._restores: dict[int, Answer] = {}

    async def _lxc_clone(self, user: str, v: Answer) -> str:
        ct = self._find_ct(v["node"], v["vmid"])
        upid: str = await super()._lxc_clone(user, v)
        self._sources[int(v["newid"])] = self.parsed(ct), v.get("snapname")
        return upid

    async def _effect_vzclone(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        source, snapshot = self._sources.pop(ct.vmid)
        note = await body()
        await self._copy(source, ct, snapshot)
        return note

    async def _copy(self, source: Guest, ct: FakeCt, snapshot: str | None = None) -> None:
        ct.lock = "create"
        try:
            await self.run(self.runtime.copy, source, self.parsed(ct), snapshot)
        except ContainerError:
            self._drop(ct)
            raise
        ct.lock = None

    def _routes_backup(self) -> list[tuple[str, str, Any]]:
        return [("POST", "/nodes/{node}/vzdump", self._vzdump)]

    async def _vzdump(self, v: Answer, user: str) -> Any:
        ct = self._find_ct(v["node"], v["vmid"])
        stamp = time.strftime("%Y_%m_%d-%H_%M_%S")
        name = f"vzdump-lxc-{ct.vmid}-{stamp}.tar.zst"

        async def body() -> None:
            self._task_lock(ct)
            ct.lock = "backup"
            guest = self.parsed(ct)
            number = min((kept["number"] for kept in self.backups.values()), default=0) - 1
            try:
                await self.run(self.runtime.snapshot, guest, "vzdump")
                await self.run(self.runtime.copy, guest, replace(guest, vmid=number), "vzdump")
            finally:
                ct.lock = None
                await self.run(self.runtime.delete_snapshot, ct.vmid, "vzdump")
            self.backups[name] = {"number": number, "config": dict(ct.config)}
            self.show_backups()

        return await self.task(ct.node, "vzdump", ct.vmid, user, body, vm=ct, lock=False)

    def show_backups(self) -> None:
        shown = {"content": "backup", "format": "tar.zst", "size": 0, "ctime": int(time.time())}
        on_storage = self.storages["local"]["volumes"]
        for name in self.backups:
            on_storage.setdefault(f"backup/{name}", {**shown, "vmid": int(name.split("-")[2])})

    async def _lxc_create(self, user: str, v: Answer) -> str:
        asked = dict(v)
        upid: str = await super()._lxc_create(user, v)
        if v.get("restore"):
            self._restores[int(v["vmid"])] = asked
        return upid

    async def _effect_vzrestore(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        """Make the container what the archive has, but for what the request says otherwise."""
        asked = self._restores.pop(ct.vmid)
        archive = self.backups.get(str(asked["ostemplate"]).rpartition("/")[2])
        if archive is None:
            self._drop(ct)
            reason = f"volume '{asked['ostemplate']}' does not exist"
            raise TaskError(f"unable to restore CT {ct.vmid} - {reason}")
        note = await body()
        given = {key: value for key, value in ct.config.items() if key in asked}
        ct.config = {"lock": "create"}
        taken = self._taken_volumes()
        for key, value in sorted(archive["config"].items(), key=lambda item: item[0] != "rootfs"):
            if DISK_KEY.fullmatch(key):
                mount = parse_mount(value)
                storage = asked.get("storage") or mount["volume"].partition(":")[0]
                mount["volume"] = self._allocate(ct.vmid, storage, taken)
                given[key] = print_mount(mount)
            elif key not in LEFT_OUT and not key.startswith("unused"):
                given.setdefault(key, value)
        for key in [key for key in given if key.startswith("net") and asked.get("unique")]:
            mac = parse_mount(given[key])["hwaddr"]
            given[key] = given[key].replace(mac, random_mac())
        ct.config = given
        await self._copy(parse_guest(archive["number"], archive["config"]), ct)
        return note
