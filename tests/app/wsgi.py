"""The agenda with its static files, which nginx serves where it is deployed."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings

from config.wsgi import application as agenda


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if not path.startswith(settings.STATIC_URL):
        return agenda(environ, start)
    root = settings.STATIC_ROOT.resolve()
    file = (root / path.removeprefix(settings.STATIC_URL)).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such file\n"]
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    start("200 OK", [("Content-Type", kind), ("Cache-Control", "public, max-age=3600")])
    return [file.read_bytes()]
