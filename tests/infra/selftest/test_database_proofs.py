"""The proofs of the database can fail."""

from __future__ import annotations

import pytest

from tests.infra.on_host import rows
from tests.infra.test_database import is_closed_to_passwords


@pytest.mark.parametrize(
    ("how", "is_closed"),
    [
        pytest.param(["mysql_native_password", "NULL", "1"], True, id="Debian's root"),
        pytest.param(["mysql_native_password", "NULL", "0"], False, id="root with a password"),
        pytest.param(["mysql_native_password", "1", "0"], True, id="locked"),
        pytest.param(["unix_socket", "NULL", "0"], True, id="by the socket"),
    ],
)
def test_an_account_that_a_password_opens_is_seen(how, is_closed):
    assert is_closed_to_passwords(*how) is is_closed


def test_what_is_too_large_to_be_searched_is_not_called_clean(monkeypatch):
    sizes = "\t".join(["x"] * 6 + [str(rows.DUMPED_MAX_BYTES + 1)])
    monkeypatch.setattr(rows, "query", lambda _sql: sizes)
    assert rows.lines_with("agenda", "words") == -1
