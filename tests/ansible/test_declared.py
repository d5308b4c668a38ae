"""Deploy tells drift which paths are its own, those of tasks with a secret too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Write one with a secret
      host_files:
        files:
          - {path: FOLDER/secret, content: hidden, mode: "0600"}
          - {path: FOLDER/old, state: absent, mode: "0600"}
      no_log: true
    - name: Write what is written otherwise for each
      host_files:
        files:
          - {path: "FOLDER/{{ item }}", link: elsewhere}
      loop: [a, b]
"""


def play(folder: Path, root: Path, *, asked: bool) -> str:
    (folder / "play.yml").write_text(PLAY.replace("FOLDER", str(folder)))
    told = {"CTLV_DECLARED": str(folder / "declared")} if asked else {}
    ended = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--check", folder / "play.yml"],
        cwd=root,
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", **told},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_paths_that_deploy_writes_and_removes_are_told_when_drift_asks(tmp_path, root):
    said = play(tmp_path, root, asked=True)
    told = [json.loads(line) for line in (tmp_path / "declared").read_text().splitlines()]
    here = {"host": "localhost", "absent": []}
    assert told == [
        {**here, "declared": [f"{tmp_path}/secret"], "absent": [f"{tmp_path}/old"]},
        {**here, "declared": [f"{tmp_path}/a"]},
        {**here, "declared": [f"{tmp_path}/b"]},
    ]
    assert "hidden" not in said + str(told)
    assert not (tmp_path / "secret").exists()


def test_nothing_is_told_when_nobody_asks(tmp_path, root):
    play(tmp_path, root, asked=False)
    assert not (tmp_path / "declared").exists()
