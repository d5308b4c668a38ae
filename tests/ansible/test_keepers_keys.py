"""What a keeper of backups calls its public key: one line of sshd's, whoever wrote that file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + 43 * "b"
ACCEPTED = {"as-made": f"{ONE} ansible-generated on web\n", "no-comment": f"{ONE}\n"}
REFUSED = {
    "a-second-line": f"{ONE} web\n{ONE} mallory\n",
    "a-second-line-by-itself": f"{ONE}\n\n{ONE}\n",
    "options-before-it": f'command="/bin/sh" {ONE} web\n',
    "another-kind": ONE.replace("ed25519", "rsa"),
    "cut-off": ONE[:-1],
    "a-carriage-return": f"{ONE} web\r{ONE}\n",
    "empty": "",
}


pytestmark = pytest.mark.xdist_group("keepers")


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the role's task says to each file, as a host of its own; "" to one that it takes."""
    folder = tmp_path_factory.mktemp("keys")
    files = ACCEPTED | REFUSED
    for name, text in files.items():
        (folder / f"{name}.pub").write_bytes(text.encode())
    # A keeper is another name for this machine.
    hosts = {"sources": {"hosts": dict.fromkeys(files)}, "keepers": {"hosts": {"web": {}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    step = {"ansible.builtin.import_role": {"name": "backup", "tasks_from": "keys"}}
    play = {"hosts": "sources", "gather_facts": False, "any_errors_fatal": False, "tasks": [step]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    told = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_database": "agenda",
        "backup_keepers": ["web"],
        "__backup_key": f"{folder}/{{{{ inventory_hostname }}}}",
    }
    ended = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "--inventory", folder / "hosts.yml",
         "--extra-vars", json.dumps(told), folder / "play.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    plays = json.loads(ended.stdout[ended.stdout.index("{") :])["plays"]
    last = {name: [t["hosts"][name] for t in plays[0]["tasks"] if name in t["hosts"]][-1]
            for name in files}  # fmt: skip
    return {
        name: (one.get("results", [one])[-1].get("msg", "") if one.get("failed") else "")
        for name, one in last.items()
    }


@pytest.mark.parametrize("name", ACCEPTED)
def test_one_key_of_a_keeper_may_ask_for_backups(said, name):
    assert said[name] == ""


@pytest.mark.parametrize("name", REFUSED)
def test_whatever_else_a_keepers_file_holds_is_refused_in_two_lines(said, name):
    """A second line would be a key without `restrict` and without its one command."""
    first, second = said[name].splitlines()
    assert "web" in first
    assert second.startswith("  Next: ")
