"""Real containers: the edge to LXC."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lab import hotplug, lxcconfig, lxcfs, machine, network
from lab.commands import CommandError, kill_all, run
from lab.errors import LabError
from lab.guest import (
    Birth,
    ContainerError,
    Disk,
    Guest,
    Nic,
    Say,
    Usage,
    hosts_file,
    interfaces_file,
    resolver_file,
)
from lab.hostkeys import HostKeys
from lab.lxcconfig import Surroundings
from lab.machine import Machine
from lab.rootfs import Rootfs
from lab.settings import Settings, write_atomically
from lab.storage import Disks
from lab.templates import Templates, unpack

START_TIMEOUT_S = 60
KILL_TIMEOUT_S = 30
# pve-container, Setup/Base.pm: from then on it warns of a container without nesting.
SYSTEMD_NEEDS_NESTING = 241
ATTACH_NIC = Path(__file__).with_name("attach-nic")
CGROUPS = Path("/sys/fs/cgroup")


class LxcRuntime:
    """Containers of one lab.

    All LXC commands run in the host's network namespace and with the lab's absolute folder: LXC
    finds a container's command socket by exactly these two.
    """

    def __init__(
        self, settings: Settings, *, templates: Templates, host: Machine | None = None
    ) -> None:
        self.settings = settings
        self.templates = templates
        self.machine = host or machine.look()
        self.keys = HostKeys(settings.run_folder / "keys")
        self.folder = settings.run_folder / "lxc"
        self.folder.mkdir(parents=True, exist_ok=True)
        # Root of a container walks through it; nobody else of this machine sees what is below.
        os.chown(self.folder, 0, settings.id_base)
        self.folder.chmod(0o710)

    # ------------------------------------------------------------------ where things are

    def name(self, vmid: int) -> str:
        """Return the name LXC knows a container by; unlike the VMID, unique on this machine."""
        return f"{self.settings.name}-{vmid}"

    def disks(self, vmid: int) -> Disks:
        return Disks(
            images=self.settings.state / "images" / str(vmid),
            mounts=self.folder / self.name(vmid),
            id_base=self.settings.id_base,
        )

    def rootfs(self, vmid: int) -> Rootfs:
        return Rootfs(self.disks(vmid).rootfs, id_base=self.settings.id_base)

    def _lxc(self, command: str, vmid: int, *words: str, timeout_s: float = 30.0) -> str:
        target = ["-n", self.name(vmid), "-P", str(self.folder)]
        return run([f"lxc-{command}", *target, *words], timeout_s=timeout_s)

    def _template_tree(self, vmid: int) -> Path:
        note = self.disks(vmid).images / "template"
        return self.settings.state / "templates" / note.read_text().strip()

    # ------------------------------------------------------------------ create

    def create(self, guest: Guest, birth: Birth, *, say: Say) -> None:
        """Make the disks, unpack the template, give the container an identity of its own."""
        try:
            self._unpack(guest, birth, say)
            self._personalise(guest, birth, say)
        except (CommandError, OSError, LabError):
            with contextlib.suppress(CommandError, OSError):
                self.destroy(guest)
            raise
        finally:
            self.keys.fill()

    def _unpack(self, guest: Guest, birth: Birth, say: Say) -> None:
        template = self.templates.get(birth.template)
        disks = self.disks(guest.vmid)
        for disk in guest.disks:
            place = disks.image(disk.name)
            say(f"Formatting '{place}', fmt=raw size={disk.size_bytes} preallocation=off")
            disks.allocate(disk.name, disk.size_bytes)
        say(f"extracting archive '{template.archive}'")
        tree = unpack(
            template, into=self.settings.state / "templates", id_base=self.settings.id_base
        )
        (disks.images / "template").write_text(tree.name)
        disks.mount(guest.root_disk, tree)
        say("Detected container architecture: amd64")
        found = tree.glob("usr/lib/*/systemd/libsystemd-shared-*.so")
        numbers = (re.search(r"shared-(\d+)", file.name) for file in found)
        version = max((int(number[1]) for number in numbers if number), default=0)
        if version > SYSTEMD_NEEDS_NESTING and not guest.nesting:
            say(f"WARN: Systemd {version} detected. You may need to enable nesting.")

    def _personalise(self, guest: Guest, birth: Birth, say: Say) -> None:
        rootfs = self.rootfs(guest.vmid)
        for key in self.keys.take(guest.hostname):
            name = f"ssh_host_{key.kind}_key"
            # The wording of pve-container (Setup.pm, rewrite_ssh_host_keys): clients read it.
            say(f"Creating SSH host key '{name}' - this may take some time ...")
            rootfs.write(f"/etc/ssh/{name}", key.private, mode=0o600)
            rootfs.write(f"/etc/ssh/{name}.pub", key.public)
            say(f"done: {key.fingerprint} {key.public.split()[2]}")
        rootfs.write("/etc/machine-id", secrets.token_hex(16) + "\n", mode=0o444)
        if birth.ssh_public_keys:
            rootfs.make_folder("/root/.ssh", mode=0o700)
            lines = birth.ssh_public_keys.strip() + "\n"
            rootfs.write("/root/.ssh/authorized_keys", lines, mode=0o600)
        hashed = "*"  # locked: the template's may be empty
        if birth.password:
            hashed = run(["openssl", "passwd", "-6", "-stdin"], stdin=birth.password).strip()
        shadow = rootfs.read("/etc/shadow")
        changed = re.sub(r"^root:[^:]*:", f"root:{hashed}:", shadow, flags=re.MULTILINE)
        rootfs.write("/etc/shadow", changed, mode=0o640)
        self._write_network_files(guest)

    def _write_network_files(self, guest: Guest) -> None:
        """Write what Proxmox writes at creation and again before each start."""
        rootfs = self.rootfs(guest.vmid)
        rootfs.write_if_changed("/etc/hostname", guest.hostname.split(".")[0] + "\n")
        rootfs.write_if_changed("/etc/hosts", hosts_file(guest))
        rootfs.write_if_changed("/etc/network/interfaces", interfaces_file(guest))
        rootfs.write_if_changed("/etc/resolv.conf", resolver_file(guest))

    def copy(self, source: Guest, guest: Guest, snapshot: str | None) -> None:
        """Make the disks copies of another container's, as they are or were at a snapshot.

        Host keys come along, as on Proxmox.
        """
        old, new = self.disks(source.vmid), self.disks(guest.vmid)
        names = {disk.key: disk.name for disk in guest.disks}
        try:
            new.copy(old, {disk.name: names[disk.key] for disk in source.disks}, snapshot)
            (new.images / "template").write_text(self._template_tree(source.vmid).name)
        except (CommandError, OSError):
            with contextlib.suppress(CommandError, OSError):
                self.destroy(guest)
            raise

    # ------------------------------------------------------------------ start and stop

    def start(self, guest: Guest, *, say: Say) -> int:
        """Boot the container; return the process id of its init on this machine."""
        disks = self.disks(guest.vmid)
        log = disks.mounts / "lxc.log"
        try:
            self._check_bridges(guest.nics)
            clear_remains(self.name(guest.vmid))
            disks.mount(guest.root_disk, self._template_tree(guest.vmid))
            for disk in guest.disks:
                disks.mount_disk(disk.name)
            self._write_network_files(guest)
            write_atomically(self._config_file(guest.vmid), self._config(guest))
            log.unlink(missing_ok=True)
            words = ["-f", str(self._config_file(guest.vmid)), "-o", str(log), "-l", "WARN", "-d"]
            self._lxc("start", guest.vmid, *words, timeout_s=START_TIMEOUT_S)
        except (CommandError, OSError) as error:
            for line in [*_errors_in(log), str(error)]:
                say(line)
            raise ContainerError(f"startup for container '{guest.vmid}' failed") from error
        found = self.pid(guest.vmid)
        if found is None:
            raise ContainerError(f"startup for container '{guest.vmid}' failed")
        return found

    def _config_file(self, vmid: int) -> Path:
        return self.disks(vmid).mounts / "config"

    def _config(self, guest: Guest) -> str:
        place = self.settings.run_folder / "lxcfs"
        around = Surroundings(
            lab=self.settings.name,
            netns=self.settings.netns,
            id_base=self.settings.id_base,
            rootfs=self.disks(guest.vmid).rootfs,
            disks=self.disks(guest.vmid).mounts / "disks",
            attach_nic=ATTACH_NIC,
            lxcfs=place if lxcfs.serves(place) else None,
        )
        return lxcconfig.render(guest, self.machine, around)

    def started_with(self, guest: Guest) -> bool:
        """Return whether the container was started with what `guest` says.

        LXC's monitor keeps what it read at the start: when the container restarts itself after a
        change, it comes back with the old NICs.
        """
        try:
            return self._config_file(guest.vmid).read_text() == self._config(guest)
        except OSError:
            return False

    def _check_bridges(self, nics: Iterable[Nic]) -> None:
        for nic in nics:
            bridge = lxcconfig.bridge_name(nic)
            if not network.has_link(self.settings.netns, bridge):
                raise OSError(f"bridge '{bridge}' does not exist")

    def shutdown(self, guest: Guest, *, timeout_s: float) -> bool:
        """Ask the container to end; return whether it did within `timeout_s`."""
        if self.pid(guest.vmid) is None:
            return True
        words = ["--nokill", "--timeout", str(max(1, int(timeout_s)))]
        try:
            self._lxc("stop", guest.vmid, *words, timeout_s=timeout_s + 10)
        except CommandError:
            return self.pid(guest.vmid) is None
        return True

    def kill(self, guest: Guest) -> None:
        try:
            if self.pid(guest.vmid) is not None:
                self._lxc("stop", guest.vmid, "--kill", timeout_s=KILL_TIMEOUT_S)
        except CommandError:
            if self.pid(guest.vmid) is not None:
                raise
        clear_remains(self.name(guest.vmid))

    def destroy(self, guest: Guest) -> None:
        self.kill(guest)
        self.disks(guest.vmid).remove()

    # ------------------------------------------------------------------ change while running

    def reconfigure(self, before: Guest, after: Guest) -> None:
        pid = self.pid(after.vmid)
        if pid is None:
            raise ContainerError("container is not running")
        nics = hotplug.Network(netns=self.settings.netns, vmid=after.vmid, pid=pid)
        self._check_bridges(after.nics)
        write = partial(self._lxc, "cgroup", after.vmid)
        hotplug.change_limits(before, after, self.machine, write)
        if after.hostname != before.hostname:
            run(["nsenter", f"--uts=/proc/{pid}/ns/uts", "hostname", after.hostname])
        nics.change(before, after)
        for disk in set(after.disks) - set(before.disks):
            if disk.key != "rootfs":
                source = self.disks(after.vmid).mount_disk(disk.name)
                self.rootfs(after.vmid).make_folder(disk.path)
                hotplug.mount_inside(pid, source, disk.path)
        if (after.nics, after.hostname) != (before.nics, before.hostname):
            self._write_network_files(replace(after, nameservers=before.nameservers))

    # ------------------------------------------------------------------ disks

    def allocate(self, vmid: int, disk: Disk) -> None:
        self.disks(vmid).allocate(disk.name, disk.size_bytes)

    def free(self, vmid: int, disk: str) -> None:
        self.disks(vmid).free(disk)

    def resize(self, vmid: int, disk: Disk) -> None:
        self.disks(vmid).resize(disk.name, disk.size_bytes)

    def size(self, vmid: int, disk: str) -> int:
        """Return a disk's size in bytes."""
        return self.disks(vmid).image(disk).stat().st_size

    def snapshot(self, guest: Guest, name: str) -> None:
        self.disks(guest.vmid).snapshot(name)

    def rollback(self, guest: Guest, name: str) -> None:
        """Put the disks back to a snapshot; the container is stopped for it."""
        self.kill(guest)
        self.disks(guest.vmid).rollback(name)

    def delete_snapshot(self, vmid: int, name: str) -> None:
        self.disks(vmid).delete_snapshot(name)

    def repair(self, vmid: int) -> None:
        """Undo what an operation left that was cut by SIGKILL."""
        self.disks(vmid).repair()

    # ------------------------------------------------------------------ looking

    def pid(self, vmid: int) -> int | None:
        try:
            text = self._lxc("info", vmid, "-p", "-H").strip()
        except CommandError:
            return None
        return int(text) if text.isdigit() and int(text) > 0 else None

    def started_at(self, pid: int) -> float:
        """Return when a container's init was started, as seconds since 1970."""
        try:
            return machine.started_at(pid)
        except OSError:
            return time.time()

    def space(self) -> tuple[int, int]:
        """Return (total, free) bytes where the disks are."""
        found = shutil.disk_usage(self.settings.state)
        return found.total, found.free

    def usage(self, guest: Guest) -> Usage:
        used, _ = self.disks(guest.vmid).usage(guest.root_disk)
        return measure(self.name(guest.vmid), self.machine, disk_bytes=used)

    def interfaces(self, vmid: int) -> list[dict[str, Any]]:
        """Return the container's own interfaces, as `ip -json address` tells them."""
        pid = self.pid(vmid)
        if pid is None:
            return []
        return list(
            json.loads(run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-json", "address"]))
        )


def clear_remains(name: str) -> None:
    """End processes of a container whose LXC monitor was killed: LXC calls it stopped. Its empty
    cgroups go too: LXC would count the next start in others, named NAME-1.

    Raises OSError when they do not end.
    """
    if pids := kill_all(partial(_processes, name), within_s=KILL_TIMEOUT_S):
        raise OSError(f"processes {pids} of the container do not end")
    for top in (*_cgroups("payload", name), *_cgroups("monitor", name)):
        for folder in sorted((top, *top.rglob("*/")), reverse=True):
            with contextlib.suppress(OSError):  # its monitor is still ending: it removes them
                folder.rmdir()


def measure(name: str, host: Machine, *, disk_bytes: int) -> Usage:
    """Return what the container's cgroups say; zeros when they are gone."""
    try:
        if host.unified:
            folder = CGROUPS / f"lxc.payload.{name}"
            memory = int((folder / "memory.current").read_text())
            idle = _field(folder / "memory.stat", "inactive_file")
            cpu_s = _field(folder / "cpu.stat", "usage_usec") / 1e6
        else:
            folder = CGROUPS / "memory" / f"lxc.payload.{name}"
            memory = int((folder / "memory.usage_in_bytes").read_text())
            idle = _field(folder / "memory.stat", "total_inactive_file")
            spent = CGROUPS / "cpuacct" / f"lxc.payload.{name}" / "cpuacct.usage"
            cpu_s = int(spent.read_text()) / 1e9
    except OSError:
        return Usage(disk_bytes=disk_bytes)
    return Usage(memory_bytes=max(memory - idle, 0), disk_bytes=disk_bytes, cpu_s=cpu_s)


def _field(file: Path, name: str) -> int:
    pairs = (line.split() for line in file.read_text().splitlines())
    return next((int(value) for key, value in pairs if key == name), 0)


def _cgroups(kind: str, name: str) -> list[Path]:
    """Return a container's own cgroups, of version 1 or 2: `kind` is payload or monitor."""
    places = (*CGROUPS.glob(f"*/lxc.{kind}.{name}"), CGROUPS / f"lxc.{kind}.{name}")
    return [place for place in places if place.is_dir()]


def _processes(name: str) -> Iterable[int]:
    for folder in _cgroups("payload", name):
        for file in folder.rglob("cgroup.procs"):
            try:
                yield from (int(line) for line in file.read_text().split())
            except OSError:
                continue  # the cgroup went away with its last process


def _errors_in(log: Path) -> list[str]:
    """Return what LXC's log says went wrong, without its columns."""
    if not log.exists():
        return []
    lines = (line for line in log.read_text(errors="replace").splitlines() if " ERROR " in line)
    return [line.split(" ERROR ", 1)[1].strip() for line in lines][-10:]
