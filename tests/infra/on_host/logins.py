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


def outcome(asked: dict[str, object], user: str, password: str, statement: str) -> str:
    try:
        connection = MySQLdb.connect(
            host=asked["host"],
            port=asked["port"],
            user=user,
            password=password,
            database=asked["database"],
            connect_timeout=5,
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
    json.dump({"password": right, "tries": tries, "forbidden": forbidden}, sys.stdout)


if __name__ == "__main__":
    main()
