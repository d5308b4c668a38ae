"""schemathesis, every check and the links between operations, against a server that runs.

By hand, with as many examples as you like: `python -m tests.app.api.fuzz 300` (docs/rest.md keeps
the last figures).
"""

from __future__ import annotations

import pytest

from tests.app.api.fuzz import fuzz

EXAMPLES = 8


@pytest.mark.xdist_group("rest")
@pytest.mark.timeout(600)
def test_schemathesis_finds_nothing(rest):
    found = fuzz(rest, examples=EXAMPLES, seed=20261124)
    assert found.failures == [], found.report
    # That it looked: every operation, and no answer that only said who are you.
    assert found.operations == found.tested >= 15
    assert found.cases > 300
    assert "401 Unauthorized" not in found.report
