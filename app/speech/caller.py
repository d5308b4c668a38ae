"""The one thread of this process that calls Google, so that no request ever has to wait for it.

A daemon thread, started by the first call (after gunicorn has forked), behind a short queue that
refuses rather than grows. Several listeners of the same words share one call.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from speech.errors import GoogleError

log = logging.getLogger(__name__)

WAITING_ROOM = 8

Call = Callable[[], bytes]


class Caller:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: queue.Queue[tuple[Hashable, Call]] = queue.Queue(WAITING_ROOM)
        self._futures: dict[Hashable, Future[bytes | None]] = {}
        self._thread: threading.Thread | None = None
        self._busy_since_s: float | None = None

    def ask(self, key: Hashable, call: Call) -> Future[bytes | None] | None:
        """Have `call` made soon, once for all who ask with the same `key`; None when too many wait.

        The future's result is the audio, or None when there is none to be had.
        """
        with self._lock:
            if key in self._futures:
                return self._futures[key]
            try:
                self._waiting.put_nowait((key, call))
            except queue.Full:
                return None
            future = self._futures[key] = Future()
            self._ensure_thread()
            return future

    def is_late(self, patience_s: float) -> bool:
        """Whether the present call has taken longer than `patience_s`: do not wait behind it."""
        since_s = self._busy_since_s
        return since_s is not None and self._clock() - since_s > patience_s

    def _ensure_thread(self) -> None:
        # Not alive also means: we are a fork of the process that started it.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="google-caller", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            key, call = self._waiting.get()
            self._busy_since_s = self._clock()
            audio = _answer(call)
            self._busy_since_s = None
            with self._lock:
                future = self._futures.pop(key)
            future.set_result(audio)


def _answer(call: Call) -> bytes | None:
    """Errors stop here, and the thread lives on: whoever waits takes another voice."""
    try:
        return call()
    except GoogleError as error:
        log.info("Google's voice: %s", error)
    except Exception:
        log.exception("Google's voice: a bug")
    return None
