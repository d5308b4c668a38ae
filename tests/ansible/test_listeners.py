"""An adopted container may still run the old installation: the play stops, and names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SSHD = 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=102,fd=6))'
NGINX = 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=9,fd=6),("nginx",pid=8,fd=6))'
PYTHON = 'LISTEN 0 5 [::]:80 [::]:* users:(("python3",pid=128,fd=3))'
ELSEWHERE = 'LISTEN 0 5 127.0.0.1:8080 0.0.0.0:* users:(("python3",pid=128,fd=3))'
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: ownership
        tasks_from: listeners
      vars:
        ownership_listeners: [{port: 80, program: nginx}, {port: 3306, program: mariadbd}]
"""


@pytest.fixture
def play(tmp_path):
    """Run the role's tasks here, with a program named ss that prints the given lines."""
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\nroles_path = {ROOT}/ansible/roles\n")

    def run(*lines):
        (tmp_path / "lines").write_text("".join(f"{line}\n" for line in lines))
        program = tmp_path / "ss"
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/lines\n")
        program.chmod(0o755)
        tool = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [tool, "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}",
             "play.yml"],
            cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path),
                 "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_our_own_programs_and_other_ports_are_no_hindrance(play):
    code, text = play(SSHD, NGINX, ELSEWHERE)

    assert code == 0, text


def test_a_foreign_listener_stops_the_play_and_is_named(play):
    code, text = play(SSHD, NGINX, PYTHON)

    assert code == 2, text
    assert "localhost: python3 listens on port 80, where nginx is to listen" in text
    assert "Next: save its data, stop and disable it there" in text
