"""What lies in a role becomes what host_files writes: templates rendered, files as they are."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {greeting: Bonjour}
  roles: [probe]
"""
TASKS = """
- host_files:
    files:
      - {path: FOLDER/made, template: letter.j2, template_vars: {who: Anne}, OURS, mode: "0600"}
      - {path: FOLDER/brought, file: letter.txt, OURS, mode: "0600"}
      - {path: FOLDER/said, content: "{{ greeting }}", OURS, mode: "0600"}
"""
AS_IT_IS = "{{ greeting }} ends here.\n\n"


def test_a_template_is_rendered_and_a_file_comes_as_it_is(tmp_path, root):
    role = tmp_path / "roles/probe"
    ours = f"owner: {pwd.getpwuid(os.getuid()).pw_name}, group: {grp.getgrgid(os.getgid()).gr_name}"
    for name, text in {
        "../../play.yml": PLAY,
        "tasks/main.yml": TASKS.replace("FOLDER", str(tmp_path)).replace("OURS", ours),
        "templates/letter.j2": "{{ greeting }} {{ who }}\n",
        "files/letter.txt": AS_IT_IS,
    }.items():
        (role / name).parent.mkdir(parents=True, exist_ok=True)
        (role / name).write_text(text)

    ended = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), tmp_path / "play.yml"],
        cwd=root,
        env={**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "made").read_text() == "Bonjour Anne\n"
    assert (tmp_path / "brought").read_text() == AS_IT_IS
    assert (tmp_path / "said").read_text() == "Bonjour"
