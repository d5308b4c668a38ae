"""The whole log of each run."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import pytest

from provision.errors import OperatorError
from provision.logs import MOST_KEPT, new_log

AT = datetime(2026, 11, 29, 15, 20, 7)


def test_a_log_is_for_its_user_alone_and_named_after_its_run(tmp_path):
    log = new_log("deploy-lab", at=AT, folder=tmp_path / "logs")
    assert log.name == "deploy-lab-20261129-152007.log"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_oldest_logs_go_and_the_new_one_stays(tmp_path):
    for number in range(MOST_KEPT + 3):
        log = new_log("deploy-lab", at=AT + timedelta(seconds=number), folder=tmp_path)
        os.utime(log, (number, number))
    log = new_log("verify-lab", at=AT, folder=tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == MOST_KEPT
    assert log in kept
    assert not (tmp_path / "deploy-lab-20261129-152007.log").exists()


def test_a_folder_that_cannot_be_written_is_said_in_two_lines(tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(OperatorError, match=r"no log can be kept in .*\n  Next: see who may write"):
        new_log("deploy-lab", at=AT, folder=tmp_path / "logs")
