"""What the drill of drift makes of what drift says: it must be able to fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.drills.drift import CHANGES, Drill

GROUPS = ("web", "database")


@pytest.fixture
def drill() -> Drill:
    return Drill(SimpleNamespace(of=lambda group: (SimpleNamespace(name=f"the {group}"),)))


def test_forty_things_are_changed_and_deploy_owns_some():
    assert len(CHANGES) >= 40
    assert len({change.named for change in CHANGES.values()}) == len(CHANGES)
    assert 10 <= sum(not change.undoes for change in CHANGES.values()) < len(CHANGES)
    assert {change.group for change in CHANGES.values()} == set(GROUPS)


def finding(where: str, line: str) -> dict[str, object]:
    return {"where": where, "what": "user", "how": ["another: uid 1", line]}


def test_a_change_is_named_by_a_line_about_its_own_host(drill):
    line = "drill-eve: uid 1000, gid 1000"
    assert drill.named([finding("the web", line)]) == {"a user"}
    assert drill.named([finding("the database", line)]) == set()
    assert drill.named([]) == set()


def test_a_task_that_would_change_something_names_it_too(drill):
    told = {"where": "the web", "what": "watch : units | Start the watch now and at boot"}
    assert drill.named([{**told, "how": []}]) == {"a timer of deploy's that is off"}
