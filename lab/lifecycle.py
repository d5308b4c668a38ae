"""The verbs: up, down, reset."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import checks, kernellimits, lxcfs, network, settings, storage, subids, templates
from lab.commands import CommandError, run, succeeds
from lab.errors import LabError
from lab.lxc import clear_remains
from lab.settings import ROOT_ID, Settings

API_WAIT_S = 120.0
STOP_WAIT_S = 20.0
SHUTDOWN_S = 30
Say = Callable[[str], None]


def up(wanted: Settings, *, release: int, say: Say) -> Settings:
    """Start the lab, or complete a lab that was cut; return its settings."""
    settings.check_state_folder(wanted.state)
    settings.check_name(wanted.name)
    kept = settings.load(wanted.state)
    runs = api_pid(wanted.state) is not None
    checks.check_machine(wanted, own=kept if runs else None)
    owner = settings.claimed(wanted.run_folder)
    if owner and owner.state != wanted.state:
        raise LabError(
            f"a lab named '{wanted.name}' already lives in {owner.state}",
            next_step="choose another with --name (and other ports), or `down` the other first",
        )
    wanted.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    lab = _complete(wanted, runs=runs)
    template = templates.build(release, say=say)
    kernellimits.raise_limits()
    say(f"Network {lab.netns}: bridges, gateway, vantage")
    facts = settings.load_facts()
    network.build(lab, facts)
    if lxcfs.start(lab):
        for pid in inits(lab).values():
            lxcfs.put_in(lab, pid)
    if runs and lab == kept and answers(lab) and _leads_to(lab, lab.forwards(facts)):
        say(f"The API already answers on https://127.0.0.1:{lab.api_port}")
        return lab
    _end_api(lab.state)
    templates.unpack(template, into=lab.state / "templates", id_base=lab.id_base)
    _start_api(lab, say)
    return lab


def _leads_to(lab: Settings, forwards: Mapping[str, str]) -> bool:
    """Whether the ports of a running lab lead where the inventory says now."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return bool(json.loads(lab.lab_file.read_text())["forwards"] == forwards)
    return False


def _complete(wanted: Settings, *, runs: bool) -> Settings:
    """Choose what a new lab still needs, keep it, and take what it needs on this machine."""
    port = wanted.proxy_port
    if not port or not (runs or checks.port_is_free(port)):  # nobody kept it for us meanwhile
        port = checks.free_port()
    chosen = replace(wanted, proxy_port=port)

    def keep(id_base: int) -> None:
        nonlocal chosen
        chosen = replace(chosen, id_base=id_base)
        settings.save(chosen)

    subids.claim(wanted.id_base, keep=keep)
    chosen.run_folder.mkdir(parents=True, exist_ok=True)
    for folder in (settings.RUN, chosen.run_folder):
        folder.chmod(0o755)
    settings.claim(chosen)
    key = chosen.state / "id_ed25519"
    if not key.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", chosen.name, "-f", key])
    return chosen


def find(state: Path) -> Settings | None:
    """Return the lab in `state`; when its folder was deleted, what /run still knows of it."""
    kept = settings.load(state)
    owners = [kept] if kept else []
    run_folders = sorted(settings.RUN.iterdir()) if settings.RUN.is_dir() else []
    owners += [o for o in map(settings.claimed, run_folders) if o and o.state == state]
    return owners[0] if owners else None


# ---------------------------------------------------------------------- the API's process


def api_pid(state: Path) -> int | None:
    words = f"lab\0serve\0--state\0{state}\0".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cmdline").read_bytes().endswith(words):
                return int(place.name)
    return None


def _start_api(lab: Settings, say: Say) -> None:
    log = lab.state / "api.log"
    lab.lab_file.unlink(missing_ok=True)  # a killed one's; the new one is written last
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", "serve", "--state", str(lab.state)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=settings.REPOSITORY,
        )
    say(f"Starting the API on https://127.0.0.1:{lab.api_port}")
    deadline = time.monotonic() + API_WAIT_S
    while not answers(lab):
        if process.poll() is not None:
            said = log.read_text(errors="replace").split("\n")
            last = next((line for line in reversed(said) if line.strip()), "no reason given")
            raise LabError(f"the API ended at once: {last}", next_step=f"read {log}")
        if time.monotonic() > deadline:
            raise LabError(
                f"the API does not answer after {API_WAIT_S:.0f} s", next_step=f"read {log}"
            )
        time.sleep(0.05)


def _end_api(state: Path) -> None:
    pid = api_pid(state)
    if pid is None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + STOP_WAIT_S
        while time.monotonic() < deadline:
            if api_pid(state) is None:
                return
            time.sleep(0.05)
    raise LabError(f"the lab's process {pid} does not end", next_step=f"look at `ps -p {pid}`")


def answers(lab: Settings) -> bool:
    """Return whether the lab's API answers root's token: the other one may have been rotated."""
    try:
        known = json.loads(lab.lab_file.read_text())
        token = f"{ROOT_ID}={(lab.state / 'root-token').read_text().strip()}"
        _ask(known, "GET", "api2/json/version", token, timeout_s=3)
    except (OSError, ValueError):
        return False
    return True


