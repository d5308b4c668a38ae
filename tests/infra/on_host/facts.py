"""Everything verify wants to know of one container, in one round trip. Changes nothing.

In: {"units": [names or globs], "ticks": [services that a timer starts], "daemons": [Debian's units
that we confine], "costly": some of leaks, exposure, backups}. Out: see `main`.
"""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# The timer's ten seconds, and a run that finds much to do.
TICKS_WITHIN_S = 30
SHOWN = "Id,ActiveState,SubState,Result,UnitFileState,User,MainPID,ExecStart,FragmentPath"


def run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return ended.stdout


def units(patterns: list[str]) -> dict[str, dict[str, str]]:
    """Every loaded unit that matches a pattern; `uid` is its main process's real user, and
    `no_new_privs` "1" where that process was started confined.
    """
    blocks = run("systemctl", "show", f"--property={SHOWN}", "--", *patterns).split("\n\n")
    shown = [dict(line.split("=", 1) for line in b.splitlines() if "=" in line) for b in blocks]
    return {unit["Id"]: unit | of_process(unit.get("MainPID", "0")) for unit in shown if unit}


def await_ticks(names: list[str], *, since_s: float, limit_s: float = TICKS_WITHIN_S) -> None:
    """Where the last run failed, wait until one that began after `since_s` (of the monotonic
    clock) has ended: what an older one met, as a database that was restarting, may be over.
    """
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s and not all(is_answered(name, since_s) for name in names):
        time.sleep(0.5)


def is_answered(name: str, since_s: float) -> bool:
    shown = run(
        "systemctl", "show", "--property=Result,ActiveState,ExecMainStartTimestampMonotonic", name
    )
    unit = dict(line.split("=", 1) for line in shown.splitlines())
    began_s = int(unit["ExecMainStartTimestampMonotonic"]) / 1e6
    is_new = began_s >= since_s and unit["ActiveState"] in {"inactive", "failed"}
    # Nothing was due, or the run ended well.
    return unit["Result"] in {"exec-condition", "success"} or is_new


def of_process(pid: str) -> dict[str, str]:
    """`outdated`: the libraries it uses which an upgrade has replaced since."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
        maps = Path(f"/proc/{pid}/maps").read_text("utf-8", errors="replace")
    except OSError:
        status = maps = ""
    told = dict(re.findall(r"^(\w+):\s+(\d+)", status, flags=re.MULTILINE))
    outdated = set(re.findall(r"(/\S+\.so\S*) \(deleted\)$", maps, flags=re.MULTILINE))
    return {
        "uid": told.get("Uid", ""),
        "no_new_privs": told.get("NoNewPrivs", ""),
        "outdated": " ".join(sorted(outdated)),
    }


def processes() -> Iterator[tuple[int, str]]:
    """(user id, command line) of each process that has a command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield folder.stat().st_uid, line.strip()
        except OSError:
            continue


def listeners() -> list[dict[str, object]]:
    found = []
    for line in run("ss", "-Hltunp").splitlines():
        protocol, _state, _receive, _send, local, *rest = line.split()
        address, port = local.rsplit(":", 1)
        program = re.findall(r'\(\("([^"]+)"', " ".join(rest))
        found.append(
            {
                "protocol": protocol,
                "address": address.split("%")[0].strip("[]"),
                "port": int(port),
                "program": program[0] if program else "",
            }
        )
    return found


def sshd() -> dict[str, str]:
    lines = (line.split(" ", 1) for line in run("/usr/sbin/sshd", "-T").splitlines())
    return {line[0]: line[1] if len(line) > 1 else "" for line in lines}


def passwords() -> list[str]:
    """Accounts that a password could open: a hash, or nothing at all."""
    shadow = [line.split(":") for line in Path("/etc/shadow").read_text("utf-8").splitlines()]
    return [entry[0] for entry in shadow if not entry[1].startswith(("!", "*"))]


def secret_files() -> list[dict[str, str]]:
    """Where secrets lie, with who may read them."""
    places = ["etc/agenda/*", "etc/mysql/debian.cnf", "etc/ssh/ssh_host_*_key", "root/.my.cnf"]
    places += ["etc/ctlv/tls/*.key"]
    found = []
    for path in (path for place in places for path in Path("/").glob(place)):
        # Certificates, which everybody may know.
        if path.suffix == ".pem":
            continue
        status = path.stat()
        found.append(
            {
                "path": str(path),
                "mode": f"{stat.S_IMODE(status.st_mode):04o}",
                "owner": path.owner(),
                "group": path.group(),
            }
        )
    return found


def secrets() -> list[str]:
    """The values themselves: they never leave this machine."""
    named = [path for path in Path("/etc/agenda").glob("*") if path.is_file()]
    named += Path("/etc/ctlv/tls").glob("*.key")
    # Settings and certificates lie there too: the authority's is on every host, for all to read.
    private = [path for path in named if path.suffix not in {".env", ".pem"}]
    values = [path.read_text("utf-8", errors="replace").strip() for path in private]
    return [value for value in values if len(value) >= 12]


