"""setup/step: a quiet step is one line, and its whole log is kept."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

STEP = Path(__file__).parents[1] / "setup/step"


def step(folder: Path, *words: str, verbose: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [STEP, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "VERBOSE": verbose},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_quiet_step_is_one_line_and_keeps_the_rest(tmp_path):
    done = step(tmp_path, "--quiet", "2/6 lab", "echo", "said")
    assert re.fullmatch(r"==> 2/6 lab: done in \d s\n", done.stdout)
    (log,) = (tmp_path / "build/logs").iterdir()
    assert log.name.startswith("up-2-6-lab-")
    assert (log.read_text(), log.stat().st_mode & 0o777) == ("said\n", 0o600)


def test_a_quiet_step_that_fails_says_its_last_lines_and_where_the_rest_is(tmp_path):
    done = step(tmp_path, "--quiet", "lab", "sh", "-c", "seq 1 50; echo why >&2; exit 3")
    assert (done.returncode, done.stdout) == (3, "")
    assert "\n49\n50\nwhy\n==> lab: failed after " in done.stderr
    assert "\n30\n" not in done.stderr
    (log,) = (tmp_path / "build/logs").iterdir()
    assert done.stderr.endswith(f"  Next: the whole log is build/logs/{log.name}\n")


@pytest.mark.parametrize(("words", "verbose"), [((), ""), (("--quiet",), "1")])
def test_a_step_that_asks_or_is_to_say_all_is_shown(tmp_path, words, verbose):
    done = step(tmp_path, *words, "lab", "echo", "said", verbose=verbose)
    assert re.fullmatch(r"\n==> lab\nsaid\n==> lab: done in \d s\n", done.stdout)
    assert not (tmp_path / "build").exists()


def test_a_terminal_shows_the_last_line_while_it_works(tmp_path):
    ours, theirs = pty.openpty()
    command = [STEP, "--quiet", "lab", "sh", "-c", "echo unpacking; sleep 2.5"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=theirs) as run:
        os.close(theirs)
        run.wait(30)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert "==> lab: 1 s  unpacking" in shown
    assert shown.endswith("\r\x1b[K==> lab: done in 2 s\r\n") or "done in 3 s" in shown


def test_what_is_not_proved_is_no_failure_and_called_by_its_name(tmp_path):
    done = step(tmp_path, "6/6 verify", "sh", "-c", "exit 3")
    assert (done.returncode, done.stderr) == (3, "")
    assert "==> 6/6 verify: not proved, in " in done.stdout
