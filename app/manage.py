#!/usr/bin/env python
"""Django's command line, with the agenda's settings."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

# No answer, too many connections, no such database, an account it does not let in, shutting down;
# the client's own errors are 2000 and above: https://mariadb.com/kb/en/mariadb-error-code-reference/
TURNED_AWAY = frozenset({1040, 1044, 1045, 1049, 1053, 1129, 1130, 1203})
CLIENT_ERRORS = range(2000, 3000)


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        code = error.args[0] if error.args else None
        if code not in TURNED_AWAY and code not in CLIENT_ERRORS:
            raise
        print(f"the database cannot be used: {error.args[-1]}", file=sys.stderr)
        print("  Next: see why in the database's log; then run this again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
