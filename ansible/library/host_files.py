#!/usr/bin/python
"""Put several files and folders in place in one call: a call is what costs, not a file."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: host_files
short_description: Files and folders with content, owner, group and mode, or no file
description:
  - Each is replaced by one rename, when it is whole and its validation has passed. Works in check mode and with diff.
options:
  files:
    description: In this order; a folder has no content.
    required: true
    type: list
    elements: dict
    suboptions:
      path: {description: Where., required: true, type: path}
      content: {description: What a file holds., type: str}
      owner: {description: Whose it is., type: str, default: root}
      group: {description: Which group's., type: str, default: root}
      mode: {description: Four octal digits., required: true, type: str}
      state: {description: "absent: no file there.", type: str, choices: [present, absent], default: present}
      validate: {description: A command that must succeed; %s is the new file., type: str, default: ""}
author: CTLV
"""  # noqa: E501 - a table reads better than a wrapped list
RETURN = """
paths: {description: What was changed., type: list, returned: always}
"""


def found(path: Path) -> tuple[str | None, int, int, int]:
    """Content (None: no file), mode, owner, group; -1 where there is nothing."""
    try:
        what = path.lstat()
    except FileNotFoundError:
        return None, -1, -1, -1
    text = None
    if stat.S_ISREG(what.st_mode):
        text = path.read_bytes().decode(errors="surrogateescape")
    return text, stat.S_IMODE(what.st_mode), what.st_uid, what.st_gid


def ids(item: dict[str, Any], *, lenient: bool) -> tuple[int, int]:
    """Numbers of owner and group. In check mode they may not have been made yet: -1."""
    try:
        return pwd.getpwnam(item["owner"]).pw_uid, grp.getgrnam(item["group"]).gr_gid
    except KeyError:
        if lenient:
            return -1, -1
        raise


def place(module: AnsibleModule, item: dict[str, Any]) -> dict[str, Any] | None:
    """Put one in place; what --diff shows of it, or None when it was right already."""
    if item.get("state") == "absent":
        return remove(module, Path(item["path"]))
    path, wanted = Path(item["path"]), item["content"]
    mode, (owner, group) = int(item["mode"], 8), ids(item, lenient=module.check_mode)
    text, has_mode, has_owner, has_group = found(path)
    is_right_kind = path.is_dir() and not path.is_symlink() if wanted is None else text is not None
    if is_right_kind and (text, has_mode, has_owner, has_group) == (wanted, mode, owner, group):
        return None
    if not module.check_mode:
        if wanted is None:
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, owner, group)
            path.chmod(mode)
        else:
            write(module, item, owner, group)
    before = {"path": str(path), "mode": f"{has_mode:04o}" if has_mode >= 0 else "absent"}
    shown = {"before_header": str(path), "after_header": str(path)}
    if wanted is None or text == wanted:
        return {**shown, "before": before, "after": {"path": str(path), "mode": item["mode"]}}
    return {**shown, "before": text or "", "after": wanted}


def remove(module: AnsibleModule, path: Path) -> dict[str, Any] | None:
    """Never a folder. What it held may be a secret: --diff shows its name alone."""
    if not os.path.lexists(path):
        return None
    if not module.check_mode:
        path.unlink()
    shown = {"before_header": str(path), "after_header": str(path)}
    return {**shown, "before": "present\n", "after": "absent\n"}


def write(module: AnsibleModule, item: dict[str, Any], owner: int, group: int) -> None:
    path = Path(item["path"])
    if path.is_dir() and not path.is_symlink():
        module.fail_json(msg=f"{path} is a folder, and a file is wanted there")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as f:
            f.write(item["content"].encode(errors="surrogateescape"))
            f.flush()
            os.fsync(f.fileno())
        os.chown(unfinished, owner, group)
        unfinished.chmod(int(item["mode"], 8))
        if item["validate"]:
            command = [
                word.replace("%s", str(unfinished)) for word in shlex.split(item["validate"])
            ]
            code, out, err = module.run_command(command)
            if code != 0:
                module.fail_json(
                    msg=f"{path}: what should be written is wrong: {(err or out)[-500:]}"
                )
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "required": True},
                    "validate": {"type": "str", "default": ""},
                    "state": {
                        "type": "str",
                        "choices": ["present", "absent"],
                        "default": "present",
                    },
                },
            }
        },
        supports_check_mode=True,
    )
    changes: dict[str, dict[str, Any]] = {}
    for item in module.params["files"]:
        try:
            change = place(module, item)
        except (OSError, KeyError) as error:
            module.fail_json(msg=f"{item['path']}: {type(error).__name__}: {error}")
        if change is not None:
            changes[item["path"]] = change
    module.exit_json(changed=bool(changes), paths=list(changes), diff=list(changes.values()))


if __name__ == "__main__":
    main()
