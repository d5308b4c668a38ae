"""What a change did to people is said: failures, lost writes, a command that failed."""

from __future__ import annotations

from tests.drills.during import Seen
from tests.drills.load import Outcome


def test_nothing_is_wrong_where_nobody_noticed():
    seen = Seen(3.0, 0, {"kept alive": Outcome(requests=4)}, 0)
    assert seen.wrong == []
    assert "| kept alive | 4 requests, 0 failed" in seen.table("make deploy")


def test_what_people_programs_and_the_command_saw_is_wrong_each_for_itself():
    failed = Outcome(requests=4, failures=[(1.0, "GET: HTTP 503")])
    assert Seen(3.0, 2, {"new connections": failed, "programs": Outcome()}, 1).wrong == [
        "new connections: 1 of 4 requests failed",
        "1 acknowledged writes are lost",
        "the command ended with 2",
    ]
