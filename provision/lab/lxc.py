"""Real containers: the edge to LXC."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from provision.lab import lxcconfig, network
from provision.lab.commands import CommandError, run, succeeds
from provision.lab.guest import Guest, Nic, hosts_file, interfaces_file, resolver_file
from provision.lab.lxcconfig import Surroundings
from provision.lab.machine import Machine, look
from provision.lab.rootfs import Rootfs
from provision.lab.runtime import Birth, RuntimeFailure, Say, Usage
from provision.lab.settings import Settings, write_atomically
from provision.lab.storage import Disks
from provision.lab.templates import Template, unpack

START_TIMEOUT_S = 60
KILL_TIMEOUT_S = 30
KEY_TYPES = ("rsa", "ecdsa", "ed25519")
ATTACH_NIC = Path(__file__).with_name("attach-nic")
CGROUPS = Path("/sys/fs/cgroup")


class LxcRuntime:
    """Containers of one lab. All LXC commands run in the host's network namespace and with the
    lab's absolute folder: LXC's command socket is found by exactly these two."""

    def __init__(
        self, settings: Settings, *, templates: dict[str, Template], machine: Machine | None = None
    ) -> None:
        self.settings = settings
        self.templates = templates
        self.machine = machine or look()
        self.folder = settings.run_folder / "lxc"
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)

    # ------------------------------------------------------------------ where things are

    def name(self, guest: Guest) -> str:
        """Return the container's name in LXC."""
        return self.settings.container_name(guest.vmid)

    def disks(self, guest: Guest) -> Disks:
        """Return the container's disks."""
        return Disks(
            images=self.settings.state / "images" / str(guest.vmid),
            mounts=self.folder / self.name(guest),
            id_base=self.settings.id_base,
        )

    def rootfs(self, guest: Guest) -> Rootfs:
        """Return the container's mounted tree."""
        return Rootfs(self.disks(guest).rootfs, id_base=self.settings.id_base)

    def _lxc(self, command: str, guest: Guest, *words: str, timeout_s: float = 30.0) -> str:
        target = ["-n", self.name(guest), "-P", str(self.folder)]
        return run([f"lxc-{command}", *target, *words], timeout_s=timeout_s)

    def _template_tree(self, guest: Guest) -> Path:
        note = self.disks(guest).images / "template"
        return self.settings.state / "templates" / note.read_text().strip()

    # ------------------------------------------------------------------ create

    def create(self, guest: Guest, birth: Birth, *, say: Say) -> None:
        """Make the disks, unpack the template, give the container an identity of its own."""
        try:
            with ThreadPoolExecutor(max_workers=1) as beside:
                keys = beside.submit(make_host_keys, guest.hostname)
                self._unpack(guest, birth, say)
                self._personalise(guest, birth, keys.result(), say)
        except (CommandError, OSError) as error:
            self.destroy(guest)
            raise RuntimeFailure(str(error)) from error

    def _unpack(self, guest: Guest, birth: Birth, say: Say) -> None:
        template = self.templates[birth.template]
        disks = self.disks(guest)
        say(f"extracting archive '{template.archive}'")
        tree = unpack(
            template, into=self.settings.state / "templates", id_base=self.settings.id_base
        )
        for disk in guest.disks:
            disks.allocate(disk.key, disk.size_bytes)
        (disks.images / "template").write_text(tree.name)
        disks.mount(tree)
        say("Detected container architecture: amd64")

    def _personalise(
        self, guest: Guest, birth: Birth, keys: dict[str, tuple[str, str, str]], say: Say
    ) -> None:
        rootfs = self.rootfs(guest)
        for kind, (private, public, fingerprint) in keys.items():
            name = f"ssh_host_{kind}_key"
            # The wording of pve-container (Setup.pm, rewrite_ssh_host_keys): clients read it.
            say(f"Creating SSH host key '{name}' - this may take some time ...")
            rootfs.write(f"/etc/ssh/{name}", private, mode=0o600)
            rootfs.write(f"/etc/ssh/{name}.pub", public)
            say(f"done: {fingerprint}")
        rootfs.write("/etc/machine-id", secrets.token_hex(16) + "\n", mode=0o444)
        if birth.ssh_public_keys:
            rootfs.make_folder("/root/.ssh", mode=0o700)
            lines = birth.ssh_public_keys.strip() + "\n"
            rootfs.write("/root/.ssh/authorized_keys", lines, mode=0o600)
        self._set_root_password(rootfs, birth.password)
        self._write_network_files(guest)

    @staticmethod
    def _set_root_password(rootfs: Rootfs, password: str | None) -> None:
        """Set root's password, or lock it: the template's may be empty."""
        hashed = "*"
        if password:
            hashed = run(["openssl", "passwd", "-6", "-stdin"], stdin=password).strip()
        shadow = rootfs.read("/etc/shadow")
        changed = re.sub(r"^root:[^:]*:", f"root:{hashed}:", shadow, flags=re.MULTILINE)
        rootfs.write("/etc/shadow", changed, mode=0o640)

    def _write_network_files(self, guest: Guest) -> None:
        """Write what Proxmox writes at creation and again before each start."""
        rootfs = self.rootfs(guest)
        rootfs.write_if_changed("/etc/hostname", guest.hostname.split(".")[0] + "\n")
        rootfs.write_if_changed("/etc/hosts", hosts_file(guest))
        rootfs.write_if_changed("/etc/network/interfaces", interfaces_file(guest))
        rootfs.write_if_changed("/etc/resolv.conf", resolver_file(guest))

    # ------------------------------------------------------------------ start and stop

    def start(self, guest: Guest, *, say: Say) -> int:
        """Boot the container; return the process id of its init on this machine."""
        disks = self.disks(guest)
        log = disks.mounts / "lxc.log"
        try:
            self._check_bridges(guest.nics)
            self._clear_remains(guest)
            disks.mount(self._template_tree(guest))
            self._write_network_files(guest)
            config = disks.mounts / "config"
            write_atomically(config, lxcconfig.render(guest, self.machine, self._around(guest)))
            log.unlink(missing_ok=True)
            words = ["-f", str(config), "-o", str(log), "-l", "WARN", "-d"]
            self._lxc("start", guest, *words, timeout_s=START_TIMEOUT_S)
            self._mount_extra_disks(guest)
        except (CommandError, OSError) as error:
            for line in _errors_in(log):
                say(line)
            say(str(error))
            raise RuntimeFailure(f"startup for container '{guest.vmid}' failed") from error
        found = self.pid(guest)
        if found is None:
            raise RuntimeFailure(f"startup for container '{guest.vmid}' failed")
        return found

    def _around(self, guest: Guest) -> Surroundings:
        lxcfs = self.settings.run_folder / "lxcfs"
        return Surroundings(
            lab=self.settings.name,
            netns=self.settings.netns,
            id_base=self.settings.id_base,
            rootfs=self.disks(guest).rootfs,
            attach_nic=ATTACH_NIC,
            lxcfs=lxcfs if (lxcfs / "proc").is_dir() else None,
        )

    def _check_bridges(self, nics: Iterable[Nic]) -> None:
        for nic in nics:
            bridge = lxcconfig.bridge_name(nic)
            try:
                network.ip(self.settings.netns, "link", "show", "dev", bridge)
            except CommandError as error:
                raise OSError(f"bridge '{bridge}' does not exist") from error

    def _mount_extra_disks(self, guest: Guest) -> None:
        """Mount points beyond the root disk."""

    def shutdown(self, guest: Guest, *, timeout_s: float) -> bool:
        """Ask the container to end; return whether it did within `timeout_s`."""
        pid = self.pid(guest)
        if pid is None:
            return True
        words = ["--nokill", "--timeout", str(max(1, int(timeout_s)))]
        try:
            self._lxc("stop", guest, *words, timeout_s=timeout_s + 10)
        except CommandError:
            return self.pid(guest) is None
        return True

    def kill(self, guest: Guest) -> None:
        """End the container at once."""
        if self.pid(guest) is not None:
            try:
                self._lxc("stop", guest, "--kill", timeout_s=KILL_TIMEOUT_S)
            except CommandError as error:
                if self.pid(guest) is not None:
                    raise RuntimeFailure(str(error)) from error
        self._clear_remains(guest)

    def _clear_remains(self, guest: Guest) -> None:
        """End processes of a container whose LXC monitor was killed: LXC calls it stopped."""
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while pids := set(_processes(self.name(guest))):
            if time.monotonic() > deadline:
                raise OSError(f"processes {sorted(pids)} of the container do not end")
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.05)

    def destroy(self, guest: Guest) -> None:
        """End the container and remove all of it."""
        self.kill(guest)
        try:
            self.disks(guest).remove()
        except CommandError as error:
            raise RuntimeFailure(str(error)) from error

    # ------------------------------------------------------------------ change while running

    def reconfigure(self, before: Guest, after: Guest, changed: frozenset[str]) -> None:
        """Bring changes of `changed` configuration keys into the running container."""
        raise RuntimeFailure("not hot-pluggable")

    # ------------------------------------------------------------------ disks

    def allocate(self, guest: Guest, key: str) -> None:
        """Make the disk `key` of the container."""
        disk = next(disk for disk in guest.disks if disk.key == key)
        self._guarded(lambda: self.disks(guest).allocate(key, disk.size_bytes))

    def free(self, guest: Guest, key: str) -> None:
        """Remove a disk for good."""
        self._guarded(lambda: self.disks(guest).free(key))

    def resize(self, guest: Guest, key: str, size_bytes: int) -> None:
        """Grow a disk, also while it is in use."""
        self._guarded(lambda: self.disks(guest).resize(key, size_bytes))

    def snapshot(self, guest: Guest, name: str) -> None:
        """Keep the disks as they are at one instant."""
        self._guarded(lambda: self.disks(guest).snapshot(name))

    def rollback(self, guest: Guest, name: str) -> None:
        """Put the disks back; the container must be stopped."""
        self.kill(guest)
        self._guarded(lambda: self.disks(guest).rollback(name))

    def delete_snapshot(self, guest: Guest, name: str) -> None:
        """Forget a snapshot."""
        self._guarded(lambda: self.disks(guest).delete_snapshot(name))

    @staticmethod
    def _guarded(action: Any) -> None:
        try:
            action()
        except (CommandError, OSError) as error:
            raise RuntimeFailure(str(error)) from error

    # ------------------------------------------------------------------ looking

    def pid(self, guest: Guest) -> int | None:
        """Return the process id of the container's init, or None when it does not run."""
        try:
            text = self._lxc("info", guest, "-p", "-H").strip()
        except CommandError:
            return None
        return int(text) if text.isdigit() and int(text) > 0 else None

    def usage(self, guest: Guest) -> Usage:
        """Return what the running container uses."""
        used, _ = self.disks(guest).usage()
        return Usage(disk_bytes=used)

    def interfaces(self, guest: Guest) -> list[dict[str, Any]]:
        """Return the container's own interfaces, as `ip -json address` tells them."""
        pid = self.pid(guest)
        if pid is None:
            return []
        try:
            text = run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-json", "address"])
        except CommandError as error:
            raise RuntimeFailure(str(error)) from error
        return list(json.loads(text))


def make_host_keys(hostname: str) -> dict[str, tuple[str, str, str]]:
    """Return new SSH host keys by type: private, public, and `SHA256:... root@HOST`."""
    comment = f"root@{hostname.split('.')[0]}"
    found = {}
    with tempfile.TemporaryDirectory(prefix="ctlv-keys-") as folder:
        for kind in KEY_TYPES:
            file = Path(folder) / kind
            run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", file])
            shown = run(["ssh-keygen", "-l", "-E", "sha256", "-f", file])
            fingerprint = f"{shown.split()[1]} {comment}"
            public = file.with_suffix(".pub")
            found[kind] = (file.read_text(), public.read_text(), fingerprint)
    return found


def _processes(name: str) -> Iterable[int]:
    """Return the processes in the cgroups of a container."""
    for folder in (*CGROUPS.glob(f"*/lxc.payload.{name}"), CGROUPS / f"lxc.payload.{name}"):
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


def remove_folder(path: Path) -> None:
    """Remove a folder that may be missing."""
    shutil.rmtree(path, ignore_errors=True)