def journal_age_s() -> float:
    """How long ago the oldest line of the journal was written."""
    heads = re.findall(
        r"(?m)^Head realtime timestamp: .*\(([0-9a-f]+)\)$", run("journalctl", "--header")
    )
    return time.time() - min(int(head, 16) for head in heads) / 1e6


def journald() -> dict[str, str]:
    lines = run("systemd-analyze", "cat-config", "systemd/journald.conf").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def leaks() -> list[str]:
    """Files and process lists that others may read and that hold one of our secrets' values."""
    values = secrets()
    found = [
        f"command line of a process of user {uid}"
        for uid, line in processes()
        if any(value in line for value in values)
    ]
    for folder in ("etc", "run", "var/log", "opt/agenda/current/app", "tmp", "var/tmp"):
        for path in Path("/", folder).rglob("*"):
            if is_open_to_others(path) and holds(path, values):
                found.append(str(path))
    journal = run("journalctl", "--boot", "--output=cat", "--no-pager", "--lines=20000")
    return found + ["the journal" for value in values if value in journal]


def is_open_to_others(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o004)


def holds(path: Path, values: list[str]) -> bool:
    try:
        text = path.read_bytes() if path.stat().st_size < 4_000_000 else b""
    except OSError:
        return False
    return any(value.encode() in text for value in values)


def exposure(names: list[str]) -> dict[str, float]:
    """`systemd-analyze security` of each unit, 0 (safe) to 10."""
    found = {}
    for name in names:
        shown = run("systemd-analyze", "security", "--no-pager", name)
        score = re.findall(r"Overall exposure level for .*?: ([\d.]+)", shown)
        found[name] = float(score[0]) if score else 10.0
    return found


def units_of_operations() -> list[str]:
    """A template is rated by an instance of it."""
    files = Path("/etc/systemd/system").glob("*.service")
    named = [path.name for path in files if path.name.startswith(("ctlv-", "agenda-"))]
    return [name.replace("@.service", "@x.service") for name in named]


def backups() -> dict[str, object]:
    """The folder of backups: who may look into it, and what in it is half."""
    folder = Path("/var/backups/agenda")
    if not folder.is_dir():
        return {}
    names = {path.stem for path in folder.glob("*.age")}
    whole = set()
    for path in folder.glob("*.json"):
        manifest = json.loads(path.read_text("utf-8"))
        body = folder / f"{path.stem}.age"
        if body.is_file() and body.stat().st_size == manifest["bytes"]:
            whole.add(path.stem)
    return {
        "mode": f"{stat.S_IMODE(folder.stat().st_mode):04o}",
        "owner": folder.owner(),
        "half": sorted(names - whole),
        "in_clear": [p.name for p in folder.glob("*.age") if not encrypted(p)],
        "keys": keys(Path("/var/lib/ctlv-backup/.ssh/authorized_keys")),
        "stream": streamed(folder / "stream"),
    }


def streamed(folder: Path) -> dict[str, object]:
    """How old what is missing may be, and how many logs in clear there are; {} without a stream."""
    fresh = Path("/run/ctlv-stream/fresh")
    if not Path("/etc/systemd/system/ctlv-stream.service").exists():
        return {}
    logs = [path.name for path in Path("/var/lib/mysql").glob("binlog.0*")]
    return {
        "age_s": time.time() - fresh.stat().st_mtime if fresh.exists() else None,
        "files": len(list(folder.glob("*Z"))),
        "logs": len(logs),
    }


def keys(file: Path) -> list[str]:
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def encrypted(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(21) == b"age-encryption.org/v1"


def main() -> None:
    asked = json.load(sys.stdin)
    await_ticks(asked["ticks"], since_s=time.monotonic())
    seen = units(asked["units"])
    there = [name for name, unit in seen.items() if unit.get("FragmentPath")]
    rated = [name for name in there if name.startswith("agenda") and name.endswith(".service")]
    rated += [name for name in asked["daemons"] if name in there] + units_of_operations()
    marks = Path("/etc/ctlv/environment")
    answer = {
        "time": time.time(),
        "marks": marks.read_text("utf-8") if marks.is_file() else "",
        "system": run("systemctl", "is-system-running").strip(),
        "failed": run("systemctl", "--failed", "--plain", "--no-legend").splitlines(),
        "units": seen,
        "listeners": listeners(),
        "addresses": json.loads(run("ip", "-j", "address")),
        "ip_forward": Path("/proc/sys/net/ipv4/ip_forward").read_text("utf-8").strip(),
        "runserver": [line for _, line in processes() if "runserver" in line],
        "sshd": sshd(),
        "root": run("passwd", "-S", "root").split(),
        "passwords": passwords(),
        "root_keys": keys(Path("/root/.ssh/authorized_keys")),
        "secret_files": secret_files(),
        "journald": journald(),
        "journal_age_s": journal_age_s(),
    }
    costly = {"leaks": leaks, "exposure": lambda: exposure(rated), "backups": backups}
    answer |= {name: costly[name]() for name in asked["costly"]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
