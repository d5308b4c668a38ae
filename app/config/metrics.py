"""What a Prometheus reads of a process that serves: counts and durations, never a word or a name.

Only where PROMETHEUS_MULTIPROC_DIR names a folder (the library's own switch): all workers write
their figures there, and whichever is asked adds them up. nginx says who may ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, Histogram, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from agenda.models import forgetting_lag

Next = Callable[[HttpRequest], HttpResponse]

PATH = "/metrics"
# What a stranger writes in their place is one label more, not one each.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

SECONDS = Histogram(
    "agenda_request_seconds",
    "Requests by route",
    ["route", "method", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)


class MetricsMiddleware:
    """Outermost: what others refuse is counted, and the page needs neither session nor user."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == PATH:
            return page()
        began_s = time.perf_counter()
        response = self.get_response(request)
        lasted_s = time.perf_counter() - began_s
        # The pattern that fitted, not the path: that may hold an id or a secret.
        match = request.resolver_match
        route = match.view_name if match else ""
        method = str(request.method) if request.method in METHODS else "other"
        SECONDS.labels(route, method, str(response.status_code)).observe(lasted_s)
        return response


def page() -> HttpResponse:
    registry = CollectorRegistry(auto_describe=True)
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(AskedNow())
    response = HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    response.headers["Cache-Control"] = "no-store"
    return response


class AskedNow:
    """What is known only when somebody asks."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("agenda_release", "Which serves", {"name": settings.RELEASE})
        try:
            lag_s = forgetting_lag(at=timezone.now()).total_seconds()
        except DatabaseError:
            yield GaugeMetricFamily("agenda_database_up", "Whether it answers", 0)
            return
        yield GaugeMetricFamily("agenda_database_up", "Whether it answers", 1)
        yield GaugeMetricFamily(
            "agenda_forgetting_lag_seconds", "How long the oldest waits to be erased", lag_s
        )
