"""A playbook run: what Ansible is told, how it ends, and that the lock outlives the program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provision import logs
from provision.inventory import Inventory
from rollout import play

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ansible(tmp_path, monkeypatch):
    """Stands for ansible-playbook: keeps what it was told, ends as `ends`."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ansible-playbook"

    def ends(status: int) -> None:
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/told\nexit {status}\n')
        program.chmod(0o755)

    monkeypatch.setattr(play, "load", lambda *_, **__: SITE)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setattr(logs.new_log, "__kwdefaults__", {"folder": tmp_path / "logs"})
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    ends(0)
    return ends


def run(monkeypatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["play", *words])
    try:
        play.main()
    except SystemExit as ended:
        print(ended, file=sys.stderr)
        return 1
    return 0


@pytest.mark.parametrize("verb", play.DONE)
def test_a_playbook_ends_with_one_line_of_result(ansible, monkeypatch, capfd, verb):
    assert run(monkeypatch, verb, "--env", "lab") == 0
    result = play.DONE[verb].format(release="the previous good release")
    assert capfd.readouterr().out.splitlines()[-1] == f"{verb} lab: {result}"
    ansible(2)
    assert run(monkeypatch, verb, "--env", "lab") == 1
    out, err = capfd.readouterr()
    assert err.startswith(f"{verb} lab: not done\n  Next: ")
    assert f"{verb} lab:" not in out


def test_answers_reach_the_playbook_as_data(ansible, monkeypatch, tmp_path, capfd):
    assert run(monkeypatch, "rollback", "--force", "--unlock", "--release", "r1") == 0
    assert "ansible/rollback.yml" in (tmp_path / "told").read_text().splitlines()
    told = json.loads((tmp_path / "told").read_text().splitlines()[-1])
    assert told == {"agenda_force": True, "agenda_unlock": True, "rollback_release": "r1"}
    assert capfd.readouterr().out.endswith("rollback lab: r1 serves\n")


def test_a_failure_names_the_whole_log_which_is_its_users_alone(
    ansible, monkeypatch, tmp_path, capfd
):
    ansible(2)
    run(monkeypatch, "deploy")
    (log,) = (tmp_path / "logs").iterdir()
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.name.startswith("deploy-lab-")
    assert log.name in capfd.readouterr().err


def test_ansible_still_holds_the_lock_when_the_program_was_killed(tmp_path):
    """Else a second deploy would work beside what the first one left running."""
    clone = tmp_path / "clone"
    (clone / "bin").mkdir(parents=True)
    (clone / "bin/python").symlink_to(sys.executable)
    (clone / "bin/ansible-playbook").write_text("#!/bin/sh\necho $$ >began\nexec sleep 60\n")
    (clone / "bin/ansible-playbook").chmod(0o755)
    code = f"import sys; sys.executable = {str(clone / 'bin/python')!r}\n"
    code += (
        f"from pathlib import Path; from rollout import play; play.ROOT = Path({str(clone)!r})\n"
    )
    code += f"play.new_log = lambda *_, **__: {str(tmp_path / 'log')!r}\n"
    code += "play.load = lambda *_, **__: play.Inventory(environment='lab', hosts={})\n"
    code += "sys.argv = ['play', 'deploy']; play.main()"
    lock = tmp_path / "busy.lock"
    alone = [str(ROOT / "setup/alone"), str(lock)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*alone, sys.executable, "-c", code], env=environment) as first:
        began, limit_s = clone / "began", time.monotonic() + 30
        while not (began.exists() and began.read_text()) and time.monotonic() < limit_s:
            time.sleep(0.05)
        first.kill()
        first.wait()
    held = subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False).returncode
    os.kill(int(began.read_text()), signal.SIGKILL)
    assert held == 1


SITE = Inventory(
    environment="lab",
    hosts={name: {} for name in ("web", "web2", "rest", "db")},
    groups={"web": ["web", "web2"], "rest": ["rest"], "database": ["db"]},
)


def test_a_host_that_is_down_is_left_out_by_name_and_never_silently(
    ansible, monkeypatch, tmp_path, capfd
):
    monkeypatch.setattr(play, "load", lambda *_, **__: SITE)
    assert run(monkeypatch, "redeploy", "--skip", "web") == 0
    told = (tmp_path / "told").read_text().splitlines()
    assert told[told.index("--limit") + 1] == "all:!web"
    assert json.loads(told[-1]) == {"site_left_out": ["web"]}
    assert capfd.readouterr().out.splitlines()[-2:] == [
        "  LEFT OUT: web",
        "  Next: make deploy when they are back",
    ]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["nope"], "SKIP=nope is no host of the groups web, rest and database"),
        (["web2", "db"], "SKIP=db leaves 0 of 1 databases"),
        (["web", "web2"], "SKIP leaves no host of the group web: web, web2"),
        (["rest"], "SKIP leaves no host of the group rest: rest"),
    ],
)
def test_only_a_host_that_others_stand_in_for_can_be_left_out(monkeypatch, capfd, names, problem):
    monkeypatch.setattr(play, "load", lambda *_, **__: SITE)
    assert run(monkeypatch, "deploy", "--skip", *names) == 1
    assert capfd.readouterr().err.startswith(f"deploy lab: {problem}\n  Next: ")
