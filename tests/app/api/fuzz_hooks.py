"""What schemathesis must know that a schema cannot say. Loaded through schemathesis.toml."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import schemathesis
from hypothesis import strategies as st

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ETAG_LENGTH = 34

# A deadline that has passed, and a filter that no date can meet, are other tests' business.
schemathesis.openapi.format(
    "date-time",
    st.datetimes(datetime(2050, 1, 1), datetime(9998, 12, 1), timezones=st.just(UTC))
    .flatmap(lambda at: OFFSETS.map(at.astimezone))
    .map(lambda at: at.isoformat()),
)


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """Well-formed requests that the clock or an earlier request makes wrong are made right:
    instants of answers (`created_at`) sent as deadlines, another body under a key that was used.
    """
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    headers = case.headers or {}
    if key := headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = f"{key[:200]}{uuid.uuid4()}"
    if len(headers.get("If-Match", "")) != ETAG_LENGTH and "If-Match" in headers:
        case.headers["If-Match"] = "*"  # no ETag is ever guessed: the change itself is to be tried
    if isinstance(case.body, dict) and _has_passed(case.body.get("deadline_at")):
        case.body["deadline_at"] = "2060-01-01T00:00:00Z"


def _has_passed(deadline: Any) -> bool:
    try:
        return datetime.fromisoformat(deadline) < datetime.now(UTC) + timedelta(hours=1)
    except (TypeError, ValueError):
        return False
