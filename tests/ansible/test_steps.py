"""What a person sees of a playbook, and what its log holds: real runs on this machine."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import indent

import pytest

ROOT = Path(__file__).parents[2]
SECRET = "hunter2"
HEAD = """
- name: {name}
  hosts: {hosts}
  gather_facts: false
  tasks:
"""


class Run:
    """One playbook: how it ended, what the screen showed, and what its log holds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "whole.log"
        self.log.touch(mode=0o600)
        # ansible.cfg names it below the folder that Ansible is run in.
        client = folder / "ansible/vault-client"
        client.parent.mkdir()
        client.write_text("#!/bin/sh\necho none\n")
        client.chmod(0o755)
        self.status, self.screen = -1, ""

    def command(self) -> list[str]:
        program = str(Path(sys.executable).parent / "ansible-playbook")
        (self.folder / "hosts").write_text(
            f"here ansible_connection=local ansible_python_interpreter={sys.executable}\n"
            "away ansible_host=127.0.0.1 ansible_port=1\n"
        )
        return [program, "--inventory", str(self.folder / "hosts"), str(self.folder / "play.yml")]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME")}
        config = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
        told = {**kept, **config, "ANSIBLE_LOG_PATH": str(self.log), **more}
        return {name: value for name, value in told.items() if value}

    def pipe(self, *plays: str, **more: str) -> Run:
        (self.folder / "play.yml").write_text("".join(plays))
        ended = subprocess.run(
            self.command(),
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        self.status, self.screen = ended.returncode, ended.stdout
        return self

    def terminal(self, *plays: str, interrupt_at: str = "", typed: bytes = b"") -> Run:
        """On a terminal; Ctrl-C once the screen has shown `interrupt_at`."""
        (self.folder / "play.yml").write_text("".join(plays))
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            ["setsid", "--ctty", *self.command()],
            cwd=self.folder,
            env=self.environment(TERM="xterm"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as run:
            os.close(theirs)
            limit = threading.Timer(120, run.kill)
            limit.start()
            shown = b""
            while part := self._read(ours):
                shown += part
                if interrupt_at and interrupt_at.encode() in shown:
                    interrupt_at = ""
                    os.write(ours, b"\x03")
                if typed and b"[Press enter" in shown:
                    time.sleep(1.5)
                    os.write(ours, typed)
                    typed = b""
            limit.cancel()
        os.close(ours)
        self.status, self.screen = run.returncode, shown.decode()
        return self

    @staticmethod
    def _read(descriptor: int) -> bytes:
        try:
            return os.read(descriptor, 4096)
        except OSError:  # the other side has ended
            return b""

    def lines(self) -> list[str]:
        """What stays on the screen: progress is written over."""
        shown = re.sub(r"\x1b\[[0-9;]*m", "", self.screen).replace("\r\n", "\n")
        return [
            line.rpartition("\x1b[K")[2].rpartition("\r")[2]
            for line in shown.rstrip("\n").split("\n")
        ]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def play(*tasks: str, name: str = "Configure it", hosts: str = "here") -> str:
    return HEAD.format(name=name, hosts=hosts) + indent("\n".join(tasks), "    ") + "\n"


def task(name: str, action: str, *more: str) -> str:
    return "\n  ".join([f"- name: {name}", action, *more])


QUIET = task("Look at it", "ansible.builtin.debug: {msg: only in the log}")
CHANGE = task("Write it", "ansible.builtin.command: 'true'")
FAIL = task("Break it", "ansible.builtin.fail: {msg: it is broken}")


def test_a_pipe_shows_changes_and_the_log_has_all(run):
    run.pipe(play(QUIET, CHANGE))
    assert run.status == 0
    assert run.lines()[0] == "changed: [here] Write it"
    assert run.lines()[1].startswith("here : ok=2 changed=1 unreachable=0 failures=0 ")
    assert re.fullmatch(r"tasks: 2 in \d+ s; the whole log: whole\.log", run.lines()[2])
    kept = run.log.read_text()
    assert "TASK [Look at it]" in kept
    assert "only in the log" in kept
    assert re.search(r"\d+\.\d\d s  Write it\n", kept), "no timings"


def test_a_terminal_shows_one_line_a_play_and_progress_while_it_runs(run):
    run.terminal(play(QUIET, CHANGE), play(QUIET, name="Prove it"))
    assert [re.sub(r"\d+ s$", "n s", line) for line in run.lines()[:2]] == [
        "✓ [1/2] Configure it: 2 done, 1 changed, n s",
        "✓ [2/2] Prove it: 1 done, n s",
    ]
    assert "[1/2] Configure it: task 2, " in run.screen


@pytest.mark.parametrize("way", ["pipe", "terminal"])
def test_a_failure_says_why_and_names_the_log(run, way):
    getattr(run, way)(play(QUIET, FAIL))
    assert run.status == 2
    at = run.lines().index("failed: [here] Break it")
    assert run.lines()[at + 1 : at + 3] == [
        "    it is broken",
        "  Next: the whole log is whole.log",
    ]
    assert "TASK" not in run.screen


def test_a_failing_command_shows_what_it_said_last(run):
    failing = "ansible.builtin.command: sh -c 'seq 90; echo no disk >&2; exit {{ item }}'"
    run.pipe(play(task("Fill it", failing, "loop: [0, 3]")))
    at = run.lines().index("failed: [here] Fill it")
    shown = run.lines()[at + 1 :]
    assert len(shown[: shown.index("  Next: the whole log is whole.log")]) == 20
    assert "    90" in shown


def test_a_rescued_failure_is_not_a_failure_of_the_run(run):
    rescued = [
        "- name: Try it",
        "  block:",
        "    - ansible.builtin.include_tasks: inner.yml",
        "  rescue:",
        "    - name: Mend it",
        "      ansible.builtin.debug: {msg: mended}",
    ]
    (run.folder / "inner.yml").write_text(f"{FAIL}\n")
    run.terminal(play(*rescued))
    assert run.status == 0
    assert "rescued: [here] Break it" in run.lines()
    assert not [line for line in run.lines() if line.startswith(("failed", "[ERROR]", "✗"))]
    assert "it is broken" in run.log.read_text()


def test_a_failure_of_the_rescue_itself_is_one(run):
    mend = FAIL.replace("Break it", "Mend it")
    tried = ["  block:", indent(FAIL, "    "), "  rescue:", indent(mend, "    ")]
    run.pipe(play("- name: Try it", *tried))
    assert run.status == 2
    assert [line for line in run.lines() if line.startswith(("rescued", "failed"))] == [
        "rescued: [here] Break it",
        "failed: [here] Mend it",
    ]


def test_a_failure_that_is_ignored_is_in_the_log_alone(run):
    run.pipe(play(task("Break it", "ansible.builtin.fail: {msg: x}", "ignore_errors: true")))
    assert run.status == 0
    assert len(run.lines()) == 2
    assert "...ignoring" in run.log.read_text()


def test_a_host_that_does_not_answer_is_said(run):
    ping = task("Reach it", "ansible.builtin.ping:")
    run.pipe(play(ping, hosts="away"))
    at = run.lines().index("unreachable: [away] Reach it")
    assert "refused" in run.lines()[at + 1]
    assert "  Next: the whole log is whole.log" in run.lines()


SECRETS = [
    task("One", f"ansible.builtin.fail: {{msg: {SECRET}}}", "no_log: true", "ignore_errors: true"),
    task(
        "Two",
        f"ansible.builtin.debug: {{msg: '{SECRET} {{{{ nope }}}}'}}",
        *("no_log: true", "ignore_errors: true"),
    ),
    task(
        "Three", f"ansible.builtin.debug: {{msg: \"{{{{ '{SECRET}' | bool }}}}\"}}", "no_log: true"
    ),
    task(
        "Four",
        "ansible.builtin.command: 'echo {{ item }}'",
        *(f"loop: [{SECRET}]", "no_log: true"),
    ),
    task("Five", "ansible.builtin.fail: {msg: '{{ item }}'}", f"loop: [{SECRET}]", "no_log: true"),
]


@pytest.mark.parametrize("more", [{}, {"CTLV_VERBOSE": "1"}, {"ANSIBLE_LOG_PATH": ""}])
def test_a_secret_is_neither_on_the_screen_nor_in_the_log(run, more):
    """Ansible 2.19 quotes the source, the value and the message of a no_log task that fails."""
    run.pipe(play(*SECRETS), **more)
    assert run.status == 2
    assert SECRET not in run.screen
    assert SECRET not in run.log.read_text()
    assert "a task with a secret warned of something\nOrigin: " in run.screen
    if not more:
        assert "    it carries a secret: what it said is not shown (no_log)" in run.lines()


@pytest.mark.parametrize("more", [{"CTLV_VERBOSE": "1"}, {"ANSIBLE_LOG_PATH": ""}])
def test_all_is_shown_when_asked_for_and_where_no_log_is_kept(run, more):
    run.pipe(play(QUIET), **more)
    assert "TASK [Look at it]" in run.screen
    assert "only in the log" in run.screen
    assert "PLAY RECAP" in run.screen


def test_ctrl_c_ends_it_on_a_line_of_its_own(run):
    run.terminal(
        play(task("Wait", "ansible.builtin.command: sleep 60")), interrupt_at="task 1, 2 s"
    )
    assert run.status != 0
    assert any(line.startswith("[ERROR]: User interrupted") for line in run.lines()), run.lines()


def test_progress_stays_away_from_a_question(run):
    ask = task("Ask", "ansible.builtin.pause: {prompt: 'Sure? [Press enter]'}")
    run.terminal(play(ask, CHANGE), typed=b"\r")
    assert run.status == 0
    question = run.screen.partition("[Press enter]")[2].partition("task 2")[0]
    assert "task 1" not in question
