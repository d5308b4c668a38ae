"""For machines: is the process alive, can it serve."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from agenda.models import forgetting_lag
from api.services import privileges_missing
from speech import services as speech

LAG_LIMIT = timedelta(minutes=2)

Check = Callable[[], list[str]]


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Everything a user needs is there: 200, else 503; a line for each check."""
    lines = report()
    ready = all(line == "ok" for line in lines.values())
    return JsonResponse(lines, status=200 if ready else 503, json_dumps_params={"indent": 1})


def report() -> dict[str, str]:
    """What a user needs. How far forgetting lags is for operators: `agenda_health` adds it, because
    a server that could not erase must still be able to start and catch up.
    """
    checks: dict[str, Check] = {
        "database": _database,
        "migrations": _migrations,
        "speech": speech.problems,
    }
    if not settings.IS_WEB:
        checks["privileges"] = privileges_missing
    return {name: "; ".join(_safely(check)) or "ok" for name, check in checks.items()}


def forgetting() -> str:
    """Red when the oldest task that is past its time should have been erased two minutes ago."""
    return "; ".join(_safely(_forgetting)) or "ok"


def _forgetting() -> list[str]:
    lag = forgetting_lag(at=timezone.now())
    return [f"erasing lags by {int(lag.total_seconds())} s"] if lag > LAG_LIMIT else []


def _safely(check: Check) -> list[str]:
    try:
        return check()
    except DatabaseError as error:
        # The driver's message names host and account, never the password.
        return [f"database: {error}"]


def _database() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return []


def _migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"not applied: {migration}" for migration, _ in pending]
