"""What becomes of a release that fails on some of the hosts: the role's own tasks and modules,
played on folders of this machine. systemctl and journalctl are stand-ins; a release whose name
begins with `sick` has no page.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
# Who asks is a stand-in: it knows by the unit's name which release is asked.
ASK = """
from ansible.module_utils.basic import AnsibleModule
kinds = {"manage": "list", "questions": "list", "ready_s": "int"}
module = AnsibleModule({n: {"type": kinds.get(n, "str")} for n in ("unit", "socket", *kinds)})
is_sick = module.params["unit"].split("@")[1].startswith("sick")
if is_sick and "page" in module.params["questions"]:
    module.fail_json(msg="GET /agenda/ was answered with 500", question="page")
module.exit_json(requests=1)
"""
PAGES_ON_WEB = "{{ ['ready', 'page'] if inventory_hostname == 'web' else ['ready'] }}"
SYSTEMCTL = """#!/bin/sh
case "$*" in
  *--value*) echo 0 ;;
  show*) printf 'LoadState=loaded\\nActiveState=inactive\\nUnitFileState=disabled\\n' ;;
  is-enabled*) exit 1 ;;
esac
"""


class Hosts:
    """`serves`: the release of each host; `good`: what was proved on it, the latest last."""

    def __init__(self, folder: Path, serves: dict[str, str], good: dict[str, list[str]]) -> None:
        self.folder = folder
        self.names = list(serves)
        for folder_of_ours in ("library", "module_utils"):
            shutil.copytree(ROOT / "ansible" / folder_of_ours, folder / folder_of_ours)
        for program in folder.glob("*/*.py"):
            text = program.read_text("utf-8")
            program.write_text(text.replace("/var/log", str(folder / "log")), "utf-8")
        (folder / "log").mkdir()
        (folder / "library/release_ask.py").write_text(ASK, "utf-8")
        (folder / "bin").mkdir()
        for name, text in (("systemctl", SYSTEMCTL), ("journalctl", "#!/bin/sh\n")):
            (folder / "bin" / name).write_text(text, "utf-8")
            (folder / "bin" / name).chmod(0o755)
        for host, release in serves.items():
            for name in {*good[host], release, "new", "sick"}:
                self.release(host, name).mkdir(parents=True)
                (self.release(host, name) / ".complete").touch()
            for number, name in enumerate(good[host]):
                noted = {"at": f"2026-11-24T10:00:0{number}+0000", "by": "ann"}
                (self.release(host, name) / "GOOD_RELEASE").write_text(json.dumps(noted))
            if release:
                self.home(host).joinpath("current.sock").symlink_to(
                    f"/run/agenda/{release}/web.sock"
                )

    def home(self, host: str) -> Path:
        return self.folder / host

    def release(self, host: str, name: str) -> Path:
        return self.home(host) / "releases" / name

    def play(self, tasks_from: str, release: str, **variables: object) -> str:
        """The role's tasks on all hosts at once; what Ansible printed."""
        given = {
            **{"agenda_service_release": release, "agenda_service_by": "ann@desk"},
            **{"agenda_service_home": f"{self.folder}/{{{{ inventory_hostname }}}}"},
            **{"agenda_service_drain_s": 0, **variables},
        }
        role = {"name": str(ROOT / "ansible/roles/agenda_service"), "tasks_from": tasks_from}
        book = [
            {
                "name": "Play",
                "hosts": "all",
                "gather_facts": False,
                "vars": given,
                "tasks": [{"name": "Play it", "ansible.builtin.import_role": role}],
            }
        ]
        (self.folder / "play.yml").write_text(yaml.safe_dump(book), "utf-8")
        ours = {
            f"ANSIBLE_{name.upper()}": str(self.folder / name)
            for name in ("library", "module_utils")
        }
        ended = subprocess.run(
            [
                *(Path(sys.executable).parent / "ansible-playbook", "--connection", "local"),
                *("--inventory", ",".join([*self.names, ""]), self.folder / "play.yml"),
                *("--extra-vars", f"ansible_python_interpreter={sys.executable}"),
            ],
            cwd=ROOT,
            env={**os.environ, **ours, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return ended.stdout + ended.stderr

    def serving(self) -> dict[str, str]:
        return {h: (self.home(h) / "current.sock").readlink().parent.name for h in self.names}

    def marked_bad(self, release: str) -> dict[str, bool]:
        return {h: (self.release(h, release) / "BAD_RELEASE").exists() for h in self.names}


def test_a_failed_proof_brings_back_on_every_host_what_it_served_before(tmp_path):
    """web1 and web2 served different ones, rest none; and what rest2 served answers no more."""
    serves = dict.fromkeys(("web1", "web2", "rest", "rest2"), "new")
    good = {"web1": ["older", "old"], "web2": ["older"], "rest": [], "rest2": ["sick"]}
    hosts = Hosts(tmp_path, serves, good)

    said = hosts.play("prove", "new", agenda_service_proof=["sh", "-c", "echo FAILED one; exit 1"])

    assert hosts.serving() == {"web1": "old", "web2": "older", "rest": "new", "rest2": "new"}
    assert hosts.marked_bad("new") == dict.fromkeys(serves, True)
    told = " ".join(said.split())
    for words in (
        "release new served, and was found wrong: FAILED one",
        "now web1 serves old, web2 serves older, rest serves new, rest2 serves new (still, where",
    ):
        assert words in told, said


def test_a_release_that_was_proved_is_noted_as_good_on_every_host(tmp_path):
    """Also when a run was killed after it had noted so on the first host: it is proved again."""
    hosts = Hosts(tmp_path, {"web": "new", "rest": "new"}, {"web": ["old", "new"], "rest": ["old"]})
    proof = ["sh", "-c", f"echo proved >> {tmp_path}/proofs; exit 3"]

    hosts.play("prove", "new", agenda_service_proof=proof)

    noted = [(hosts.release(host, "new") / "GOOD_RELEASE").exists() for host in hosts.names]
    assert noted == [True, True]
    assert (tmp_path / "proofs").read_text() == "proved\n"


def test_a_release_that_one_host_refuses_is_marked_on_all_and_served_by_none(tmp_path):
    hosts = Hosts(tmp_path, {"web": "old", "rest": "old"}, {"web": ["old"], "rest": ["old"]})

    said = hosts.play("switch", "sick", agenda_service_questions=PAGES_ON_WEB)

    assert hosts.serving() == {"web": "old", "rest": "old"}
    assert hosts.marked_bad("sick") == {"web": True, "rest": True}
    assert "was answered with 500" in said
    assert "old serves as before" in said


def test_a_release_is_not_marked_when_the_one_that_serves_fails_the_same_then(tmp_path):
    """The database is away, or the machine is full: nothing is known of the release."""
    hosts = Hosts(tmp_path, {"web": "sick-too", "rest": "sick-too"}, {"web": [], "rest": []})

    said = hosts.play("switch", "sick")

    assert hosts.serving() == {"web": "sick-too", "rest": "sick-too"}
    assert hosts.marked_bad("sick") == {"web": False, "rest": False}
    assert "nothing is marked bad" in " ".join(said.split())


def test_a_host_that_had_switched_when_another_could_not_serves_the_one_before(tmp_path):
    hosts = Hosts(tmp_path, {"web": "old", "rest": "old"}, {"web": ["old"], "rest": ["old"]})
    # Where the new link would be made, a folder is in the way.
    (hosts.home("rest") / "current").mkdir()

    hosts.play("switch", "new")

    assert hosts.serving() == {"web": "old", "rest": "old"}
