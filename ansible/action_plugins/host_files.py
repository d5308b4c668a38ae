"""What the module of this name needs of the controller: a file's `template` (with `template_vars`)
or `file` of the role becomes its `content`, as Ansible's lookups of these names make it.

And tells `make drift` which paths deploy writes or removes, those of tasks with a secret too: what
no_log hides of a result is not known to any callback.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Any:
        super().run(tmp, task_vars)
        known = task_vars or {}
        files = [self._with_content(dict(file), known) for file in self._task.args["files"]]
        if asked := os.environ.get("CTLV_DECLARED"):
            told = {
                "host": known["inventory_hostname"],
                "declared": [file["path"] for file in files if not is_absent(file)],
                "absent": [file["path"] for file in files if is_absent(file)],
            }
            # One write: workers append at the same time.
            with Path(asked).open("a", encoding="utf-8", buffering=1 << 20) as declared:
                declared.write(json.dumps(told) + "\n")
        return self._execute_module(module_args={"files": files}, task_vars=task_vars)

    def _with_content(self, file: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
        template_vars = file.pop("template_vars", {})
        if template := file.pop("template", None):
            file["content"] = self._looked_up(
                "template", template, known, template_vars=template_vars
            )
        elif source := file.pop("file", None):
            file["content"] = self._looked_up("file", source, known, rstrip=False)
        return file

    def _looked_up(self, kind: str, name: str, known: dict[str, Any], **options: Any) -> str:
        lookup = lookup_loader.get(
            f"ansible.builtin.{kind}", loader=self._loader, templar=self._templar
        )
        return str(lookup.run([name], known, **options)[0])


def is_absent(file: dict[str, Any]) -> bool:
    return bool(file.get("state") == "absent")
