"""How often a token may ask: a bucket of requests that fills steadily. In this process only.

Counting across processes would cost a write a request; so the limit is one a process, and the
site's is at most as many times that as it has workers.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

# Tokens remembered at once; the one unused for longest is forgotten first, with a full bucket.
REMEMBERED = 10_000


class Throttle:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def forget(self) -> None:
        with self._lock:
            self._buckets.clear()

    def wait_s(self, key: Hashable, *, per_minute: int) -> int:
        """Take one request; return 0, or the whole seconds after which there is one again."""
        now_s = self._clock()
        with self._lock:
            left, since_s = self._buckets.pop(key, (float(per_minute), now_s))
            left = min(float(per_minute), left + (now_s - since_s) * per_minute / 60)
            is_allowed = left >= 1
            self._buckets[key] = (left - 1 if is_allowed else left, now_s)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        return 0 if is_allowed else max(1, math.ceil((1 - left) * 60 / per_minute))
