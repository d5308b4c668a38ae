"""No secret-bearing path and no query string ever reaches a log."""

from __future__ import annotations

import logging
import re

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
        record.msg, record.args = message, None
        return True