def _ask(known: Mapping[str, str], method: str, path: str, token: str, *, timeout_s: float) -> Any:
    """Return the data of a call to the API. Raises OSError, ValueError."""
    context = ssl.create_default_context(cafile=known["ca_file"])
    request = urllib.request.Request(  # noqa: S310 # the scheme is ours
        f"{known['api_url']}/{path}",
        method=method,
        headers={"Authorization": f"PVEAPIToken={token}"},
    )
    with urllib.request.urlopen(request, context=context, timeout=timeout_s) as answer:  # noqa: S310
        return json.loads(answer.read())["data"]


def power(state: Path, node: str, *, is_on: bool, say: Say) -> None:
    """Cut a node's power, with all that runs on it, or give it back."""
    lab = find(state)
    if lab is None or not answers(lab):
        raise LabError(f"the lab in {state} is not up", next_step="run `up` first")
    nodes = settings.load_facts().nodes
    if node not in nodes:
        raise LabError(
            f"the lab has no node '{node}'", next_step=f"give one of these: {', '.join(nodes)}"
        )
    known = json.loads(lab.lab_file.read_text())
    token = f"{ROOT_ID}={(lab.state / 'root-token').read_text().strip()}"
    path = f"lab/nodes/{node}/{'on' if is_on else 'off'}"
    try:
        vmids = _ask(known, "POST", path, token, timeout_s=API_WAIT_S)
    except (OSError, ValueError) as error:
        raise LabError(
            f"{node} is not switched: {error}", next_step=f"read {lab.state / 'api.log'}"
        ) from error
    what = f"with {len(vmids)} container(s): {', '.join(map(str, vmids))}" if vmids else "empty"
    say(f"{node} is {'on' if is_on else 'off'}, {what}")


# ---------------------------------------------------------------------- down, reset


def down(state: Path, *, say: Say) -> None:
    """Stop containers and API; the data stays."""
    lab = find(state)
    if lab is None:
        say("There is no lab here")
        return
    _stop_containers(lab, how=["--timeout", str(SHUTDOWN_S)], say=say)
    _release_machine(lab)
    say("The lab is down, its data kept")


def _stop_containers(lab: Settings, *, how: Sequence[str], say: Say) -> None:
    """End the API, then all containers at once: `how` are lxc-stop's options."""
    _end_api(lab.state)  # first: it would note them as stopped, and not start them again
    # What waits for a disk that a snapshot held when it was cut could never stop.
    for place in storage.mounted(below=lab.run_folder / "lxc"):
        if "/disks/" in place:
            succeeds(["fsfreeze", "--unfreeze", place])
    names = [*inits(lab)]
    if names:
        say(f"Stopping {len(names)} container(s)")
    waits = [
        subprocess.Popen(
            ["lxc-stop", "-n", name, "-P", str(lab.run_folder / "lxc"), *how],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in names
    ]
    for name, wait in zip(names, waits, strict=True):
        try:
            wait.wait(timeout=SHUTDOWN_S + 30)
        except subprocess.TimeoutExpired:
            wait.kill()
            say(f"{name} does not stop: it is killed")
    for name in containers(lab):
        try:
            clear_remains(name)
        except OSError as error:
            raise LabError(
                f"{name}: {error}", next_step="look at them with `ps`, then run the same again"
            ) from error


def containers(lab: Settings) -> list[str]:
    folder = lab.run_folder / "lxc"
    return sorted(place.name for place in folder.iterdir()) if folder.is_dir() else []


def inits(lab: Settings) -> dict[str, int]:
    """Return the containers that run, by LXC's name, each with the process id of its init."""
    found = {}
    for name in containers(lab):
        with contextlib.suppress(CommandError, ValueError):
            words = ["-n", name, "-P", str(lab.run_folder / "lxc"), "-p", "-H"]
            if (pid := int(run(["lxc-info", *words]))) > 0:
                found[name] = pid
    return found


def _release_machine(lab: Settings) -> None:
    """Give back all that is not data: mounts, namespaces, the folder in /run."""
    lxcfs.stop(lab)
    storage.unmount_all(lab.run_folder)
    network.remove(lab)
    shutil.rmtree(lab.run_folder, ignore_errors=True)
    kernellimits.put_back()
    with contextlib.suppress(OSError):
        settings.RUN.rmdir()
    lab.lab_file.unlink(missing_ok=True)


def reset(state: Path, *, keep_templates: bool, say: Say) -> None:
    lab = find(state)
    if lab is not None:
        _stop_containers(lab, how=["--kill"], say=say)
        _release_machine(lab)
        subids.release(lab.id_base)
        templates.end_unpacking(state / "templates")
        for name in OWN_FILES:
            place = state / name
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            state.rmdir()
    # All labs of a machine share them.
    if keep_templates or subids.are_claimed():
        say("Nothing of the lab is left, but the cached templates")
    else:
        shutil.rmtree(templates.cache_folder(), ignore_errors=True)
        say("Nothing of the lab is left")
    if state.is_dir() and (kept := sorted(place.name for place in state.iterdir())):
        say(f"Kept in {state}, because they are not the lab's: {', '.join(kept)}")


OWN_FILES = (
    "lab.json",
    "api.json",
    "api.log",
    "api.pem",
    "api.key",
    "ca.pem",
    "token",
    "root-token",
    "own.token",  # what `make rotate WHAT=api-token` made
    "proxy.log",
    "id_ed25519",
    "id_ed25519.pub",
    "images",
    "templates",
    # The provisioner's, of containers that are no more: a new one would be taken for an intruder.
    "known_hosts",
    "ssh_config",
    ".ssh.lock",
    "settings.json",  # last: without it the others would not be found again
)
