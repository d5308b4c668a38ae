#!/usr/bin/python
"""Say which release serves on a host, which was good before it, and which were found bad."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.releases import BAD, LAST, good, read, serving, whole

DOCUMENTATION = """
module: release_info
short_description: Which release serves, which was good before it, which were found bad
options:
  home: {description: Folder of the releases., type: path, default: /opt/agenda}
  settings:
    description: Files that a release reads when it starts, and folders with such files.
    type: list
    elements: path
    default: []
author: CTLV
"""
RETURN = """
serving: {description: The one that serves; empty before the first., type: str, returned: always}
previous: {description: The latest good one before it, or empty., type: str, returned: always}
good: {description: All good ones, the latest first., type: list, returned: always}
bad: {description: Name to what was noted when it failed., type: dict, returned: always}
unpacked: {description: All that are whole on the host., type: list, returned: always}
runtimes: {description: Python environments that are whole., type: list, returned: always}
is_behind: {description: Whether its settings are younger than it., type: bool, returned: always}
rolled_back: {description: A rollback that is the last word., type: dict, returned: always}
"""


def is_behind(settings: Iterable[Path], *, started_at: float) -> bool:
    """Whether a release that started then has read what lies there now. No run needs to remember
    that it wrote them: one that was killed cannot.
    """
    files = [f for path in settings for f in (path.iterdir() if path.is_dir() else [path])]
    return any(file.exists() and file.stat().st_ctime > started_at for file in files)


def started_at(unit: str) -> float:
    """By the wall's clock, as files are; now, when it does not run: it reads them at its start."""
    shown = subprocess.run(
        ["systemctl", "show", "--value", "--property=ExecMainStartTimestampMonotonic", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    began_s = int(shown.strip() or 0) / 1e6
    return time.time() - (time.monotonic() - began_s if began_s else 0)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "default": "/opt/agenda"},
            "settings": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    home = Path(module.params["home"])
    now_serving = serving(home)
    proved = good(home)
    # A release older than the marks: what served before is as good as it was.
    before = (home / "previous").readlink().name if (home / "previous").is_symlink() else ""
    unpacked = [path.name for path in whole(home)]
    bad = {path.name: read(path / BAD) for path in whole(home) if (path / BAD).exists()}
    kept = [name for name in [*proved, before] if name != now_serving and name in unpacked]
    settings = [Path(path) for path in module.params["settings"]]
    behind = bool(settings and now_serving) and is_behind(
        settings, started_at=started_at(f"agenda@{now_serving}.service")
    )
    module.exit_json(
        changed=False,
        is_behind=behind,
        serving=now_serving,
        previous=next((name for name in kept if name not in bad), ""),
        good=proved,
        bad=bad,
        unpacked=unpacked,
        runtimes=[path.parent.name for path in (home / "shared").glob(f"*/{LAST}")],
        rolled_back=read(home / "rolled-back"),
    )


if __name__ == "__main__":
    main()
