"""What the agenda's programs may not do, tried from inside their units' own settings."""

from __future__ import annotations

import pytest

from tests.infra.on_host.attempts import ATTEMPTS

EXPOSURE_MAX = 1.5
# Every unit of ours that the hosts of a group have.
OURS = {
    "containers": {"ctlv-watch.service", "ctlv-alert@x.service"},
    "web": {"agenda-expiry.service"},
    "database": {"ctlv-backup.service"},
    "rest": {"agenda-expiry.service"},
}


def test_systemd_rates_our_units_as_safe(host, evidence):
    exposure = evidence.facts(host)["exposure"]
    assert set().union(*(OURS.get(group, set()) for group in host.groups)) <= exposure.keys()
    assert host.groups.isdisjoint({"web", "rest"}) or any(n.startswith("agenda@") for n in exposure)
    assert {name: score for name, score in exposure.items() if score > EXPOSURE_MAX} == {}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_unit_cannot(attempt, serving, evidence):
    outcomes = evidence.confinement(serving)
    units = [name for name in outcomes if name.startswith("agenda")]
    assert len(units) >= 2
    assert {
        name: outcomes[name][attempt] for name in units if outcomes[name][attempt] == "done"
    } == {}


def test_most_of_it_would_be_possible_without_the_units_settings(serving, evidence):
    """The control: where the same user may do it elsewhere, it is the unit that denies it."""
    free = evidence.confinement(serving)[""]
    denied = {name: outcome for name, outcome in free.items() if outcome != "done"}
    denied = {name: outcome for name, outcome in denied.items() if not name.startswith("connect")}
    assert len(denied) <= len(ATTEMPTS) // 4, denied


def test_the_agendas_user_reaches_the_database_and_nothing_beside_it(site, serving, evidence):
    address = site.of("database")[0].addresses["private"]
    beside = evidence.beside(serving)
    outcomes = evidence.confinement(serving)
    assert outcomes["root"][f"connect to {beside}"] == "done"  # the control: root does reach it
    for name in (unit for unit in outcomes if unit.startswith("agenda")):
        assert outcomes[name][f"connect to {address}:3306"] == "done", name
        assert outcomes[name][f"connect to {beside}"] != "done", name
