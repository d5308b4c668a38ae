"""A lost node takes no whole service with it: as the API tells, not as the inventory says."""

from __future__ import annotations

import pytest

from provision.actual import read
from provision.credentials import endpoint
from provision.credentials import site as access
from provision.desired import desired
from provision.environment import ROOT
from provision.errors import OperatorError
from provision.inventory import load
from provision.placement import services, together
from provision.proxmox import Proxmox
from tests.infra.conftest import ENVIRONMENT, not_proved

RETRY_S = 5.0


@pytest.fixture(scope="session")
def cluster():
    """What is wanted, and what the API shows."""
    try:
        wants = desired(load(ENVIRONMENT, root=ROOT))
        api = Proxmox(endpoint(wants, access(ENVIRONMENT, root=ROOT)), retry_for_s=RETRY_S)
        return wants, read(api, wants)
    except OperatorError as error:
        not_proved("on which nodes the containers lie", error.problem)


def test_no_service_has_all_its_containers_on_one_node(cluster, service):
    wants, actual = cluster
    members = dict(services(wants))[service]
    for member in members:
        if member.vmid in actual.unread:
            not_proved(f"where {member.host} lies", actual.unread[member.vmid])
    assert together(members, actual) is None
