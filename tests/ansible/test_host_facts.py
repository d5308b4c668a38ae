"""What a run decides by is read rightly; a foreign listener stops the play, and is named."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A module is a program for the host, and lies in no package.
SPEC = importlib.util.spec_from_file_location("host_facts", ROOT / "ansible/library/host_facts.py")
host_facts = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(host_facts)
SSHD = 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=102,fd=6))'
NGINX = 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=9,fd=6),("nginx",pid=8,fd=6))'
HELD = 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=9,fd=3),("systemd",pid=1,fd=30))'
PYTHON = 'LISTEN 0 5 [::]:80 [::]:* users:(("python3",pid=128,fd=3))'
ELSEWHERE = 'LISTEN 0 5 127.0.0.1:8080 0.0.0.0:* users:(("python3",pid=128,fd=3))'
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {listeners: "{{ told }}", cacheable: true}
    - ansible.builtin.include_role:
        name: ownership
        tasks_from: listeners
      vars:
        ownership_listeners: [{port: 80, program: nginx}, {port: 3306, program: mariadbd}]
"""


@pytest.fixture
def play(tmp_path):
    """Run the role's tasks here, on a host whose `ss` prints the given lines."""
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\nroles_path = {ROOT}/ansible/roles\n")

    def run(*lines):
        told = json.dumps({"told": host_facts.listeners("\n".join(lines))})
        tool = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [tool, "-i", "localhost,", "-e", told, "play.yml"],
            cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_our_own_programs_and_other_ports_are_no_hindrance(play):
    code, text = play(SSHD, NGINX, HELD, ELSEWHERE)

    assert code == 0, text


def test_a_foreign_listener_stops_the_play_and_is_named(play):
    code, text = play(SSHD, NGINX, PYTHON)

    assert code == 2, text
    assert "localhost: python3 listens on port 80, where nginx is to listen" in text
    assert "Next: save its data, stop and disable it there" in text


@pytest.mark.parametrize(
    ("active", "at_boot", "is_on"),
    [("active", "enabled", True), ("inactive", "enabled", False), ("failed", "enabled", False),
     ("active", "disabled", False), ("active", "", False)],
)  # fmt: skip
def test_a_unit_is_on_when_it_runs_and_starts_at_boot(active, at_boot, is_on):
    shown = f"Id=a.timer\nActiveState={active}\nUnitFileState={at_boot}\n"
    other = "Id=b.service\nActiveState=active\nUnitFileState=enabled\n"
    assert host_facts.units(f"{shown}\n{other}") == [*(["a.timer"] * is_on), "b.service"]


def test_a_file_that_is_not_there_has_no_lines(tmp_path):
    (tmp_path / "mark").write_text("one\ntwo\n")
    assert host_facts.lines(tmp_path / "mark") == ["one", "two"]
    assert host_facts.lines(tmp_path / "none") == []
