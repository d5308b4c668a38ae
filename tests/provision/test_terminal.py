"""What a person sees: a live table on a real terminal (a pty), plain lines in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHILD = [sys.executable, "-m", "tests.provision.child"]
SLOW = pytest.mark.fakepve(user="root@pam", password="secret", time_scale=0.05)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
UP_ONE_LINE = "\x1b[1A"


class Terminal:
    """A program on a pty of 100 columns; `text` is all it has written so far."""

    def __init__(self, *argv: str) -> None:
        ours, theirs = pty.openpty()
        variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        variables.pop("CI", None)
        self.process = subprocess.Popen(
            [*CHILD, *argv], cwd=ROOT, env=variables, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.descriptor = ours
        self.text = ""

    def read_until(self, condition, *, timeout_s=90.0):
        """Read until `condition(text)`, or until the program has ended (None: read to the end)."""
        deadline = time.monotonic() + timeout_s
        while not (condition and condition(self.text)):
            assert time.monotonic() < deadline, f"not seen in:\n{self.text}"
            if not select.select([self.descriptor], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(self.descriptor, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not piece:
                break
            self.text += piece.decode()
        return self

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def end(self) -> int:
        self.read_until(None)
        os.close(self.descriptor)
        return self.process.wait(timeout=90)

    @property
    def plain(self) -> str:
        return CONTROL.sub("", self.text)


def piped(*argv: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHILD, *argv], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=timeout_s, check=False,
    )  # fmt: skip


@SLOW
def test_apply_asks_and_draws_a_table_that_changes_in_place(cluster):
    cluster.pve.ct_secs["create"] = 20
    terminal = Terminal("apply")
    terminal.read_until(lambda text: "Apply this to lab? [y/N]" in text)
    terminal.type("y\n")

    assert terminal.end() == 0

    assert UP_ONE_LINE in terminal.text, "the table is drawn over itself"
    for host in ("web", "db"):
        assert re.search(rf"{host} +creating +\d+ s", terminal.plain)
        assert re.search(rf"✓ +{host} +ready: running", terminal.plain)
    assert re.search(r"2156 +web +created, started +running", terminal.plain)
    assert "\x1b[?25h" in terminal.text, "the cursor is shown again"


@SLOW
def test_a_failure_stands_in_the_table_with_a_cross(cluster):
    cluster.pve.fail("POST", "/lxc/2157/status/start", 500, "no more memory")
    terminal = Terminal("apply", "--yes")

    assert terminal.end() == 1

    assert re.search(r"✗ +db +failed: ", terminal.plain)
    assert re.search(r"✓ +web +ready: running", terminal.plain)


@SLOW
def test_no_on_the_terminal_changes_nothing(cluster):
    terminal = Terminal("apply")
    terminal.read_until(lambda text: "[y/N]" in text)
    terminal.type("\n")

    assert terminal.end() == 1
    assert "not confirmed, nothing was changed" in terminal.plain
    assert cluster.writes() == []


@SLOW
def test_in_a_pipe_there_are_plain_lines_on_stderr_and_the_tables_on_stdout(cluster):
    done = piped("apply", "--yes")

    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    events = done.stderr.splitlines()
    assert all(re.fullmatch(r"\[ *\d+\.\d s\] (web|db): .+", line) for line in events), events
    assert len(events) == len(set(events))
    assert re.search(r"^2156 +web +created, started +running", done.stdout, re.MULTILINE)


@SLOW
def test_status_is_watched_on_a_terminal_until_ctrl_c(cluster):
    cluster.apply()
    terminal = Terminal("status", "--watch", "0.2")
    terminal.read_until(lambda text: text.count("2156") >= 2)
    cluster.ct(2156).status = "stopped"
    terminal.read_until(lambda text: re.search(r"2156.*stopped", CONTROL.sub("", text)))
    terminal.process.send_signal(signal.SIGINT)

    assert terminal.end() == 0
    assert UP_ONE_LINE in terminal.text
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_status_is_watched_in_a_pipe_one_after_the_other(cluster, as_json):
    cluster.apply()
    command = [*CHILD, "status", "--watch", "0.1", *(["--json"] if as_json else [])]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        timer = threading.Timer(90, run.kill)
        timer.start()
        lines = [run.stdout.readline() for _ in range(7)]
        timer.cancel()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=90)

    assert (run.returncode, err) == (0, "")
    if as_json:
        assert [row["vmid"] for line in lines for row in json.loads(line)] == [2156, 2157] * 7
    else:
        assert sum(line.startswith("2156") for line in lines) >= 2
    assert "\x1b" not in "".join(lines)


def test_a_reader_that_leaves_is_no_error(cluster):
    """As `status --watch | head -1`: it ends by itself, without a traceback."""
    cluster.apply()
    command = [*CHILD, "status", "--watch", "0.1"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline().startswith("VMID")
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait(timeout=90) == 1
