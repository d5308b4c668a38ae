#!/usr/bin/python
"""Stop the instances of all releases but one, when that one has the traffic."""

from __future__ import annotations

import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: release_alone
short_description: Stop the instances of all releases but one
description:
  - The one before, and what an interrupted run left. They answer what is under way; that is not
    waited for.
options:
  release: {description: The one that goes on., required: true, type: str}
author: CTLV
"""
RETURN = """
stopped: {description: Instances that were told to stop., type: list, returned: always}
"""


def others(release: str) -> list[str]:
    """Instances of other releases that run, or would run after a reboot."""
    listed = systemctl(
        "list-units", "--all", "--plain", "--no-legend", "--full", "agenda@*.service"
    )
    names = [line.split()[0] for line in listed.splitlines()]
    return [name for name in names if name != f"agenda@{release}.service" and is_at_work(name)]


def is_at_work(unit: str) -> bool:
    shown = systemctl("show", "--property=ActiveState,UnitFileState", unit).splitlines()
    return bool(
        {"ActiveState=active", "ActiveState=activating", "UnitFileState=enabled"} & {*shown}
    )


def systemctl(*arguments: str) -> str:
    command = ["systemctl", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"systemctl {arguments[0]}: {ended.stderr.strip()[-300:]}")
    return ended.stdout


def main() -> None:
    module = AnsibleModule(
        argument_spec={"release": {"type": "str", "required": True}}, supports_check_mode=True
    )
    try:
        stopped = others(module.params["release"])
        if stopped and not module.check_mode:
            systemctl("disable", "--quiet", "--now", "--no-block", *stopped)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=f"releases beside {module.params['release']} did not stop: {error}")
    module.exit_json(changed=bool(stopped), stopped=stopped)


if __name__ == "__main__":
    main()
