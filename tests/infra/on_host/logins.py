"""Try to log in to the database from here, with the agenda's own driver (its venv's Python).

In:  {"host": "198.18.112.157", "port": 3306, "database": "agenda", "user": "agenda",
      "password_file": "/etc/agenda/database_password",
      "try": [{"user", "password" or null for the right one}], "forbidden": ["CREATE TABLE ..."]}
Out: {"password": the right one, for the next machine's try,
      "tries": ["in" or "ERROR 1045"], "forbidden": [...]}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import MySQLdb

CA = "/etc/agenda/database_ca.pem"
ANOTHER_CA = "/etc/ssl/certs/ca-certificates.crt"


def outcome(
    asked: dict[str, object],
    user: str,
    password: str,
    statement: str,
    *,
    ca: str = CA,
) -> str:
    """With `ca` empty, without TLS."""
    tls = {"ssl": {"ca": ca}, "ssl_mode": "VERIFY_IDENTITY"} if ca else {"ssl_mode": "DISABLED"}
    try:
        connection = MySQLdb.connect(
            host=asked["host"],
            port=asked["port"],
            user=user,
            password=password,
            database=asked["database"],
            connect_timeout=5,
            **tls,
        )
        connection.cursor().execute(statement)
        connection.close()
    except MySQLdb.Error as error:
        return f"ERROR {error.args[0]}"
    return "in"


def main() -> None:
    asked = json.load(sys.stdin)
    right = Path(asked["password_file"]).read_text("utf-8").strip()
    tries = [
        outcome(asked, a["user"], right if a["password"] is None else a["password"], "SELECT 1")
        for a in asked["try"]
    ]
    forbidden = [outcome(asked, asked["user"], right, sql) for sql in asked["forbidden"]]
    answer = {
        "password": right,
        "tries": tries,
        "forbidden": forbidden,
        "without TLS": outcome(asked, asked["user"], right, "SELECT 1", ca=""),
        "wrong authority": outcome(asked, asked["user"], right, "SELECT 1", ca=ANOTHER_CA),
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
