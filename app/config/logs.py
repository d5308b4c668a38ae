"""No secret-bearing path and no query string ever reaches a log."""

from __future__ import annotations

import logging
import re

from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError

# A single-use link, a reset link, a calendar's secret address: the token is the last part.
_SECRET_PATHS = re.compile(r"(/(?:first-admin|reset|calendar)/)[^\s/]+(?:/[^\s/]+)?")
_QUERY = re.compile(r"\?\S*")


def without_secrets(text: str) -> str:
    return _SECRET_PATHS.sub(r"\1***", text)


class WithoutSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = without_secrets(record.getMessage())
        if record.name.startswith("django"):
            message = _QUERY.sub("?***", message)
        if record.exc_info and isinstance(record.exc_info[1], OperationalError):
            message = f"{message} ({record.exc_info[1]})"  # one line, not a page for each request
            record.exc_info = None
        if record.exc_info and isinstance(record.exc_info[1], SuspiciousOperation):
            record.exc_info = None  # a stranger's mistake, as a wrong Host: its message says it all
        record.msg, record.args = message, None
        return True
