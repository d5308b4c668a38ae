#!/usr/bin/python
"""All that a run decides by, asked once a host: a call is what costs, not a question."""

from __future__ import annotations

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: host_facts
short_description: Debian's release, packages, units, listeners and some files of a host
description:
  - Asks and changes nothing. Role C(packages) asks again when it has installed something.
options:
  files:
    description: Files whose lines are told; one that is not there has none.
    type: list
    elements: path
    default: []
author: CTLV
"""
RETURN = """
ansible_facts:
  description:
    - C(distribution_release) and C(distribution_major_version) as C(setup) names them.
    - C(packages) that are installed, C(units) that run now and start at boot.
    - C(listeners), a port and a program each, C(file_lines) by path, C(root_password_is_locked).
    - C(came_with_is_kept), what drift compares with (rollout/in_effect.py).
  type: dict
  returned: always
"""


def lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def units(shown: str) -> list[str]:
    """`shown`: a paragraph a unit, as `systemctl show` prints them."""
    found = []
    for paragraph in shown.split("\n\n"):
        told = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        if told.get("ActiveState") == "active" and told.get("UnitFileState") == "enabled":
            found.append(told["Id"])
    return found


def listeners(shown: str) -> list[dict[str, object]]:
    """`shown`: a line a socket, as `ss --processes` prints them."""
    found = {
        (int(port), program)
        for line in shown.splitlines()
        for port in re.findall(r"^\S+\s+\d+\s+\d+\s+\S+:(\d+)\s", line)
        for program in re.findall(r'"([^"]+)",pid=', line)
        # It holds sockets for others.
        if program != "systemd"
    }
    return [{"port": port, "program": program} for port, program in sorted(found)]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "path", "default": []}},
        supports_check_mode=True,
    )

    def said(*command: str) -> str:
        return str(module.run_command(list(command), check_rc=True)[1])

    debian = dict(line.split("=", 1) for line in lines("/etc/os-release") if "=" in line)
    shown = said("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\\n")
    kinds = [f"*.{kind}" for kind in ("service", "timer", "socket", "path")]
    of_units = ("--property=Id,ActiveState,UnitFileState", *kinds)
    sockets = ("--no-header", "--listening", "--tcp", "--numeric", "--processes")
    shadow = lines("/etc/shadow")
    facts = {
        "distribution_release": debian["VERSION_CODENAME"].strip('"'),
        "distribution_major_version": debian["VERSION_ID"].strip('"'),
        "packages": re.findall(r"^installed (\S+)$", shown, flags=re.MULTILINE),
        "units": units(said("systemctl", "show", *of_units)),
        "listeners": listeners(said("ss", *sockets)),
        "root_password_is_locked": any(line.startswith(("root:!", "root:*")) for line in shadow),
        "came_with_is_kept": Path("/var/lib/ctlv/came-with.json").exists(),
        "file_lines": {path: lines(path) for path in module.params["files"]},
    }
    module.exit_json(ansible_facts=facts)


if __name__ == "__main__":
    main()
