"""For all tests."""

from __future__ import annotations

import pytest
from _pytest.nodeid import coerce_node_id
from hypothesis import settings

# A busy machine is no reason to fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """xdist 3.8 writes a test's group into `_nodeid`, which pytest 9.2 reads no more: what one
    worker was to make once, a server or an authority, each made for itself.
    """
    for item in items:
        if grouped := getattr(item, "_nodeid", None):
            item._id = coerce_node_id(grouped)
