"""How a change reaches a container's configuration: at once, or at its next start.

Proxmox keeps two layers of what waits (pve-guest-common AbstractConfig.pm, pve-container
LXC/Config.pm): new values, and beside them under `delete` the names of what goes. fakepve 0.5.0
keeps one dictionary, where the later overwrites the earlier.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from fakepve import FakeCt
from fakepve.lxc import FASTPLUG, HOT_DELETE, NEW_DISK, format_size, parse_mount, split_props
from fakepve.model import PveError
from fakepve.routing import split_list

from lab import state
from lab.access import AccessPve
from lab.commands import CommandError
from lab.errors import LabError
from lab.guest import ContainerError, Guest, disk_name, parse_guest, volumes
from lab.lxc import LxcRuntime
from lab.settings import write_atomically

Answer = dict[str, Any]
DELETE = "delete"
# LXC/Config.pm, vmconfig_hotplug_pending: only these reach a running container. A mount or a device
# does when there is none of that key.
HOT_SET = re.compile("|".join((*FASTPLUG, "cpulimit", "cpuunits", "memory", "swap", r"net\d+")))
HOT_ADD = re.compile(r"(mp|dev)\d+")
HOT_REMOVE = re.compile("|".join((*FASTPLUG, *HOT_DELETE, r"unused\d+", r"net\d")))


class PendingPve(AccessPve):
    """The API with a real server's two layers."""

    def __init__(self, runtime: LxcRuntime, *, keep: Path | None, **where: Any) -> None:
        super().__init__(**where)
        self.runtime = runtime
        self.keep = keep
        self._workers: set[asyncio.Future[Any]] = set()

    async def run(self, method: Callable[..., Any], *args: Any, **words: Any) -> Any:
        """Call the runtime, beside everything else. Raises ContainerError with the reason."""
        try:
            return await asyncio.to_thread(method, *args, **words)
        except (CommandError, OSError) as error:
            raise ContainerError(str(error)) from error
        except LabError as error:
            raise ContainerError(error.problem) from error

    def follow_up(self, work: Awaitable[Any]) -> None:
        worker = asyncio.ensure_future(work)
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    def remember(self) -> None:
        """Keep everything on disk, so that a killed lab comes back as it was."""
        if self.keep:
            running = {ct.vmid for ct in self.cts if ct.status == "running"}
            write_atomically(self.keep, state.snapshot(self, running=running))

    @staticmethod
    def parsed(ct: FakeCt) -> Guest:
        return parse_guest(ct.vmid, ct.config)

    async def _lxc_config_get(self, user: str, v: Answer) -> Answer:
        """Show what waits, unless `current` (load_current_config); a description ends its line."""
        active = {**v, "current": 1}
        found: Answer = await super()._lxc_config_get(user, v if v.get("snapshot") else active)
        if not (v.get("snapshot") or v.get("current")):
            ct = self._find_ct(v["node"], v["vmid"])
            found |= {key: ct.pending[key] for key in waiting(ct)}
            for key in leaving(ct):
                if found.get(key) not in (0, "0"):  # Perl's `if`: a zero goes on being shown
                    found.pop(key, None)
        if found.get("description"):
            found["description"] = found["description"].rstrip("\n") + "\n"
        return found

    async def _lxc_pending(self, _user: str, v: Answer) -> list[Answer]:
        """Show both layers (GuestHelpers.pm, config_with_pending_array)."""
        ct = self._find_ct(v["node"], v["vmid"])
        layers = {
            "value": {**ct.config, "digest": ct.digest()},
            "pending": {key: ct.pending[key] for key in waiting(ct)},
            "delete": dict.fromkeys(leaving(ct), 1),
        }
        keys = sorted({key for layer in layers.values() for key in layer})
        return [
            {"key": key} | {name: layer[key] for name, layer in layers.items() if key in layer}
            for key in keys
        ]

    def _apply(self, *_: Any) -> None:
        """Leave what fakepve has checked and collected to `_update_config`."""

    _cleanup_pending = _apply

    async def _update_config(
        self, ct: FakeCt, user: str, values: Answer, deletes: list[str], reverts: list[str]
    ) -> None:
        """Write to the layers, then bring over what may go; one failure and nothing is written."""
        kept, ct.pending = ct.pending, {}
        try:
            await super()._update_config(ct, user, values, deletes, [])
        finally:
            asked, ct.pending = ct.pending, kept
        written = {"config": dict(ct.config), "pending": dict(ct.pending)}
        goes = {key for key, value in asked.items() if value is None}
        for key in reverts:
            ct.pending.pop(key, None)
        ct.pending |= {key: asked[key] for key in asked.keys() - goes}
        leave(ct, (leaving(ct) - {*asked, *reverts}) | goes)
        clean(ct)
        errors = await self.settle(ct, asked, running=ct.status == "running", written=written)
        if errors:
            reached, ct.config, ct.pending = ct.config, written["config"], written["pending"]
            with contextlib.suppress(ContainerError):
                await self.bring(ct, reached)
            raise PveError(400, "Parameter verification failed.", errors)

    async def settle(
        self,
        ct: FakeCt,
        keys: Collection[str] | None = None,
        *,
        running: bool = False,
        written: Answer | None = None,
    ) -> dict[str, str]:
        """Bring what waits (of `keys`) into the configuration; return what failed, and why.

        A running container takes what can be plugged. `written` is what stands on disk meanwhile.
        """
        errors = {}
        failed = "unable to hotplug {}: {}" if running else "unable to apply pending change {} : {}"
        for key, goes in _steps(ct, keys, running=running):
            before = {"config": dict(ct.config), "pending": dict(ct.pending)}
            try:
                await self._take(ct, key, goes=goes)
                if written and running and _is_replaced(key, before["config"], ct.config):
                    # update_net writes the file without the old NIC before it plugs the new one.
                    written |= {"pending": before["pending"]}
                    written["config"] = {k: x for k, x in before["config"].items() if k != key}
                await self.bring(ct, before["config"])
            except ContainerError as error:
                ct.config, ct.pending = before["config"], before["pending"]
                errors[key] = failed.format(key, error)
        return errors

    async def bring(self, ct: FakeCt, before: Answer) -> None:
        """Give disks and container what the configuration now says. Raises ContainerError."""
        old, new = volumes(before), volumes(ct.config)
        for disk in self.parsed(ct).disks:
            if disk.name not in old and disk.key != "rootfs":
                await self.run(self.runtime.allocate, ct.vmid, disk)
        for name in old.keys() - new.keys():
            if old[name] != "rootfs":  # an orphan, as on a real server
                await self.run(self.runtime.free, ct.vmid, name)
        if ct.status == "running" and ct.config != before:
            guest = parse_guest(ct.vmid, before)
            await self.run(self.runtime.reconfigure, guest, self.parsed(ct))

    async def _take(self, ct: FakeCt, key: str, *, goes: bool) -> None:
        old = ct.config.get(key)
        if goes:
            ct.config.pop(key, None)
            leave(ct, leaving(ct) - {key})
        else:
            ct.config[key] = await self._value(ct, key, ct.pending.pop(key))
        if old is not None and re.fullmatch(r"mp\d+", key):
            volume = parse_mount(old)["volume"]
            if volume != parse_mount(ct.config.get(key, "")).get("volume"):
                ct.config[self._unused_key(ct.config)] = volume

    async def _value(self, ct: FakeCt, key: str, value: Any) -> Any:
        """Return the value as Proxmox writes it (apply_pending_mountpoint).

        A new volume is allocated, an existing one is measured. `rootfs=STORAGE:GiB` is written as
        it is: the container is lost.
        """
        if not re.fullmatch(r"mp\d+", key):
            return value
        mount = parse_mount(value)
        if not NEW_DISK.match(mount["volume"]):
            size = await self.run(self.runtime.size, ct.vmid, disk_name(mount["volume"]))
            mount["size"] = format_size(size)
        return self._realise(ct.vmid, key, print_mount(mount), self._taken_volumes())

    def _realise(self, *args: Any, **words: Any) -> str:
        return print_mount(parse_mount(super()._realise(*args, **words)))


