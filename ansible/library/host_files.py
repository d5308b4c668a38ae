#!/usr/bin/python
"""Put several files and folders in place in one call: a call is what costs, not a file."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: host_files
short_description: Files, folders and links, or no file
description:
  - Each is replaced by one rename, when it is whole and its validation has passed. Works in check mode and with diff.
  - No link is followed on the way there; where one is, nothing is written and the error names it.
options:
  files:
    description: In this order; a folder has neither content nor link.
    required: true
    type: list
    elements: dict
    suboptions:
      path: {description: Where., required: true, type: path}
      content: {description: What a file holds., type: str}
      template: {description: Of the role; it makes the content, by ansible/action_plugins/host_files.py., type: str}
      template_vars: {description: What that template may use besides., type: dict}
      file: {description: Of the role; it is the content., type: str}
      link: {description: Where a link leads., type: str}
      owner: {description: Whose it is., type: str, default: root}
      group: {description: Which group's., type: str, default: root}
      mode: {description: Four octal digits; a link has none., type: str}
      state: {description: "absent: no file there.", type: str, choices: [present, absent], default: present}
      validate: {description: A command that must succeed; %s is the new file., type: str, default: ""}
author: CTLV
"""  # noqa: E501 - a table reads better than a wrapped list
RETURN = """
paths: {description: What was changed., type: list, returned: always}
"""

AS_IT_IS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: Path, *, make: bool = False) -> Iterator[int]:
    """A folder's descriptor; with `make`, what is missing on the way is made.

    No component of the path is a link: whoever owns a folder on the way could point one anywhere.
    """
    descriptor = os.open("/", FOLDER)
    try:
        for part in path.absolute().parts[1:]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=descriptor)
            try:
                inner = os.open(part, FOLDER, dir_fd=descriptor)
            except NotADirectoryError as error:
                raise NotADirectoryError(
                    error.errno, f"{part} is a link or a file, not a folder"
                ) from error
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def found(path: Path) -> tuple[str | None, int, int, int]:
    """Content (None: no file), mode, owner, group; -1 where there is nothing."""
    try:
        with opened(path.parent) as folder:
            what = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            text = None
            if stat.S_ISREG(what.st_mode):
                with os.fdopen(os.open(path.name, AS_IT_IS, dir_fd=folder), "rb") as f:
                    text = f.read().decode(errors="surrogateescape")
    except FileNotFoundError:
        return None, -1, -1, -1
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
    if item.get("link"):
        return point(module, Path(item["path"]), item["link"])
    path, wanted = Path(item["path"]), item["content"]
    mode, (owner, group) = int(item["mode"], 8), ids(item, lenient=module.check_mode)
    text, has_mode, has_owner, has_group = found(path)
    is_right_kind = path.is_dir() and not path.is_symlink() if wanted is None else text is not None
    if is_right_kind and (text, has_mode, has_owner, has_group) == (wanted, mode, owner, group):
        return None
    if not module.check_mode:
        if wanted is None:
            with opened(path, make=True) as folder:
                os.fchown(folder, owner, group)
                os.fchmod(folder, mode)
        else:
            write(module, path, item, owner, group)
    before = {"path": str(path), "mode": f"{has_mode:04o}" if has_mode >= 0 else "absent"}
    shown = {"before_header": str(path), "after_header": str(path)}
    if wanted is None or text == wanted:
        return {**shown, "before": before, "after": {"path": str(path), "mode": item["mode"]}}
    return {**shown, "before": text or "", "after": wanted}


def remove(module: AnsibleModule, path: Path) -> dict[str, Any] | None:
    """Never a folder. What it held may be a secret: --diff shows its name alone."""
    try:
        with opened(path.parent) as folder:
            os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            if not module.check_mode:
                os.unlink(path.name, dir_fd=folder)
    except FileNotFoundError:
        return None
    shown = {"before_header": str(path), "after_header": str(path)}
    return {**shown, "before": "present\n", "after": "absent\n"}


def point(module: AnsibleModule, path: Path, target: str) -> dict[str, Any] | None:
    before = str(path.readlink()) if path.is_symlink() else "no link"
    if before == target:
        return None
    if not module.check_mode:
        unfinished = f".{path.name}.{os.getpid()}"
        with opened(path.parent) as folder:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
            os.symlink(target, unfinished, dir_fd=folder)
            os.replace(unfinished, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    shown = {"before_header": str(path), "after_header": str(path)}
    return {**shown, "before": f"{before}\n", "after": f"{target}\n"}


def write(module: AnsibleModule, path: Path, item: dict[str, Any], owner: int, group: int) -> None:
    if path.is_dir() and not path.is_symlink():
        module.fail_json(msg=f"{path} is a folder, and a file is wanted there")
    unfinished = f".{path.name}.{os.getpid()}"
    with opened(path.parent) as folder:
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=folder)
        try:
            with os.fdopen(os.open(unfinished, NEW, 0o600, dir_fd=folder), "wb") as f:
                f.write(item["content"].encode(errors="surrogateescape"))
                f.flush()
                os.fsync(f.fileno())
                os.fchown(f.fileno(), owner, group)
                os.fchmod(f.fileno(), int(item["mode"], 8))
            if item["validate"]:
                there = str(path.with_name(unfinished))
                command = [word.replace("%s", there) for word in shlex.split(item["validate"])]
                code, out, err = module.run_command(command)
                if code != 0:
                    wrong = (err or out)[-500:]
                    module.fail_json(msg=f"{path}: what should be written is wrong: {wrong}")
            os.replace(unfinished, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "required_one_of": [("mode", "link")],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "link": {"type": "str"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str"},
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
