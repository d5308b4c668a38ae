"""No secret is where others could read it: all that the vault holds, the token, every key."""

from __future__ import annotations

import os

from tests.infra.on_host.leaks import Search
from tests.infra.secret_values import blinded, runs


def test_no_secret_of_the_vault_is_in_a_log_a_command_line_or_an_open_file(host, site, evidence):
    found = evidence.leaks(host)
    assert found["searched"] > 100
    assert found["found"] == []


def test_the_search_would_find_them(site):
    """The control: each secret, in the middle of a line."""
    secrets = runs(site.environment, os.environ)
    search = Search(blinded(secrets))
    assert len(secrets) >= 5
    for name, values in secrets.items():
        for value in values:
            assert name in set(search.names(b"x=y" + value + b" z")), name
