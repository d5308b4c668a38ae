"""What the API is measured beside: the same process, settings and middleware, and a view that only
hands the same tasks to JsonResponse. Loaded by gunicorn, as `tests.bench.bare`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

from config.wsgi import application

# Read once, as a program that holds its answer ready; what is measured is the framework alone.
_ANSWER = json.loads(Path(os.environ["BENCH_ANSWER"]).read_text("utf-8"))


def bare(request: HttpRequest) -> JsonResponse:
    dumps = {"ensure_ascii": False, "separators": (",", ":")}
    return JsonResponse(_ANSWER, json_dumps_params=dumps)


urlpatterns = [path("api/v1/tasks", bare)]
settings.ROOT_URLCONF = __name__

__all__ = ["application"]
