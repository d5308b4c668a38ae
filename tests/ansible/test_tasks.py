"""What every task must keep to, beyond what ansible-lint knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SECRET = re.compile(r"password(?!_lock)|secret|token|private_key", re.IGNORECASE)
# Words that look like secrets and are names of files, accounts or options.
HARMLESS = re.compile(
    r"_password_(file|command)|vault-password|password_lock|secret_key_file|agenda_most_tokens",
    re.IGNORECASE,
)


def task_files() -> list[Path]:
    patterns = ("ansible/*.yml", "ansible/roles/*/tasks/*.yml", "ansible/roles/*/handlers/*.yml")
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def tasks_in(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items or []:
        nested = [
            k
            for k in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always")
            if k in item
        ]
        for key in nested:
            yield from tasks_in(item[key])
        if not nested or "block" in item:
            yield item


EACH_FILE = pytest.mark.parametrize(
    "tasks", task_files(), ids=lambda path: str(path.relative_to(ROOT)), indirect=True
)


@pytest.fixture(scope="module")
def tasks(request) -> list[dict[str, Any]]:
    """Those of a file, one test for all: there are hundreds."""
    written = yaml.safe_load(request.param.read_text())
    return [task for task in tasks_in(written) if "hosts" not in task]


@EACH_FILE
def test_task_that_carries_a_secret_logs_nothing(tasks):
    of_others = {"name", "fail_msg", "block", "rescue", "always"}
    for task in tasks:
        text = yaml.safe_dump({k: v for k, v in task.items() if k not in of_others})
        carried = [
            expression
            for expression in re.findall(r"\{\{.*?\}\}", text, flags=re.DOTALL)
            if SECRET.search(HARMLESS.sub("", expression))
        ]
        assert not carried or task.get("no_log") is True, task


@EACH_FILE
def test_task_hides_its_output_only_when_it_carries_a_secret(tasks):
    for task in tasks:
        assert not task.get("no_log") or SECRET.search(yaml.safe_dump(task)), task


@EACH_FILE
def test_command_says_when_it_changed_something(tasks):
    for task in tasks:
        assert "ansible.builtin.command" not in task or "changed_when" in task, task


@pytest.mark.parametrize("path", task_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_flush_of_handlers_says_why(path):
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if "meta: flush_handlers" in line:
            assert lines[number - 2].lstrip().startswith("#"), (
                f"{path}:{number + 1} flushes without a reason"
            )


def test_no_secret_is_in_a_template():
    """Secrets go into files of their own, one a file, by a task that logs nothing."""
    for template in ROOT.glob("ansible/roles/*/templates/*"):
        for expression in re.findall(r"\{\{.*?\}\}", template.read_text()):
            assert not SECRET.search(HARMLESS.sub("", expression)), f"{template}: {expression}"
