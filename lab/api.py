"""The API: fakepve's contract, with real containers behind it.

fakepve checks every request as Proxmox does and keeps the configuration; this class gives each
task its effect. It builds on private names of fakepve (tests/lab/test_fakepve_contract.py pins
them), so fakepve's version is pinned exactly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from aiohttp import web
from fakepve import FakeCt, TaskError
from fakepve.lxc import NEW_DISK, parse_mount, split_props
from fakepve.model import PveError
from fakepve.routing import param_error, split_list
from fakepve.server import USER

from lab import state
from lab.copies import CopiesPve
from lab.guest import Birth, ContainerError, Say
from lab.lxc import LxcRuntime
from lab.pending import print_mount
from lab.settings import POOL
from lab.templates import Templates

log = logging.getLogger("lab.api")
Answer = dict[str, Any]
Body = Callable[[], Awaitable[str | None]]
STORAGE, SHARED = "local", "ceph"
# Locks of what cannot be finished when it was cut: the container is removed.
UNFINISHED = ("create", "destroyed")
# What `make up` and the provisioner need, and no more (facts of Proxmox's own permission checks).
VM_PRIVILEGES = (
    "VM.Allocate",
    "VM.Audit",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Migrate",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
)
STORAGE_PRIVILEGES = ("Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit")


class LabPve(CopiesPve):
    """Proxmox's API for a cluster whose containers `runtime` runs."""

    def __init__(
        self,
        runtime: LxcRuntime,
        templates: Templates,
        *,
        nodes: Iterable[str],
        keep: Path | None,
        **where: Any,
    ) -> None:
        super().__init__(runtime, keep=keep, **where)
        self.templates = templates
        self.nodes = {node: {"online": True} for node in nodes}
        self.time_scale = 1.0
        self.storages: dict[str, Answer] = {
            STORAGE: {
                "type": "btrfs",  # a folder whose volumes can be snapshotted
                "path": "/var/lib/vz",
                "active": 1,
                "content": "vztmpl,rootdir,images,backup",
                "files": set(),
                "volumes": {},
            },
            SHARED: {
                "type": "rbd",
                "pool": "ctlv",
                "active": 1,
                "shared": 1,
                "content": "rootdir,images",
                "files": set(),
            },
        }
        self._births: dict[int, Birth] = {}
        # When a container's processor time was last read, and what it was.
        self._cpu_seen: dict[int, tuple[float, float]] = {}

    # ------------------------------------------------------------------ who may do what

    def admit(
        self, token: tuple[str, str], *, bridge: str, tags: Collection[int], ha: bool = False
    ) -> None:
        """Let a token in, with what doctor's lines grant for the inventory and nothing else.

        `ha`: for one that puts containers on the shared storage, and declares HA.
        """
        self.apitokens |= [token]
        self.tokens[token[0]] = {"privsep": 1}
        self.pools.setdefault(POOL, set())
        for who in (token[0].partition("!")[0], token[0]):
            self.grant(who, f"/pool/{POOL}", *VM_PRIVILEGES, "Pool.Audit")
            self.grant(who, f"/storage/{STORAGE}", *STORAGE_PRIVILEGES)
            if ha:
                self.grant(who, f"/storage/{SHARED}", *STORAGE_PRIVILEGES)
                self.grant(who, "/", "Sys.Audit", "Sys.Console")
            for tag in tags:
                self.grant(who, f"/sdn/zones/localnetwork/{bridge}/{tag}", "SDN.Use")

    def check_password(self, _user: str, _password: object) -> bool:
        """Let nobody in by password: fakepve has a known one for root, and none for the others."""
        return False

    # ------------------------------------------------------------------ the lab's own switch

    def _build_app(self) -> web.Application:
        """Proxmox has no call that cuts a node's power: this path is none of its API."""
        app: web.Application = super()._build_app()
        app.router.add_post("/lab/nodes/{name}/{power:on|off}", self._power)
        return app

    async def _power(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not str(request[USER]).startswith("root@pam"):
            raise PveError(403, "Permission check failed")
        if name not in self.nodes:
            raise PveError(400, f"no such node ({', '.join(self.nodes)})")
        if request.match_info["power"] == "on":
            self.come_up(name)
        else:
            await self.cut_power(name)
        return web.json_response({"data": sorted(ct.vmid for ct in self.on_node(name))})

    # ------------------------------------------------------------------ templates and storage

    def show_templates(self) -> None:
        on_storage: Answer = self.storages[STORAGE]["volumes"]
        for name, template in self.templates.listed().items():
            file = template.archive.stat()
            on_storage[f"vztmpl/{name}"] = {
                "content": "vztmpl",
                "format": "tzst",
                "size": file.st_size,
                "ctime": int(file.st_mtime),
            }

    async def _content_list(self, v: Answer, user: str) -> Any:
        await self.run(self.show_templates)  # another lab may have built one meanwhile
        return await super()._content_list(v, user)

    def _routes_aplinfo(self) -> list[tuple[str, str, Any]]:
        path = "/nodes/{node}/aplinfo"
        return [("GET", path, self._aplinfo_list), ("POST", path, self._aplinfo_download)]

    async def _aplinfo_list(self, _v: Answer, _user: str) -> list[Answer]:
        return [_index_entry(name) for name in sorted(await self.run(self.templates.index))]

    async def _aplinfo_download(self, v: Answer, user: str) -> str:
        name = str(v["template"])
        if name not in await self.run(self.templates.index):
            raise param_error(template="no such template")
        store = self._active_store(v["storage"], v["node"])
        if "vztmpl" not in split_list(store.get("content")):
            raise PveError(500, f"storage '{v['storage']}' does not support templates")

        async def body() -> None:
            lines = self.tasks[upid]["log"]
            await self.run(self.templates.fetch, name, say=lines.append)
            self.show_templates()

        upid = await self.task(v["node"], "download", v["storage"], user, body)
        return upid

    def _space(self, _store: Answer) -> tuple[int, int, int]:
        """Return the storage's total, used and free bytes: those of this machine."""
        total, free = self.runtime.space()
        return total, total - free, free

    def _routes_feature(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/nodes/{node}/lxc/{vmid}/feature", self._feature),
            ("GET", "/nodes/{node}/time", self._time),
        ]

    async def _time(self, _v: Answer, _user: str) -> Answer:
        now = int(time.time())
        return {"time": now, "localtime": now + time.localtime().tm_gmtoff, "timezone": "UTC"}

    async def _feature(self, v: Answer, _user: str) -> Answer:
        self._find_ct(v["node"], v["vmid"])
        return {"hasFeature": int(v["feature"] != "clone")}

    # ------------------------------------------------------------------ what the lab has not

    async def synthesise(
        self, match: Any, method: str, info: Any, user: str, values: Answer
    ) -> Any:
        """Refuse what would change something: fakepve says OK to it and does nothing."""
        if method != "GET":
            raise PveError(501, f"the lab does not do '{method} {match.template}'")
        return await super().synthesise(match, method, info, user, values)

    async def _qm_create(self, *_: Any) -> str:
        raise PveError(501, "the lab runs containers, no virtual machines")

    async def _effect_vzsuspend(self, ct: FakeCt, _body: Body, _say: Say) -> str | None:
        command = f"lxc-checkpoint -n {ct.vmid} -s -D /var/lib/vz/dump"
        raise TaskError(f"command '{command}' failed: exit code 1")

    # ------------------------------------------------------------------ tasks

    async def task(  # noqa: PLR0913, PLR0917 # fakepve's signature
        self,
        node: str,
        ttype: str,
        tid: Any,
        user: str,
        body: Body,
        vm: Any = None,
        lock: bool = True,
        log: Iterable[str] = (),
    ) -> str:
        """Start a task and return its UPID; like fakepve's own, but nothing it does is lost."""
        upid: str
        upid, pid, start = self._upid(node, ttype, tid, user)
        record = {
            "upid": upid,
            "node": node,
            "pid": pid,
            "pstart": pid * 7,
            "starttime": start,
            "type": ttype,
            "id": str(tid),
            "user": user,
            "status": "running",
            "log": list(log),
        }
        self.tasks[upid] = record
        self.tasklog.append(record)
        effect = getattr(self, f"_effect_{ttype}", None) if isinstance(vm, FakeCt) else None
        whole = (lambda: effect(vm, body, record["log"].append)) if effect else body
        self.remember()
        self.follow_up(self._work(record, whole, vm if lock else None))
        return upid

    async def _work(self, record: Answer, body: Body, locked: Any) -> None:
        status = "OK"
        try:
            if locked is not None:
                await self.acquire(locked, record["upid"])
            note = await body()
            if note:
                record["log"].append(note)
        except (TaskError, ContainerError) as error:
            status = str(error)
        except PveError as error:
            status = error.message
        except Exception as error:
            log.exception("task %s", record["upid"])
            status = f"{type(error).__name__}: {error}"
        finally:
            if locked is not None:
                self.release(locked, record["upid"])
        warnings = sum(line.startswith("WARN:") for line in record["log"])
        if status == "OK" and warnings:
            status = f"WARNINGS: {warnings}"
        end = status if status == "OK" or warnings else f"ERROR: {status}"
        record["log"].append(f"TASK {end}")
        record.update(status="stopped", exitstatus=status, endtime=int(time.time()))
        self.remember()

    # ------------------------------------------------------------------ state

    async def answer(self, request: Any, *args: Any) -> Any:
        try:
            return await super().answer(request, *args)
        finally:
            if request.method != "GET":
                self.remember()

    async def resume(self) -> set[int]:
        """Load what was kept, take over what still runs; return the containers to start again."""
        ran = state.restore(self, self.keep) if self.keep else set()
        for ct in list(self.cts):
            if ct.lock in UNFINISHED:
                log.warning("container %s was cut in %s: removed", ct.vmid, ct.lock)
                await self.run(self.runtime.destroy, self.parsed(ct))
                self._drop(ct)
            else:
                await self._take_over(ct)
        for sid in self.ha["resources"]:
            self._ha_changed(sid)
        self.remember()
        return {ct.vmid for ct in self.cts if ct.vmid in ran and ct.status != "running"}

    async def _take_over(self, ct: FakeCt) -> None:
        """Finish what was cut, and adopt the container if it runs."""
        await self.run(self.runtime.repair, ct.vmid)
        if ct.lock == "rollback":
            await self.run(self.runtime.rollback, self.parsed(ct), ct.config["parent"])
        for name in [name for name, kept in ct.snapshots.items() if kept.get("snapstate")]:
            await self.run(self.runtime.delete_snapshot, ct.vmid, name)
            forget_snapshot(ct, name)
        ct.lock = None
        pid = await self.run(self.runtime.pid, ct.vmid)
        if pid is not None:
            self._is_running(ct, pid)

    async def start_again(self, vmids: Iterable[int]) -> None:
        """Start containers as the node does after it booted, in their startup order."""
        cts = [ct for ct in self.cts if ct.vmid in set(vmids)]
        for ct in sorted(cts, key=_startup_order):
            upid = await self._lxc_start("root@pam", {"node": ct.node, "vmid": ct.vmid})
            while self.tasks[upid]["status"] == "running":
                await asyncio.sleep(0.05)

    def _is_running(self, ct: FakeCt, pid: int) -> None:
        ct.status = "running"
        ct.pid = pid
        ct.started_at = self.runtime.started_at(pid)
        self._watch(ct, pid)

    def _watch(self, ct: FakeCt, pid: int) -> None:
        """Notice when the container ends by itself: its init is gone."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self.follow_up(self._ended(ct, pid))

        loop.add_reader(descriptor, ended)

    async def _ended(self, ct: FakeCt, pid: int) -> None:
        await asyncio.sleep(1)  # a reboot from inside gives a new init within this time
        if ct.pid != pid or ct not in self.cts:
            return
        again = await self.run(self.runtime.pid, ct.vmid)
        if again is not None:
            self._is_running(ct, again)
            # It restarted itself: LXC's monitor gave it the configuration it had read before.
            if ct.pending or not await self.run(self.runtime.started_with, self.parsed(ct)):
                await self._lxc_reboot("root@pam", {"node": ct.node, "vmid": ct.vmid})
        elif ct.pid == pid:
            ct.status = "stopped"
            ct.pid = None
            if self.wanted(ct) == "started":
                self._ha_changed(f"ct:{ct.vmid}")
        self.remember()

    # ------------------------------------------------------------------ create and destroy

    async def _lxc_create(self, user: str, v: Answer) -> str:
        vmid = int(v["vmid"])
        start = v.pop("start", None)
        birth = Birth(
            template=str(v["ostemplate"]).rpartition("/")[2],
            ssh_public_keys=str(v.get("ssh-public-keys") or ""),
            password=v.get("password"),
        )
        if start:
            self._vm_perm(user, vmid, v.get("pool"), "VM.PowerMgmt")
        upid: str = await super()._lxc_create(user, v)
        # The task starts at the next turn of the loop: it finds its birth here.
        self._births[vmid] = birth
        if start:
            self._after(upid, lambda: self._lxc_start(user, {"node": v["node"], "vmid": vmid}))
        return upid

    def _after(self, upid: str, action: Callable[[], Awaitable[Any]]) -> None:
        """Run `action` once a task ended well: Proxmox forks it, and does not tell."""

        async def wait() -> None:
            while self.tasks[upid]["status"] == "running":
                await asyncio.sleep(0.05)
            if self.tasks[upid]["exitstatus"] == "OK":
                with contextlib.suppress(PveError):
                    await action()

        self.follow_up(wait())

    async def _effect_vzcreate(self, ct: FakeCt, body: Body, say: Say) -> str | None:
        birth = self._births.pop(ct.vmid)
        note = await body()
        ct.lock = "create"  # fakepve's body lifted it; the work only starts now
        self.remember()
        try:
            await self.run(self.runtime.create, self.parsed(ct), birth, say=say)
        except ContainerError as error:
            self._drop(ct)
            raise TaskError(f"unable to create CT {ct.vmid} - {error}") from error
        ct.lock = None
        if ct.ha_state:
            self._ha_create("resources", f"ct:{ct.vmid}", {"state": ct.ha_state})
        return note

    async def _effect_vzdestroy(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        self._check_protection(ct, f"can't remove CT {ct.vmid}")
        self._task_lock(ct)
        _check_root_disk(ct)
        ct.lock = "destroyed"
        self.remember()
        try:
            await self.run(self.runtime.destroy, self.parsed(ct))
        finally:
            ct.lock = None  # fakepve's body takes it again, and drops the container
        return await body()

    # ------------------------------------------------------------------ start and stop

    async def _start_steps(self, ct: FakeCt, _user: str, skiplock: bool = False) -> None:
        if ct.template:
            raise TaskError("you can't start a CT if it's a template")
        if not skiplock:
            self._task_lock(ct, allow=("mounted",))
        lines = self._log_of(ct)
        lines += (await self.settle(ct)).values()
        _check_root_disk(ct)
        pid = await self.run(self.runtime.start, self.parsed(ct), say=lines.append)
        self._is_running(ct, pid)

    def _log_of(self, ct: FakeCt) -> list[str]:
        """Return the log of the task that now works on the container."""
        found = self.tasks.get(str(ct.lock_holder)) or next(
            (t for t in reversed(self.tasklog) if t["id"] == str(ct.vmid)), None
        )
        lines: list[str] = found["log"] if found else []
        return lines

    async def _ct_powerdown(self, ct: FakeCt, timeout: float, force: bool) -> None:
        guest = self.parsed(ct)
        if not await self.run(self.runtime.shutdown, guest, timeout_s=float(timeout)):
            if not force:
                raise TaskError("container did not stop")
            await self.run(self.runtime.kill, guest)
        ct.status = "stopped"
        ct.pid = None

    async def _effect_vzstop(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        await self.run(self.runtime.kill, self.parsed(ct))
        return await body()

    # ------------------------------------------------------------------ disks and snapshots

    async def _effect_resize(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        before = dict(ct.config)
        note = await body()
        key = next(key for key in ct.config if ct.config[key] != before.get(key))
        ct.config[key] = print_mount(parse_mount(ct.config[key]))
        disk = next(disk for disk in self.parsed(ct).disks if disk.key == key)
        try:
            await self.run(self.runtime.resize, ct.vmid, disk)
        except ContainerError:
            ct.config[key] = before[key]
            raise
        return note

    async def _effect_vzsnapshot(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        known = set(ct.snapshots)
        note = await body()
        (name,) = set(ct.snapshots) - known
        ct.snapshots[name]["snapstate"] = "prepare"
        ct.lock = "snapshot"
        self.remember()
        try:
            await self.run(self.runtime.snapshot, self.parsed(ct), name)
        except ContainerError:
            forget_snapshot(ct, name)
            raise
        finally:
            ct.lock = None
        del ct.snapshots[name]["snapstate"]
        return note

    async def _effect_vzdelsnapshot(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        known = set(ct.snapshots)
        note = await body()
        for name in known - set(ct.snapshots):
            await self.run(self.runtime.delete_snapshot, ct.vmid, name)
        return note

    async def _lxc_rollback(self, user: str, v: Answer) -> str:
        start = v.pop("start", None)
        if start:
            self.require(user, f"/vms/{v['vmid']}", "VM.PowerMgmt")
        upid: str = await super()._lxc_rollback(user, v)
        if start:
            self._after(upid, lambda: self._lxc_start(user, {"node": v["node"], "vmid": v["vmid"]}))
        return upid

    async def _effect_vzrollback(self, ct: FakeCt, body: Body, _say: Say) -> str | None:
        config, pending = dict(ct.config), dict(ct.pending)
        note = await body()
        ct.lock = "rollback"
        self.remember()
        try:
            await self.run(self.runtime.rollback, self.parsed(ct), ct.config["parent"])
        except ContainerError:
            ct.config, ct.pending = config, pending
            raise
        finally:
            ct.lock = None
        return note

    # ------------------------------------------------------------------ looking

    async def _lxc_list(self, user: str, v: Answer) -> Any:
        await self._measure(self.cts)
        return await super()._lxc_list(user, v)

    async def _lxc_status_current(self, user: str, v: Answer) -> Any:
        await self._measure([self._find_ct(v["node"], v["vmid"])])
        return await super()._lxc_status_current(user, v)

    async def _measure(self, cts: Iterable[FakeCt]) -> None:
        """Take what running containers use; a stopped one uses nothing."""
        for ct in cts:
            if ct.status == "running" and ct.pid:
                ct.stats = await self.run(self._usage, ct)
            else:
                ct.stats = {}

    def _usage(self, ct: FakeCt) -> Answer:
        used = self.runtime.usage(self.parsed(ct))
        now = time.monotonic()
        seen_at, seen_s = self._cpu_seen.get(ct.vmid, (now, used.cpu_s))
        self._cpu_seen[ct.vmid] = (now, used.cpu_s)
        spent = (used.cpu_s - seen_s) / (now - seen_at) if now > seen_at else 0.0
        return {
            "cpu": round(max(spent, 0.0) / self._cpus(ct), 6),
            "mem": used.memory_bytes,
            "disk": used.disk_bytes,
        }

    async def _lxc_interfaces(self, _user: str, v: Answer) -> Any:
        ct = self._here(v)
        if ct is None or ct.status != "running":
            return None
        links = await self.run(self.runtime.interfaces, ct.vmid)
        return [_interface(link) for link in links]


def _check_root_disk(ct: FakeCt) -> None:
    """Refuse what Proxmox cannot do to a container whose root disk was overwritten by a PUT."""
    volume = ct.config["rootfs"].split(",")[0]
    if NEW_DISK.match(volume):
        name = volume.partition(":")[2]
        raise TaskError(f"unable to parse directory volume name '{name}'")


def forget_snapshot(ct: FakeCt, name: str) -> None:
    """Remove a snapshot from a container's configuration; those made after it take its parent."""
    parent = ct.snapshots.pop(name).get("parent")
    for later in (*ct.snapshots.values(), ct.config):
        if later.get("parent") == name:
            del later["parent"]
            if parent:
                later["parent"] = parent


def _startup_order(ct: FakeCt) -> tuple[int, int]:
    """Return the container's place; those without an order come last, by VMID."""
    order = split_props(ct.config.get("startup", ""))[1].get("order", "")
    return (int(order) if order.isdigit() else sys.maxsize), ct.vmid


def _interface(link: Answer) -> Answer:
    """Return an interface as Proxmox tells it, from what `ip -json address` tells."""
    found: Answer = {
        "name": link["ifname"],
        "hwaddr": link.get("address", ""),
        "hardware-address": link.get("address", ""),
        "ip-addresses": [],
    }
    for address in link.get("addr_info", []):
        family = address["family"]
        found.setdefault(family, f"{address['local']}/{address['prefixlen']}")
        found["ip-addresses"].append(
            {
                "ip-address-type": family,
                "ip-address": address["local"],
                "prefix": str(address["prefixlen"]),
            }
        )
    return found


def _index_entry(name: str) -> Answer:
    package, version, _ = name.split("_", 2)
    return {
        "template": name,
        "package": package,
        "version": version,
        "os": package.rpartition("-")[0],
        "section": "system",
        "type": "lxc",
        "headline": f"{package} ({version})",
        "source": "lab",
        "architecture": "amd64",
    }
