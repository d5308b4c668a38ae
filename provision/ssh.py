"""SSH at the edge: keys, host keys, the ssh_config that everyone uses. No trust on first use."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from provision import files
from provision.credentials import Site, file_of
from provision.desired import Desired
from provision.errors import OperatorError
from provision.model import Wanted

CONNECT_TIMEOUT_S, JUMP_TIMEOUT_S, TELLS_WITHIN_S = 2, 5, 60
SSH_FAILED = 255
PAUSE_S, LONGEST_PAUSE_S = 0.15, 1.0
SHOW_KEY = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
# alias, type, key
KNOWN_HOSTS_FIELDS = 3
# Folders of control sockets: this, the process, "-", anything.
SOCKETS = "ctlv-ssh-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh:
    """Everything about reaching the containers of one environment."""

    site: Site
    desired: Desired
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def known_hosts(self) -> Path:
        return self.site.state / "known_hosts"

    @property
    def config(self) -> Path:
        return self.site.state / "ssh_config"

    # ---------------------------------------------------------------- the operator's key

    def public_key_file(self) -> Path:
        return file_of(self.desired.ssh_public_key_file, self.site.state)

    def public_keys(self) -> str:
        """The keys to inject at creation; there is no later chance. Raises OperatorError."""
        file = self.public_key_file()
        try:
            lines = [line.strip() for line in file.read_text().splitlines()]
            keys = [line for line in lines if line and not line.startswith("#")]
        except (OSError, ValueError) as error:
            raise OperatorError(
                f"the SSH public key {file} cannot be read: "
                f"{getattr(error, 'strerror', None) or error}",
                next_step="make one: ssh-keygen -t ed25519; or set lxc_ssh_public_key_file",
            ) from error
        if not keys or any("PRIVATE KEY" in key for key in keys):
            raise OperatorError(
                f"{file} is not an SSH public key",
                next_step="set lxc_ssh_public_key_file to the .pub file",
            )
        # Proxmox asks of each line alone, and refuses the whole creation for one bad one.
        for number, key in enumerate(keys, start=1):
            if run(["ssh-keygen", "-l", "-f", "-"], timeout_s=10, stdin=key).returncode != 0:
                raise OperatorError(
                    f"key {number} of {len(keys)} in {file} is not an SSH public key",
                    next_step="set lxc_ssh_public_key_file to a .pub file of nothing but keys",
                )
        return "\n".join(keys)

    def problem_of_jump(self) -> str:
        """Why nobody gets through the bastion from here; "" when one does, or there is none."""
        name, _, port = self.desired.ssh_jump.partition(":")
        if not name:
            return ""
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"ConnectTimeout={JUMP_TIMEOUT_S}"]
        words = [word for option in options for word in ("-o", option)]
        command = ["ssh", "-F", "/dev/null", *words, "-p", port or "22", name, "exit"]
        try:
            done = run(command, timeout_s=3 * JUMP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "no answer"
        # What ssh itself says by 255. A bastion need not let anybody run a command.
        said = done.stderr.strip().splitlines() or ["no answer"]
        return said[-1] if done.returncode == SSH_FAILED else ""

    # ---------------------------------------------------------------- files

    def write_config(self) -> None:
        with self._locked():
            files.write_atomically(self.config, render_config(self))

    def known_keys(self, host: str) -> frozenset[str]:
        """The recorded keys ("type base64") of one container."""
        alias = host_key_alias(self.desired, host)
        fields = (line.split() for line in self._known_lines())
        return frozenset(
            f"{f[1]} {f[2]}" for f in fields if len(f) >= KNOWN_HOSTS_FIELDS and f[0] == alias
        )

    def _known_lines(self) -> list[str]:
        """Other people's lines too, whatever their bytes."""
        try:
            return self.known_hosts.read_text(errors="surrogateescape").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unusable(self.known_hosts, error) from error

    def record(self, host: str, keys: Sequence[str]) -> None:
        alias = host_key_alias(self.desired, host)
        self._rewrite_known_hosts(alias, [f"{alias} {key}" for key in keys])

    def forget(self, host: str) -> None:
        self._rewrite_known_hosts(host_key_alias(self.desired, host), [])

    def _rewrite_known_hosts(self, alias: str, lines: Sequence[str]) -> None:
        with self._locked():
            kept = [line for line in self._known_lines() if line.split()[:1] != [alias]]
            files.write_atomically(
                self.known_hosts, "".join(f"{line}\n" for line in [*kept, *lines])
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, threads and processes alike."""
        try:
            with files.locked(self.site.state / ".ssh.lock"):
                yield
        except OSError as error:
            raise unusable(self.site.state, error) from error

    def told_by(self, host: str, script: str) -> tuple[int, str]:
        """Exit status of a script of the shell there, and the last line of what it said."""
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={JUMP_TIMEOUT_S}"]
        command = ["ssh", "-F", str(self.config), *options, host, "sh -s"]
        try:
            done = run(command, timeout_s=TELLS_WITHIN_S, stdin=script)
        except subprocess.TimeoutExpired:
            return SSH_FAILED, f"no answer in {TELLS_WITHIN_S} s"
        said = (done.stdout.strip() or done.stderr.strip()).splitlines() or ["no answer"]
        return done.returncode, said[-1]

    # ---------------------------------------------------------------- proof

    def prove(
        self, wanted: Wanted, *, fingerprints: Callable[[], frozenset[str]], timeout_s: float
    ) -> None:
        """Return once SSH answers with a key that is known, or that Proxmox reported at creation.

        Raises OperatorError when nothing answers in time, and for any other key.
        """
        offered = self._wait_for_keys(wanted, timeout_s)
        known = self.known_keys(wanted.host)
        if known & offered.keys():
            return
        if known:
            raise changed_key(wanted, offered, self.known_hosts)
        self._record_checked(wanted, offered, fingerprints())

    def trust(self, wanted: Wanted, fingerprint: str, *, timeout_s: float) -> None:
        """Replace the recorded key by the one of `fingerprint`, which a person compared.

        Raises OperatorError when nothing answers in time, or another key is offered; the recorded
        key stays in both cases.
        """
        offered = self._wait_for_keys(wanted, timeout_s)
        self._record_checked(wanted, offered, frozenset({fingerprint}))

    def _record_checked(
        self, wanted: Wanted, offered: Mapping[str, str], expected: frozenset[str]
    ) -> None:
        good = [key for key, fingerprint in offered.items() if fingerprint in expected]
        if not good:
            raise unknown_key(wanted, offered, expected, environment=self.site.environment)
        self.record(wanted.host, good)

    def _wait_for_keys(self, wanted: Wanted, timeout_s: float) -> Mapping[str, str]:
        began = self.clock()
        while True:
            offered, answer = self._offered_keys(wanted)
            if offered:
                return offered
            waited_s = self.clock() - began
            if waited_s >= timeout_s:
                raise OperatorError(
                    f"{wanted.host}: no SSH at {wanted.address} after {timeout_s:.0f} s ({answer})",
                    next_step="the container itself is valid; see its console in Proxmox, then run "
                    "this again: it goes on here",
                )
            # Each try starts programs that the booting containers would rather run themselves.
            self.sleep(min(max(waited_s / 5, PAUSE_S), LONGEST_PAUSE_S))

    def _offered_keys(self, wanted: Wanted) -> tuple[dict[str, str], str]:
        """Key -> fingerprint, as the server offers it. Authenticates with nothing, runs nothing.

        ssh-keyscan knows no ProxyCommand or ProxyJump, hence ssh itself with a file of its own.
        """
        with tempfile.TemporaryDirectory(prefix="ctlv-hostkey-") as folder:
            offered = Path(folder) / "known_hosts"
            options = {
                "UserKnownHostsFile": str(offered),
                "StrictHostKeyChecking": "accept-new",
                "HostKeyAlgorithms": "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512",
                "PreferredAuthentications": "none",
                "BatchMode": "yes",
                "ConnectTimeout": str(CONNECT_TIMEOUT_S * (1 + len(wanted.jumps))),
                "ControlPath": "none",
            }
            arguments = [
                text for key, value in options.items() for text in ("-o", f"{key}={value}")
            ]
            try:
                done = run(
                    ["ssh", "-F", str(self.config), *arguments, wanted.host, "true"],
                    timeout_s=CONNECT_TIMEOUT_S * 5,
                )
                answer = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            except subprocess.TimeoutExpired:
                answer = "no answer"
            lines = offered.read_text().splitlines() if offered.exists() else []
        keys = [
            " ".join(line.split()[1:3]) for line in lines if len(line.split()) >= KNOWN_HOSTS_FIELDS
        ]
        return {key: fingerprint(key) for key in keys}, answer


class Connections:
    """SSH to the containers by the ssh_config that provision wrote: one connection to each, shared
    by all commands of a program, closed at its end.
    """

    def __init__(self, config: Path) -> None:
        self.config = config
        # In /tmp, 0700: a control socket's path holds at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{SOCKETS}{os.getpid()}-", dir="/tmp"))
        remove_left_folders(self.folder.parent)
        self.options = (
            f"-o ControlMaster=auto -o ControlPersist=60 -o ControlPath={self.folder}/%C"
            " -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5"
        )

    def way(self, host: str) -> tuple[str, ...]:
        """The words that lead there; what follows them is a line for its shell."""
        return ("ssh", "-F", str(self.config), *self.options.split(), host)

    def close(self) -> None:
        for connection in self.folder.iterdir():
            # With -S the name of the host is not looked at.
            command = ["ssh", "-F", str(self.config), "-S", str(connection), "-O", "exit", "any"]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=10, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_left_folders(place: Path) -> None:
    """Those of this user's programs that were killed; their connections end by ControlPersist."""
    for folder in place.glob(f"{SOCKETS}*-*"):
        process = folder.name.removeprefix(SOCKETS).partition("-")[0]
        with suppress(FileNotFoundError):  # another one removes it too
            is_mine = folder.lstat().st_uid == os.geteuid()
            if process.isdigit() and is_mine and not Path("/proc", process).exists():
                shutil.rmtree(folder, ignore_errors=True)


# ---------------------------------------------------------------- pure helpers


def host_key_alias(desired: Desired, host: str) -> str:
    """Equal addresses in two labs never share a host key."""
    return f"{desired.deployment}-{desired.environment}-{host}".lower()


def fingerprint(key: str) -> str:
    """SHA256:... of "type base64", as ssh-keygen prints it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def render_config(ssh: Ssh) -> str:
    blocks = [render_host(ssh, wanted) for wanted in ssh.desired.containers]
    if ssh.desired.ssh_jump:
        blocks.append(render_jump(ssh.desired.ssh_jump))
    return "# Written by provision from the inventory; edits are lost.\n" + "\n".join(blocks)


def render_host(ssh: Ssh, wanted: Wanted) -> str:
    addresses = [nic.ip.partition("/")[0] for nic in wanted.container.nics if nic.ip]
    public = ssh.public_key_file()
    private = public.with_suffix("")
    lines = {
        "HostName": wanted.address,
        "User": "root",
        "HostKeyAlias": host_key_alias(ssh.desired, wanted.host),
        "UserKnownHostsFile": quoted(ssh.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        # Without the private half on disk the agent is asked for this one key.
        "IdentityFile": quoted(private if private.exists() else public),
        "IdentitiesOnly": "yes",
        **route(ssh, wanted),
    }
    names = " ".join(dict.fromkeys([wanted.host, *addresses]))
    return f"\nHost {names}\n" + "".join(f"  {key} {value}\n" for key, value in lines.items())


def render_jump(jump: str) -> str:
    """The bastion's host key is the operator's affair, and known before: nobody is there to ask."""
    name = jump.rpartition("@")[2].partition(":")[0]
    return f"\nHost {name}\n  BatchMode yes\n  StrictHostKeyChecking yes\n"


def route(ssh: Ssh, wanted: Wanted) -> dict[str, str]:
    if len(wanted.jumps) == 1:
        return {"ProxyJump": wanted.jumps[0]}
    if wanted.jumps:
        # Whichever lives. A program of its own: ssh starts a ProxyCommand with the shell's exec.
        ways = (
            f"for way in {' '.join(wanted.jumps)}; do ssh -F {shlex.quote(str(ssh.config))} "
            f"-o ConnectTimeout={CONNECT_TIMEOUT_S} -W %h:%p $way && exit; done; exit 255"
        )
        return {"ProxyCommand": f"sh -c {shlex.quote(ways)}"}
    if ssh.site.ssh_proxy_command:
        return {"ProxyCommand": ssh.site.ssh_proxy_command}
    return {"ProxyJump": ssh.desired.ssh_jump} if ssh.desired.ssh_jump else {}


def quoted(path: Path) -> str:
    return f'"{path}"'


def run(
    arguments: Sequence[str], *, timeout_s: float, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Raises OperatorError when there is no such program, TimeoutExpired."""
    try:
        return subprocess.run(
            arguments, check=False, capture_output=True, text=True, input=stdin, timeout=timeout_s
        )
    except OSError as error:
        raise OperatorError(
            f"{arguments[0]} cannot be run: {error.strerror}",
            next_step="install Debian's openssh-client: setup/machine, or make up",
        ) from error


def unusable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        f"{path} cannot be read or written: {error.strerror or error}",
        next_step="see its owner, its kind and the space left there, then run this again",
    )


def changed_key(wanted: Wanted, offered: Mapping[str, str], file: Path) -> OperatorError:
    shown = ", ".join(sorted(set(offered.values())))
    return OperatorError(
        f"{wanted.host}: the host key at {wanted.address} has changed: {shown}",
        next_step=f"find out why (on its console: {SHOW_KEY}); if it is right, remove its line in "
        f"{shlex.quote(str(file))} and run this again",
    )


def unknown_key(
    wanted: Wanted, offered: Mapping[str, str], reported: frozenset[str], *, environment: str
) -> OperatorError:
    key = next(iter(offered))
    why = (
        "is not the one Proxmox reported at creation"
        if reported
        else "cannot be checked: no log of its creation"
    )
    return OperatorError(
        f"{wanted.host}: the host key at {wanted.address} {why}: {offered[key]}",
        next_step=f"compare it on the container's console ({SHOW_KEY}); "
        f"if it is the same: make trust ENV={environment} NAME={wanted.host} "
        f"FINGERPRINT={offered[key]}",
    )