def waiting(ct: FakeCt) -> set[str]:
    return {key for key in ct.pending if key != DELETE}


def leaving(ct: FakeCt) -> set[str]:
    return {*split_list(ct.pending.get(DELETE, ""))}


def leave(ct: FakeCt, keys: Iterable[str]) -> None:
    """Write the layer of what will be deleted, as the file has it."""
    ct.pending.pop(DELETE, None)
    if names := ",".join(sorted(keys)):
        ct.pending[DELETE] = names


def clean(ct: FakeCt) -> None:
    """Drop what changes nothing; strings are compared (cleanup_pending)."""
    for key in waiting(ct):
        if key in ct.config and str(ct.config[key]) == str(ct.pending[key]):
            del ct.pending[key]
    leave(ct, leaving(ct) & ct.config.keys())


def _steps(ct: FakeCt, keys: Collection[str] | None, *, running: bool) -> list[tuple[str, bool]]:
    """Return what is brought over, in Proxmox's order: (key, whether it goes)."""
    sets = [(key, False) for key in sorted(waiting(ct)) if keys is None or key in keys]
    goes = [(key, True) for key in sorted(leaving(ct)) if keys is None or key in keys]
    if not running:
        return goes + sets
    fast = [step for step in sets if step[0] in FASTPLUG]
    slow = [
        (key, goes)
        for key, goes in sets
        if key not in FASTPLUG
        and (HOT_SET.fullmatch(key) or (HOT_ADD.fullmatch(key) and key not in ct.config))
    ]
    return fast + [step for step in goes if HOT_REMOVE.fullmatch(step[0])] + slow


def _is_replaced(key: str, old: Answer, new: Answer) -> bool:
    """Return whether the NIC of `key` is plugged anew: another MAC, or another name."""
    if not key.startswith("net") or key not in old or key not in new:
        return False
    before, after = split_props(old[key])[1], split_props(new[key])[1]
    return any(before.get(part) != after.get(part) for part in ("hwaddr", "name"))


def print_mount(mount: Answer) -> str:
    """Return a volume's value: the volume, what it must have, then the rest by name (JSONSchema.pm,
    print_property_string)."""
    rest = sorted(mount.keys() - {"volume"}, key=lambda key: (key != "mp", key))
    return ",".join([mount["volume"], *(f"{key}={mount[key]}" for key in rest)])
