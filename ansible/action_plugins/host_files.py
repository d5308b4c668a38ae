"""Tells `make drift` which paths deploy writes or removes, those of tasks with a secret too: what
no_log hides of a result is not known to any callback. The module of this name does the work.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Any:
        super().run(tmp, task_vars)
        asked = os.environ.get("CTLV_DECLARED")
        if asked and task_vars is not None:
            told = {
                "host": task_vars["inventory_hostname"],
                "declared": [f["path"] for f in self._task.args["files"] if not is_absent(f)],
                "absent": [f["path"] for f in self._task.args["files"] if is_absent(f)],
            }
            # One write: workers append at the same time.
            with Path(asked).open("a", encoding="utf-8", buffering=1 << 20) as file:
                file.write(json.dumps(told) + "\n")
        return self._execute_module(task_vars=task_vars)


def is_absent(file: dict[str, Any]) -> bool:
    return bool(file.get("state") == "absent")
