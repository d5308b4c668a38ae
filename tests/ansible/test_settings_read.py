"""New settings are read before the release that runs is stopped for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: agenda, tasks_from: readable}
      vars: {agenda_release: r1}
"""


@pytest.fixture
def read(tmp_path):
    """Run the role's tasks here, with a management command that says and ends as told."""
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\nroles_path = {ROOT}/ansible/roles\n")

    def run(script):
        known = {"ansible_python_interpreter": sys.executable}
        known["__agenda_manage"] = ["sh", "-c", f"{script}; exit"]
        tool = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [tool, "-i", "localhost,", "-e", json.dumps(known), "play.yml"],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_settings_that_can_be_read_stop_nothing(read):
    code, text = read("exit 0")
    assert code == 0, text


def test_settings_that_cannot_be_read_stop_the_play_before_the_release(read):
    said = "Traceback\\n  x\\nImproperlyConfigured: cannot start:\\nAGENDA_X is 7.\\n"
    code, text = read(f"printf '{said}' >&2; exit 1")
    assert code == 2
    assert "goes on with its old settings" in text
    assert "AGENDA_X is 7." in text
    assert "Next: correct the inventory" in text
    assert "Traceback" not in text.partition("goes on with")[2]
