"""When to leave Google alone. Pure.

Three failures in a row, or one refusal (429), and it is not asked for five minutes; then once, and
that answer decides. Calls come one at a time (turns.py), so "once" needs no counting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FAILURES_TO_OPEN = 3
PAUSE_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Failures in a row, and until when (seconds since 1970) Google is left alone."""

    failures: int = 0
    resumes_s: float = 0.0

    def allows(self, now_s: float) -> bool:
        """A time to resume further ahead than any pause means that the clock was set back."""
        return not now_s < self.resumes_s <= now_s + PAUSE_S

    def after_failure(self, now_s: float, *, is_refusal: bool) -> Breaker:
        failures = FAILURES_TO_OPEN if is_refusal else self.failures + 1
        if failures < FAILURES_TO_OPEN:
            return replace(self, failures=failures)
        return Breaker(failures=FAILURES_TO_OPEN, resumes_s=now_s + PAUSE_S)
