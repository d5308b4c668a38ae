"""release_unpack: put the archives where its module unpacks them. A call is what costs: two here,
where ansible.builtin.unarchive takes about eight for each archive.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Any:
        result = super().run(tmp, task_vars)
        given = dict(self._task.args)
        if self._task.check_mode:
            return {**result, "changed": True}
        names = ["archive", *(["runtime_archive"] if given["with_runtime"] else [])]
        for name in names:
            # Root's own folder, and always the same name: what a killed run left is overwritten.
            there = f"{given.get('home', '/opt/agenda')}/.{name}.tar.gz"
            self._connection.put_file(given[name], there)
            given[name] = there
        return {**result, **self._execute_module(module_args=given, task_vars=task_vars)}
