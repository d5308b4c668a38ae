"""Erase all that is past its time, as the timer does, and print how long it took.

Without Django's start, which the mariadb client it is compared with does not have either.
"""

from __future__ import annotations

import json
import time

import django

django.setup()

from django.utils import timezone  # noqa: E402 - Django is set up just above

from agenda.forgetting import tasks_forget  # noqa: E402 - likewise

started_s = time.perf_counter()
forgotten = tasks_forget(at=timezone.now())
print(json.dumps({"tasks": forgotten.tasks, "seconds": time.perf_counter() - started_s}))
