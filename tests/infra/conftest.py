"""Fixtures of verify. Its tests run against deployed hosts, by `python -m tests.infra` only."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.infra.evidence import Evidence
from tests.infra.remote import Connections
from tests.infra.site import Site, read_site, several

ENVIRONMENT = os.environ.get("CTLV_VERIFY", "")
QUICK = bool(os.environ.get("CTLV_VERIFY_QUICK"))
# Collected by `pytest tests` too, where there is nothing deployed to ask.
collect_ignore_glob = [] if ENVIRONMENT else ["test_*.py"]
# Without a REST server there is nothing to prove of one, and nothing that would not be proved.
if ENVIRONMENT and not read_site(ENVIRONMENT).of("rest"):
    collect_ignore_glob.append("test_rest.py")
if ENVIRONMENT and len(read_site(ENVIRONMENT).addresses_of("database")) == 1:
    collect_ignore_glob.append("test_galera.py")
# Nor of the nodes, while each service is one container.
if ENVIRONMENT and not several(read_site(ENVIRONMENT)):
    collect_ignore_glob.append("test_placement.py")
if ENVIRONMENT and not read_site(ENVIRONMENT).of("edge"):
    collect_ignore_glob.append("test_edge.py")
if ENVIRONMENT and not read_site(ENVIRONMENT).scrapers:
    collect_ignore_glob.append("test_metrics.py")
_GROUPS = {
    "host": ("containers",),
    "web": ("web",),
    "database": ("database",),
    "rest": ("rest",),
    "edge": ("edge",),
    # Whoever serves a release.
    "serving": ("web", "rest"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `web` runs once for each host of the group web, and so on."""
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", several(read_site(ENVIRONMENT)))
    for argument, groups in _GROUPS.items():
        if argument in metafunc.fixturenames:
            site = read_site(ENVIRONMENT)
            hosts = [host for group in groups for host in site.of(group)]
            metafunc.parametrize(argument, hosts, ids=[host.name for host in hosts])
    if "answering" in metafunc.fixturenames:
        hosts = read_site(ENVIRONMENT).answering_the_api
        metafunc.parametrize("answering", hosts, ids=[host.name for host in hosts])
    if "door" in metafunc.fixturenames:
        doors = read_site(ENVIRONMENT).doors
        metafunc.parametrize("door", doors, ids=[door.name for door in doors])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for a task's deadline comes last: meanwhile the others ask."""
    items.sort(key=lambda item: item.path.name in {"test_life.py", "test_api.py"})


@pytest.fixture(scope="session")
def site() -> Site:
    return read_site(ENVIRONMENT)


@pytest.fixture(scope="session")
def connections(site: Site) -> Iterator[Connections]:
    opened = Connections(site)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def evidence(
    site: Site, connections: Connections, request: pytest.FixtureRequest
) -> Iterator[Evidence]:
    modules = {item.path.stem for item in request.session.items}
    gathered = Evidence(site, connections, modules=modules, quick=QUICK)
    yield gathered
    gathered.close()


@pytest.fixture
def on(connections: Connections):
    """testinfra's view of a host."""
    return lambda host: connections.testinfra(host.name)


def not_proved(what: str, why: str) -> None:
    """Ends the test; the run then exits 3 and never passes."""
    pytest.skip(f"NOT PROVED: {what}: {why}")


@pytest.fixture
def from_2028(evidence: Evidence, site: Site) -> Evidence:
    if evidence.vantage is None:
        not_proved(
            "isolation",
            f"no vantage point on {site.networks['campus']} (verify_vantage is {site.vantage!r})",
        )
    return evidence
