"""`make logs`: all hosts by time, whatever clock each line was written by."""

from __future__ import annotations

import subprocess
from argparse import Namespace
from datetime import UTC, datetime

import pytest

from provision.errors import OperatorError
from rollout import logs

WEB = """+0100
1764500000.250000 gunicorn[12]: first
1764500003.000000 agenda[7]: Traceback
  File "x.py"
access 192.0.2.1 [2025-11-30T11:53:22+01:00] "GET /agenda HTTP/1.1" 200 12 0.004
error 2025/11/30 11:53:21 [alert] 9#9: worker exited
"""
DATABASE = """-0330
1764500000.100000 mariadbd[3]: ready
1764500002.500000 mariadbd[3]: later
"""
TOLD = {"ct-x-web": WEB, "ct-x-database": DATABASE}


def test_lines_of_all_hosts_stand_in_the_order_in_which_they_were_said():
    assert [line.split("Z ", 1)[1] for line in logs.merged(TOLD, lines=99)] == [
        "database mariadbd[3]: ready",
        "web      gunicorn[12]: first",
        "web      nginx: [alert] 9#9: worker exited",
        'web      nginx: 192.0.2.1 "GET /agenda HTTP/1.1" 200 12 0.004',
        "database mariadbd[3]: later",
        "web      agenda[7]: Traceback",
        'web        File "x.py"',
    ]


def test_the_last_lines_are_shown_and_none_from_before_the_moment():
    assert [line[:20] for line in logs.merged(TOLD, lines=2)] == ["2025-11-30 10:53:23Z"] * 2
    since = datetime(2025, 11, 30, 10, 53, 22, tzinfo=UTC)
    assert len(logs.merged(TOLD, lines=99, since=since)) == 4
    assert logs.merged({}, lines=9) == []


class Site:
    def __init__(self, code=0):
        self.code = code

    def run(self, host, *_command, check):
        assert check is False
        code, text = {"web": (0, WEB), "down": (255, "")}.get(host, (self.code, ""))
        return Namespace(returncode=code, stdout=text, stderr="ssh: no route")


def test_a_host_that_is_down_hides_nothing_of_the_others(capsys):
    told = logs.tell(Site(), ["web", "down"], since="", lines=9)
    assert told == {"web": WEB, "down": "+0000\n"}
    assert capsys.readouterr().err == "down says nothing: ssh: no route\n"
    assert logs.merged(told, lines=1)


def test_what_is_no_moment_is_said_in_two_lines():
    with pytest.raises(OperatorError, match="is no moment\n  Next: give SINCE=") as refused:
        logs.tell(Site(code=3), ["rest"], since="yestermorn", lines=9)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(("since", "code"), [("", 0), ("10 min ago", 0), ("yestermorn", 3)])
def test_a_host_is_asked_by_programs_that_it_has(tmp_path, since, code):
    (tmp_path / "journalctl").write_text('#!/bin/sh\necho "1764500000.100000 x: $*"\n')
    (tmp_path / "journalctl").chmod(0o755)
    ended = subprocess.run(
        ["sh", "-c", logs.TELL, "sh", since, "7", "--unit", "agenda*"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == code
    if not code:
        (_, _, words), *_ = logs.read("web", ended.stdout)
        assert "--lines=7" in words
        assert words.endswith("--unit agenda*")
        assert ("--since=@" in words) is bool(since)
