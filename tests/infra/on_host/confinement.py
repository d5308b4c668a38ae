"""Run attempts.py under a unit's very settings, and under none: what differs is the unit's doing.

The unit itself is not touched: a transient one with its [Service] section is made beside it, and is
gone with the answer. It has no runtime folder: systemd would empty the unit's own when it ends.

In:  {"units": ["agenda@r1.service"], "user": "agenda", "attempts": source, "boot": command,
      "asked": {...}}
Out: {"": {attempt: outcome}, "agenda@r1.service": {...}, "root": {...}}
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What starts, stops or reports the program, or belongs to the running instance alone.
LEFT_OUT = re.compile(
    r"Exec(?!Paths)\w+|Type|Restart\w*|RuntimeDirectory\w*|KillMode|Timeout\w+|WatchdogSec|NotifyAccess|PIDFile"
    r"|Standard\w+|SyslogIdentifier|EnvironmentFile|Slice|RemainAfterExit|SuccessExitStatus|LoadCredential"
)
GREW_FROM_YES_OR_NO = {"PrivateTmp", "PrivateUsers", "ProtectControlGroups", "ProtectHostname"}
YES_OR_NO = {"yes", "no", "true", "false", "on", "off", "1", "0", ""}


def settings(unit: str) -> list[str]:
    """`Key=value` lines of the unit's [Service] sections, drop-ins too, specifiers replaced."""
    text = subprocess.run(
        ["systemctl", "cat", "--no-pager", unit], capture_output=True, text=True, check=True
    ).stdout
    instance = re.sub(r".*@|\.service$", "", unit)
    named = {"%i": instance, "%n": unit}
    section, found = "", []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == "[Service]" and re.match(r"\w+=", line):
            key = line.split("=", 1)[0]
            if not LEFT_OUT.fullmatch(key):
                found.append(as_property(re.sub("%[in]", lambda m: named[m[0]], line).strip()))
    return found


def as_property(line: str) -> str:
    """As systemd-run takes it: what began as yes or no has a second name for further values."""
    key, _, value = line.partition("=")
    is_more = key in GREW_FROM_YES_OR_NO and value not in YES_OR_NO
    return f"{key}Ex={value}" if is_more else line


def run(properties: list[str], request: dict[str, Any]) -> dict[str, str]:
    code = request["attempts"]
    ended = subprocess.run(
        [
            *("systemd-run", "--quiet", "--pipe", "--wait", "--collect"),
            # A name of its own: agenda-.service.d and ctlv-.service.d would confine it.
            f"--unit=verify-{secrets.token_hex(4)}",
            *(f"--property={line}" for line in properties),
            *("/usr/bin/python3", "-c", request["boot"]),
        ],
        input=f"{len(code)}\n{code}{json.dumps(request['asked'])}",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ended.returncode != 0:
        raise SystemExit(f"systemd-run exited {ended.returncode}: {ended.stderr.strip()[-1500:]}")
    return json.loads(ended.stdout)


@contextmanager
def scene(user: str) -> Iterator[dict[str, Any]]:
    """A folder that belongs to the user but to no unit, and files of somebody else's in /tmp."""
    foreign = Path("/opt") / f"ctlv-verify-{secrets.token_hex(4)}"
    foreign.mkdir(mode=0o700)
    try:
        shutil.chown(foreign, user, user)
        with (
            tempfile.NamedTemporaryFile(dir="/tmp") as one,
            tempfile.NamedTemporaryFile(dir="/var/tmp") as two,
        ):
            yield {
                "foreign": str(foreign),
                "markers": [one.name, two.name],
                "ipc": str(Path("/proc/1/ns/ipc").readlink()),
            }
    finally:
        shutil.rmtree(foreign)


def main() -> None:
    request = json.load(sys.stdin)
    user = request["user"]
    with scene(user) as things:
        request["asked"] = {**request["asked"], **things}
        answer = {"": run([f"User={user}", f"Group={user}"], request), "root": run([], request)}
        for unit in request["units"]:
            answer[unit] = run(settings(unit), request)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
