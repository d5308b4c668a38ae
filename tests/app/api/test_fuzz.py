"""schemathesis, every check and the links between operations, against a server that runs.

By hand, with as many examples as you like: `python -m tests.app.api.fuzz 300` (docs/rest.md keeps
the last figures).
"""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from tests.app.api.fuzz import fuzz

EXAMPLES = 8


def test_no_token_stands_among_the_words_of_a_command(monkeypatch):
    """Every user of the machine reads those."""
    given = []
    ended = subprocess.CompletedProcess("", 0, "", "")
    monkeypatch.setattr(subprocess, "run", lambda words, **_: given.append(words) or ended)
    server = SimpleNamespace(address="http://127.0.0.1:1", token_of=lambda _: "ctlv_secret")
    fuzz(server, examples=1, seed=1)
    assert given
    assert "ctlv_secret" not in " ".join(given[0])


@pytest.mark.xdist_group("rest")
@pytest.mark.timeout(600)
def test_schemathesis_finds_nothing(rest):
    found = fuzz(rest, examples=EXAMPLES, seed=20261124)
    assert found.failures == [], found.report
    # That it looked: every operation, and no answer that only said who are you.
    assert found.operations == found.tested >= 15
    assert found.cases > 300
    assert "401 Unauthorized" not in found.report
