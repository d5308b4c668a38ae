"""Who may log in to the database, and to do what. Run on the database host as root, by its socket.

In:  {"database": "agenda", "try": [{"user", "password", "address"}]}
Out: {"accounts": {"agenda@198.18.112.156": {"*.*": ["USAGE"], "agenda.*": [...],
      "agenda.account": ["SELECT (id)", "SELECT (username)"]}}, "tries": [...]}
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict

PRIVILEGES = """
SELECT GRANTEE, '*.*', PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES UNION ALL
SELECT GRANTEE, CONCAT(TABLE_SCHEMA, '.*'), PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES
UNION ALL SELECT GRANTEE, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), PRIVILEGE_TYPE
FROM information_schema.TABLE_PRIVILEGES
UNION ALL SELECT GRANTEE, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME),
CONCAT(PRIVILEGE_TYPE, ' (', COLUMN_NAME, ')') FROM information_schema.COLUMN_PRIVILEGES
"""
# The last column: whether the password is one that no hash matches, as Debian makes root's.
PLUGINS = """
SELECT CONCAT(User, '@', Host), JSON_VALUE(Priv, '$.plugin'), JSON_VALUE(Priv, '$.account_locked'),
COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') = 'invalid' FROM mysql.global_priv
"""


def query(sql: str) -> list[list[str]]:
    shown = subprocess.run(
        ["mariadb", "-NB", "-e", sql], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    return [line.split("\t") for line in shown.splitlines()]


def accounts() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {name: {} for name, *_ in query(PLUGINS)}
    granted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for grantee, scope, privilege in query(PRIVILEGES):
        granted[grantee.replace("'", ""), scope].append(privilege)
    for (name, scope), privileges in granted.items():
        found.setdefault(name, {})[scope] = sorted(privileges)
    return found


def outcome(attempt: dict[str, str]) -> str:
    """ "in", or the server's error number."""
    ended = subprocess.run(
        [
            *("mariadb", "--no-defaults", "--protocol=tcp", "--connect-timeout=5", "-NB"),
            *("-h", attempt["address"], "-u", attempt["user"], "-e", "SELECT 1"),
        ],
        env={**os.environ, "MYSQL_PWD": attempt["password"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if ended.returncode == 0:
        return "in"
    # The client wraps the server's own number: "ERROR 2002 (HY000): ... 1130 - Host ...".
    numbers = re.findall(r"(?:ERROR |: )(\d{4})\b", ended.stderr)
    return f"ERROR {numbers[-1]}" if numbers else ended.stderr.strip()


def main() -> None:
    asked = json.load(sys.stdin)
    answer = {
        "accounts": accounts(),
        "plugins": {name: how for name, *how in query(PLUGINS)},
        "tries": [outcome(attempt) for attempt in asked["try"]],
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
