"""What becomes of a release that fails on some hosts: the role's own tasks, on folders of this
machine. Each release listens on a socket of its own; systemctl and journalctl are stand-ins. One
whose name begins with `sick` has no first page.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SYSTEMCTL = """#!/bin/sh
case "$1" in
  show) printf 'LoadState=loaded\\nActiveState=inactive\\nUnitFileState=disabled\\n' ;;
  is-enabled) exit 1 ;;
esac
"""
MANAGE = """#!/bin/sh
case "$2" in sick*) echo 'LookupError: no agenda' >&2; exit 1 ;; esac
"""


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        release = Path(self.server.server_address).parent.name
        is_sick = release.startswith("sick") and self.path != "/readyz"
        self.send_response(500 if is_sick or release == "away" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def address_string(self):
        return "nobody"

    def log_message(self, *_):
        pass


class Hosts:
    """`serves`: the release of each host; `good`: what was proved on it, the latest last."""

    def __init__(self, folder: Path, serves: dict[str, str], good: dict[str, list[str]]) -> None:
        self.folder = folder
        # A socket's path has at most 107 characters.
        self.short = Path(tempfile.mkdtemp(prefix="ctlv-", dir="/tmp"))
        self.names = list(serves)
        self.servers = []
        (folder / "bin").mkdir()
        programs = {"systemctl": SYSTEMCTL, "journalctl": "#!/bin/sh\n", "manage": MANAGE}
        for name, text in programs.items():
            (folder / "bin" / name).write_text(text, "utf-8")
            (folder / "bin" / name).chmod(0o755)
        for host, release in serves.items():
            for name in {*good[host], release, "new", "sick"}:
                self.release(host, name).mkdir(parents=True)
                (self.release(host, name) / ".complete").touch()
                self.listen(host, name)
            for number, name in enumerate(good[host]):
                mark = self.release(host, name) / "GOOD_RELEASE"
                mark.write_text("good\n")
                os.utime(mark, (1_700_000_000 + number, 1_700_000_000 + number))
            (self.home(host) / "current").symlink_to(self.release(host, release))

    def home(self, host: str) -> Path:
        return self.folder / host / "opt"

    def release(self, host: str, name: str) -> Path:
        return self.home(host) / "releases" / name

    def listen(self, host: str, name: str) -> None:
        path = self.short / host / name / "web.sock"
        path.parent.mkdir(parents=True)
        server = socketserver.ThreadingUnixStreamServer(str(path), Answers)
        self.servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def play(
        self, *steps: str, release: str, web: str = "web", flags: tuple = (), **variables: object
    ) -> str:
        """The role's steps on all hosts at once, and its rescue; what Ansible printed."""
        given = {
            "agenda_release": release,
            "agenda_ready_s": 1,
            "agenda_role": "{{ 'web' if inventory_hostname == '" + web + "' else 'rest' }}",
            "__agenda_home": f"{self.folder}/{{{{ inventory_hostname }}}}/opt",
            "__agenda_sockets": f"{self.short}/{{{{ inventory_hostname }}}}",
            "__agenda_units": f"{self.folder}/units",
            "__agenda_lock": f"{self.folder}/lock",
            "__agenda_log": f"{self.folder}/log",
            "__agenda_program": f"{self.folder}/bin/manage",
            "__agenda_instances": [],
            "ansible_python_interpreter": sys.executable,
            **variables,
        }
        played = [{"ansible.builtin.import_role": role(step)} for step in ("know", *steps)]
        served = {"ansible.builtin.set_fact": {"agenda_served": "{{ __agenda_serving }}"}}
        tasks = [{"block": [*played[:1], served, *played[1:]]}]
        if not {"prove", "lock"} & {*steps}:
            tasks[0]["rescue"] = [{"ansible.builtin.import_role": role("refuse")}]
        # Extra variables stand in for the role's own; what its steps set must be able to change.
        changing = {name: value for name, value in given.items() if name.startswith("agenda_")}
        extra = {name: value for name, value in given.items() if name not in changing}
        book = [{"hosts": "all", "gather_facts": False, "vars": changing, "tasks": tasks}]
        (self.folder / "play.yml").write_text(yaml.safe_dump(book), "utf-8")
        ended = subprocess.run(
            [
                *(Path(sys.executable).parent / "ansible-playbook", "--connection", "local"),
                *("--inventory", ",".join([*self.names, ""]), self.folder / "play.yml"),
                *("--extra-vars", json.dumps(extra), *flags),
            ],
            cwd=ROOT,
            env={**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return " ".join((ended.stdout + ended.stderr).split())

    def serving(self) -> dict[str, str]:
        return {h: (self.home(h) / "current").readlink().name for h in self.names}

    def marked_bad(self, release: str) -> dict[str, bool]:
        return {h: (self.release(h, release) / "BAD_RELEASE").exists() for h in self.names}


def role(step: str) -> dict[str, str]:
    return {"name": "agenda", "tasks_from": step}


@pytest.fixture
def made():
    hosts = []

    def make(folder, serves, good):
        hosts.append(Hosts(folder, serves, good))
        return hosts[-1]

    yield make
    for one in hosts:
        for server in one.servers:
            server.shutdown()
            server.server_close()
        shutil.rmtree(one.short)


def test_a_failed_proof_brings_back_on_every_host_what_it_served_before(made, tmp_path):
    """web1 and web2 served different ones, rest none; and what web3 served answers no more."""
    serves = dict.fromkeys(("web1", "web2", "rest", "web3"), "new")
    good = {"web1": ["older", "old"], "web2": ["older"], "rest": [], "web3": ["sick"]}
    hosts = made(tmp_path, serves, good)

    proof = ["sh", "-c", "echo FAILED one; exit 1"]
    said = hosts.play("prove", release="new", web="web3", agenda_proof=proof)

    assert hosts.serving() == {"web1": "old", "web2": "older", "rest": "new", "web3": "new"}, said
    assert hosts.marked_bad("new") == dict.fromkeys(serves, True)
    for words in (
        "release new served, and was found wrong: FAILED one",
        "now web1 serves old, web2 serves older, rest serves new (still), web3 serves new (still)",
    ):
        assert words in said, said


def test_a_release_that_was_proved_is_noted_as_good_on_every_host(made, tmp_path):
    """Also when a run was killed after it had noted so on the first host: it is proved again."""
    good = {"web": ["old", "new"], "rest": ["old"]}
    hosts = made(tmp_path, {"web": "new", "rest": "new"}, good)
    proof = ["sh", "-c", f"echo proved >> {tmp_path}/proofs; exit 3"]

    said = hosts.play("prove", release="new", agenda_proof=proof)

    noted = [(hosts.release(host, "new") / "GOOD_RELEASE").exists() for host in hosts.names]
    assert noted == [True, True], said
    assert (hosts.release("web", "new") / "GOOD_RELEASE").read_text() == "good\n", said
    note = (hosts.release("rest", "new") / "GOOD_RELEASE").read_text()
    assert re.fullmatch(r"\S+ ([0-9a-f]{7,} )?\S+@\S+\n", note), note
    is_clone = (ROOT / ".git").exists()
    assert (len(note.split()) == 3) is is_clone
    assert (tmp_path / "proofs").read_text() == "proved\n"


def test_a_release_that_one_host_refuses_is_marked_on_all_and_served_by_none(made, tmp_path):
    hosts = made(tmp_path, {"web": "old", "rest": "old"}, {"web": ["old"], "rest": ["old"]})

    said = hosts.play("start", "switch", release="sick")

    assert hosts.serving() == {"web": "old", "rest": "old"}, said
    assert hosts.marked_bad("sick") == {"web": True, "rest": True}, said
    assert "500" in said
    assert "now web serves old, rest serves old" in said


def test_a_release_is_not_marked_when_the_one_that_serves_fails_the_same_then(made, tmp_path):
    """The database is away, or the machine is full: nothing is known of the release."""
    serves = {"web": "sick-too", "rest": "sick-too"}
    hosts = made(tmp_path, serves, {"web": [], "rest": []})

    said = hosts.play("start", "switch", release="sick")

    assert hosts.serving() == serves, said
    assert hosts.marked_bad("sick") == {"web": False, "rest": False}
    assert "nothing is marked bad" in said


def test_a_host_that_had_switched_when_another_could_not_serves_the_one_before(made, tmp_path):
    hosts = made(tmp_path, {"web": "old", "rest": "old"}, {"web": ["old"], "rest": ["old"]})
    # Where the new link would be made, a folder with something in it is in the way.
    (hosts.home("rest") / "previous/x").mkdir(parents=True)

    said = hosts.play("start", "switch", release="new")

    assert hosts.serving() == {"web": "old", "rest": "old"}, said


@pytest.mark.parametrize(
    ("ended", "serve", "is_bad"), [(1, "old", True), (3, "new", False)], ids=["wrong", "proved"]
)
def test_the_first_of_several_hosts_proves_a_release_before_the_others_take_it(
    ended, serve, is_bad, made, tmp_path
):
    names = ("web", "web2", "rest", "rest2")
    good = {name: ["older", "old"] for name in names}
    hosts = made(tmp_path, dict.fromkeys(names, "old"), good)
    saw = f"for host in {' '.join(names)}; do readlink {tmp_path}/$host/opt/current; done"
    proof = ["sh", "-c", f"{saw} > {tmp_path}/seen; echo FAILED one; exit {ended}"]

    said = hosts.play(
        "start", "switch", release="new", agenda_canaries=["web", "rest"], agenda_canary_proof=proof
    )

    seen = [Path(line).name for line in (tmp_path / "seen").read_text().split()]
    assert seen == ["new", "old", "new", "old"], said
    assert hosts.serving() == dict.fromkeys(names, serve), said
    assert hosts.marked_bad("new") == dict.fromkeys(names, is_bad), said
    # Once, however many hosts.
    told = [name for name in names if f"agenda@new.service` on {name}," in said]
    assert told == (["web"] if is_bad else []), said
    assert ("release new served, and was found wrong: FAILED one" in said) is is_bad
    assert said.count("[ERROR]: Task failed: Action failed: release new served") == is_bad


def test_check_mode_says_what_a_release_that_is_not_there_would_change(made, tmp_path):
    """`make drift`, when the code of this tree is another than what serves."""
    hosts = made(tmp_path, {"web": "old", "rest": "old"}, {"web": ["old"], "rest": ["old"]})

    said = hosts.play("start", "switch", "prove", release="fresh", flags=("--check",))

    assert "failed=0" in said, said
    assert "failed=1" not in said, said
    assert hosts.serving() == {"web": "old", "rest": "old"}
    assert not hosts.release("web", "fresh").exists()


def test_the_lock_is_taken_on_all_hosts_or_on_none(made, tmp_path):
    """Another machine's run holds one: what was free is free for it."""
    hosts = made(tmp_path, {"web": "old", "rest": "old"}, {"web": ["old"], "rest": ["old"]})
    (tmp_path / "rest-lock").symlink_to("bob@desk since 10:00: deploy [desk]")

    own = f"{tmp_path}/{{{{ inventory_hostname }}}}-lock"
    said = hosts.play("lock", release="new", __agenda_lock=own)

    assert "another run works on rest: bob@desk since 10:00: deploy" in said
    assert not os.path.lexists(tmp_path / "web-lock"), said
    assert (tmp_path / "rest-lock").readlink().name.startswith("bob@desk")


def test_a_step_that_fails_before_a_release_is_asked_says_what_to_do(made, tmp_path):
    hosts = made(tmp_path, {"web": "old", "rest": "old"}, {"web": ["old"], "rest": ["old"]})
    build = {"stdout": json.dumps({"archive": "/nowhere.tar.gz", "runtime_archive": "/nowhere",
                                   "runtime": "python-1", "release": "late"})}  # fmt: skip

    said = hosts.play("bring", release="late", __agenda_built=build)

    assert "Next: mend what the first host that failed says" in said
    assert hosts.marked_bad("late") == {"web": False, "rest": False}
