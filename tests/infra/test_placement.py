"""A lost node takes no whole service with it: as the API tells, not as the inventory says."""

from __future__ import annotations

import pytest

from provision.errors import OperatorError
from provision.placement import services, together
from tests.infra.conftest import ENVIRONMENT, not_proved
from tests.infra.site import read_cluster


@pytest.fixture(scope="session")
def cluster():
    """What is wanted, and what the API shows."""
    try:
        return read_cluster(ENVIRONMENT)
    except OperatorError as error:
        not_proved("on which nodes the containers lie", error.problem)


def test_no_service_has_all_its_containers_on_one_node(cluster, service):
    wants, actual = cluster
    members = dict(services(wants))[service]
    for member in members:
        if member.vmid in actual.unread:
            not_proved(f"where {member.host} lies", actual.unread[member.vmid])
    assert together(members, actual) is None
