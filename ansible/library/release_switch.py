#!/usr/bin/python
"""Send the traffic to a release: by renames, so that nobody ever finds nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.releases import link, log, now, serving, write

DOCUMENTATION = """
module: release_switch
short_description: Send the traffic to a release that runs and is ready
options:
  release: {description: Its name., required: true, type: str}
  socket: {description: Where it listens., required: true, type: path}
  home: {description: Folder of the releases., type: path, default: /opt/agenda}
  drain_s:
    description: How long the release before may still accept what is on its way.
    type: float
    default: 0.5
  by: {description: Who wants it., required: true, type: str}
  action: {description: What the log calls it., type: str, default: switch}
author: CTLV
"""


def switch(home: Path, release: str, socket: str, *, by: str, action: str) -> None:
    before = serving(home)
    if before and action == "rollback":
        # First of all: a rollback that was killed and is run again must not go back once more.
        noted = {"from": before, "to": release, "at": now(), "by": by}
        write(home / "rolled-back", json.dumps(noted) + "\n")
    if before:
        link(home / "previous", f"{home}/releases/{before}")
    # The socket comes last: whoever is answered by the release finds its static files too.
    link(home / "current", f"{home}/releases/{release}")
    link(home / "current.sock", socket)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "socket": {"type": "path", "required": True},
            "home": {"type": "path", "default": "/opt/agenda"},
            "drain_s": {"type": "float", "default": 0.5},
            "by": {"type": "str", "required": True},
            "action": {"type": "str", "default": "switch"},
        },
        supports_check_mode=True,
    )
    given = module.params
    home, release = Path(given["home"]), given["release"]
    before = serving(home)
    if module.check_mode or before == release:
        module.exit_json(changed=before != release, before=before)
    switch(home, release, given["socket"], by=given["by"], action=given["action"])
    log(
        by=given["by"],
        action=given["action"],
        release=release,
        result=f"serves after {before or 'none'}",
    )
    if before:
        time.sleep(given["drain_s"])
    module.exit_json(changed=True, before=before)


if __name__ == "__main__":
    main()
