"""Container templates: built once with mmdebstrap, cached, unpacked once a lab."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.commands import CommandError, kill_all, run
from lab.errors import LabError
from lab.guest import ContainerError, Say
from lab.packages import debian_sources, machine_certificates, machine_proxy

RELEASES = {12: "bookworm", 13: "trixie"}
# What a Proxmox "standard" template has and a minimal Debian has not. ifupdown reads the
# /etc/network/interfaces that Proxmox (and the lab) writes; python3 is what Ansible needs.
PACKAGES = (
    "systemd-sysv",
    "dbus",
    "ifupdown",
    "iproute2",
    "iputils-ping",
    "openssh-server",
    "python3",
    "python3-apt",
    "ca-certificates",
    "netbase",
    "procps",
    "less",
    "vim-tiny",
)
BUILD_TIMEOUT_S = 900
ORPHAN_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Template:
    """A template on the lab's `local` storage: `name` as Proxmox lists it, `archive` the file."""

    name: str
    archive: Path

    @property
    def tree(self) -> str:
        """The folder's name when unpacked: another recipe gives another tree."""
        return f"{self.name.removesuffix('.tar.zst')}-{self.archive.parent.name}"


def cache_folder() -> Path:
    """Return where templates are kept, for all labs and clones of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ctlv" / "templates"


def recipe(release: int) -> str:
    """Return a digest of all that decides what the template holds, but the packages' versions."""
    parts = _mmdebstrap(release, Path("rootfs.tar.zst"))
    parts += [certificate.read_text() for certificate in machine_certificates()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def cached(release: int) -> Template | None:
    found = sorted((cache_folder() / recipe(release)).glob(f"debian-{release}-standard_*.tar.zst"))
    return Template(found[-1].name, found[-1]) if found else None


def build(release: int, *, say: Say) -> Template:
    ready = cached(release)
    if ready:
        return ready
    started = time.monotonic()
    name = template_name(release)
    say(f"Building {name} with mmdebstrap (about a minute, once) ...")
    folder = cache_folder() / recipe(release)
    work = folder.with_name(f"{folder.name}.{os.getpid()}")
    # What builds left that were killed.
    for place in folder.parent.glob("*.*"):
        pid = place.suffix.lstrip(".")
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(place, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    try:
        archive = work / "rootfs.tar.zst"
        run(_mmdebstrap(release, archive), timeout_s=BUILD_TIMEOUT_S)
        folder.mkdir(exist_ok=True)
        archive.rename(folder / name)
    except CommandError as error:
        lines = error.reason.splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith("E: ")), lines[-1])
        raise LabError(
            f"debian-{release}-standard could not be built: {reason}",
            next_step="check that `apt-get update` works on this machine, then try again",
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"Built {name} in {time.monotonic() - started:.0f} s")
    return Template(name, folder / name)


def template_name(release: int) -> str:
    return f"debian-{release}-standard_{release}-1_amd64.tar.zst"


class Templates:
    """The templates of a lab: those that are built, and those that can be."""

    def listed(self) -> dict[str, Template]:
        found = (cached(release) for release in RELEASES)
        return {template.name: template for template in found if template}

    def get(self, name: str) -> Template:
        found = self.listed().get(name)
        if found is None:
            raise ContainerError(f"template '{name}' is gone from {cache_folder()}")
        return found

    def index(self) -> dict[str, int]:
        """Return what can be had, by name, with its Debian release."""
        return {
            ready.name if (ready := cached(release)) else template_name(release): release
            for release in RELEASES
        }

    def fetch(self, name: str, *, say: Say) -> Template:
        return build(self.index()[name], say=say)


def _mmdebstrap(release: int, archive: Path) -> list[str]:
    lines = "\n".join(source.line() for source in debian_sources(RELEASES[release]))
    command = [
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=Acquire::Languages "none"',
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*_key*',
        # What systemd would do at each container's first boot. Debian 12 has no update-done.
        '--customize-hook=chroot "$1" systemd-sysusers',
        '--customize-hook=chroot "$1" journalctl --update-catalog',
        '--customize-hook=test ! -e "$1"/usr/lib/systemd/systemd-update-done'
        ' || chroot "$1" /usr/lib/systemd/systemd-update-done',
        '--customize-hook=echo localhost > "$1"/etc/hostname',
        # What apt was told here is about this machine, and none of the container's business.
        '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
    ]
    proxy = machine_proxy()
    if proxy:
        command.append(f'--aptopt=Acquire::http::Proxy "http://{proxy}"')
    certificates = machine_certificates()
    if certificates:
        folder = '"$1"/usr/local/share/ca-certificates/'
        copies = " ".join(f"'{certificate}'" for certificate in certificates)
        command += [
            f"--customize-hook=cp {copies} {folder}",
            '--customize-hook=chroot "$1" update-ca-certificates',
        ]
    return [*command, RELEASES[release], str(archive), *lines.splitlines()]


def unpack(template: Template, *, into: Path, id_base: int) -> Path:
    """Return the template's tree with owners shifted by `id_base`, unpacked when first asked for.

    It is read-only to the containers: each writes to a layer of its own above it.
    """
    root = into / template.tree
    into.mkdir(parents=True, exist_ok=True)
    # Containers that are created at once wait for one unpacked tree, and end not each other's.
    with (into / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not root.exists():
            partial = root.with_name(root.name + ".partial")
            end_unpacking(into)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            os.chown(partial, id_base, id_base)
            # In a user namespace, so that owners and file capabilities are shifted with it. Archive
            # and tree come as standard input and working folder: the shifted root may not be
            # allowed to walk there (a clone below /root).
            inside = ["lxc-usernsexec", "-m", f"b:0:{id_base}:65536", "--"]
            owners = ["--numeric-owner", "--same-owner", "--same-permissions"]
            attributes = ["--xattrs", "--xattrs-include=*", "--exclude=./dev/*"]
            extract = [*inside, "tar", "--extract", "--zstd", *owners, *attributes]
            run(extract, stdin=template.archive, folder=partial, timeout_s=120)
            partial.rename(root)
    return root


def end_unpacking(into: Path) -> None:
    """End what still unpacks below `into` for a command that was killed: it is known by its folder.

    Raises LabError when it does not end.
    """
    if orphans := kill_all(partial(_working_below, into), within_s=ORPHAN_WAIT_S):
        raise LabError(
            f"processes {orphans} still write below {into}",
            next_step="look at them with `ps`, then run the same again",
        )


def _working_below(folder: Path) -> Iterator[int]:
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cwd").readlink().is_relative_to(folder):
                yield int(place.name)
