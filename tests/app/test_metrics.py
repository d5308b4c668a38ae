"""What a Prometheus reads: requests by route, of all workers; no word and no name."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.app.api.served import ServedRest
from tests.app.served import ServedAgenda
from tests.bench.app import Visitor

pytestmark = pytest.mark.xdist_group("metrics")

NAME, TITLE = "marie.curie", "Polonium"
LABELS = {
    "agenda_request_seconds_bucket": {"route", "method", "status", "le"},
    "agenda_request_seconds_count": {"route", "method", "status"},
    "agenda_request_seconds_sum": {"route", "method", "status"},
    "agenda_release_info": {"name"},
    "agenda_database_up": set(),
    "agenda_forgetting_lag_seconds": set(),
}


@pytest.fixture(scope="module")
def agenda(tmp_path_factory) -> Iterator[ServedAgenda]:
    figures: Path = tmp_path_factory.mktemp("figures")
    served = ServedAgenda(environment={"PROMETHEUS_MULTIPROC_DIR": str(figures)})
    served.start()
    yield served
    served.stop()


def ask(agenda: ServedAgenda, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"{agenda.address}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def figures_of(agenda: ServedAgenda) -> dict[str, Metric]:
    return {metric.name: metric for metric in text_string_to_metric_families(read(agenda))}


def read(agenda: ServedAgenda) -> str:
    status, text = ask(agenda, "/metrics")
    assert status == 200
    return text


def counted(agenda: ServedAgenda, route: str) -> dict[tuple[str, str], float]:
    """By method and status."""
    return {
        (sample.labels["method"], sample.labels["status"]): sample.value
        for sample in figures_of(agenda)["agenda_request_seconds"].samples
        if sample.name.endswith("_count") and sample.labels["route"] == route
    }


def test_requests_of_all_workers_are_added_up_by_route(agenda):
    before = counted(agenda, "config.health.healthz").get(("GET", "200"), 0)
    for _ in range(40):
        assert ask(agenda, "/healthz")[0] == 200
    assert counted(agenda, "config.health.healthz")["GET", "200"] == before + 40


def test_no_word_name_path_or_id_is_told(agenda):
    visitor = Visitor(agenda.address)
    visitor.signs_up(NAME)
    assert visitor.ask("/agenda", {"title": TITLE, "line": TITLE})[0].status < 500
    secret = "abcdefgh12345678abcdefgh12345678"
    ask(agenda, f"/agenda/reset/{secret}/")
    ask(agenda, f"/agenda/?q={TITLE}")
    ask(agenda, f"/{NAME}", method=NAME)
    text = read(agenda)
    assert [word for word in (NAME, TITLE, secret, "reset/") if word in text] == []
    for metric in text_string_to_metric_families(text):
        for sample in metric.samples:
            assert set(sample.labels) == LABELS[sample.name]


def test_a_stranger_adds_no_more_than_one_route(agenda):
    ask(agenda, "/nothing-at-all")
    known = len(figures_of(agenda)["agenda_request_seconds"].samples)
    for number in range(30):
        assert ask(agenda, f"/nothing-{number}", method=f"X{number}" if number else "GET")[0] >= 400
    # With another method and what that is answered.
    figures = figures_of(agenda)["agenda_request_seconds"]
    assert {s.labels["method"] for s in figures.samples} <= {"GET", "POST", "other"}
    assert len(figures.samples) - known <= 2 * 10


def test_programs_routes_and_what_is_refused_before_them_are_counted(agenda):
    assert ask(agenda, "/api/v1/tasks")[0] == 401
    routes = {s.labels["route"] for s in figures_of(agenda)["agenda_request_seconds"].samples}
    assert [route for route in routes if route.startswith("api-1:")]


def test_which_release_serves_and_how_far_forgetting_lags_are_told(agenda):
    figures = figures_of(agenda)
    assert figures["agenda_release_info"].samples[0].labels == {"name": settings.RELEASE}
    assert figures["agenda_database_up"].samples[0].value == 1
    Visitor(agenda.address).signs_up("late")
    agenda.sql(
        "INSERT INTO task (id, owner_id, title, notes, deadline_at, is_private, created_at)"
        " SELECT UUID(), id, 'x', '', UTC_TIMESTAMP - INTERVAL 90 SECOND, 0, UTC_TIMESTAMP"
        " FROM account LIMIT 1"
    )
    assert figures_of(agenda)["agenda_forgetting_lag_seconds"].samples[0].value > 60


def test_a_database_that_is_away_takes_no_figure_but_its_own(agenda):
    agenda.database.kill()
    try:
        figures = figures_of(agenda)
    finally:
        agenda.database.start()
    assert figures["agenda_database_up"].samples[0].value == 0
    assert "agenda_forgetting_lag_seconds" not in figures
    assert figures["agenda_request_seconds"].samples


def test_a_rest_server_tells_the_same_with_its_small_account(tmp_path):
    rest = ServedRest(PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    try:
        rest.start()
        figures = figures_of(rest)
    finally:
        rest.stop()
    assert figures["agenda_database_up"].samples[0].value == 1
    assert {"agenda_request_seconds", "agenda_forgetting_lag_seconds"} <= figures.keys()


def test_where_nobody_reads_them_nothing_is_counted_and_there_is_no_page(client, db):
    assert not [name for name in settings.MIDDLEWARE if "metrics" in name]
    assert client.get("/metrics").status_code == 404
    assert json.loads(client.get("/readyz").content)["database"] == "ok"
