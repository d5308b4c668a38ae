#!/usr/bin/python
"""Say which release serves on a host, which was good before it, and which were found bad."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.releases import BAD, LAST, good, read, serving, whole

DOCUMENTATION = """
module: release_info
short_description: Which release serves, which was good before it, which were found bad
options:
  home: {description: Folder of the releases., type: path, default: /opt/agenda}
author: CTLV
"""
RETURN = """
serving: {description: The one that serves; empty before the first., type: str, returned: always}
previous: {description: The latest good one before it, or empty., type: str, returned: always}
good: {description: All good ones, the latest first., type: list, returned: always}
bad: {description: Name to what was noted when it failed., type: dict, returned: always}
unpacked: {description: All that are whole on the host., type: list, returned: always}
runtimes: {description: Python environments that are whole., type: list, returned: always}
rolled_back: {description: A rollback that is the last word., type: dict, returned: always}
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={"home": {"type": "path", "default": "/opt/agenda"}}, supports_check_mode=True
    )
    home = Path(module.params["home"])
    now_serving = serving(home)
    proved = good(home)
    # A release older than the marks: what served before is as good as it was.
    before = (home / "previous").readlink().name if (home / "previous").is_symlink() else ""
    unpacked = [path.name for path in whole(home)]
    bad = {path.name: read(path / BAD) for path in whole(home) if (path / BAD).exists()}
    kept = [name for name in [*proved, before] if name != now_serving and name in unpacked]
    module.exit_json(
        changed=False,
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
