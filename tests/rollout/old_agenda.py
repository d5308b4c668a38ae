"""A plausible old agenda of Django's, as its keeper would hand it over: five forms of the same."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

# pbkdf2_sha256 of "un mot de passe de 2019", by Django 2.2.
PBKDF2 = "pbkdf2_sha256$1000$salt2019$xNv0t2D6uK37tN7LZhEZmegP7E4artPhzoJ7qetXvvM="
USERS = [
    (1, PBKDF2, "Alice", "alice@example.org", 1, "2019-09-02 07:00:00.000000"),
    (2, "bcrypt$$2b$12$abcdefghijklmnopqrstuv", "bob", "", 1, "2020-01-01 00:00:00"),
    (3, PBKDF2, "élodie", "elodie@example.org", 0, "2021-03-04 05:06:07"),
    (4, PBKDF2, "two words", "", 1, "2021-03-04 05:06:07"),
]
TASKS = [
    (
        10,
        1,
        'Rendre l\'exposé; "v2" (1), c:\\tp\nfinal',
        "a\tb\r\nc",
        "2035-01-02 17:00:00",
        0,
        "high",
    ),
    (11, 1, "Fait", "", "2035-01-02 17:00:00", 1, "low"),
    (12, 1, "Vieux", "", "2020-01-02 17:00:00", 0, "low"),
    (13, 2, "Réviser 🎧", "", "2035-06-30", 0, "low"),
    (14, 3, "Sans date", "", None, 0, "low"),
    (15, 9, "De personne", "", "2035-01-02 17:00:00", 0, "low"),
    (16, 4, "D'un compte refusé", "", "2035-01-02 17:00:00", 0, "low"),
    (17, 2, "x" * 300, "long", "2035-07-01 10:00:00", 0, "low"),
]
PEOPLE = ("id", "password", "username", "email", "is_active", "date_joined")
WORK = ("id", "user_id", "title", "description", "due_date", "completed", "priority")


def _quoted(value: object, escape: dict[str, str]) -> str:
    if value is None:
        return "NULL"
    text = str(value)
    return text if isinstance(value, int) else "'" + text.translate(str.maketrans(escape)) + "'"


def mysql(folder: Path) -> Path:
    """As mysqldump writes it."""
    escape = {"'": "\\'", '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r"}
    lines = ["-- MariaDB dump 10.19  Distrib 10.5.12-MariaDB", "/*!40101 SET NAMES utf8mb4 */;"]
    for table, columns, rows in (("auth_user", PEOPLE, USERS), ("todo_task", WORK, TASKS)):
        body = "".join(f"  `{name}` varchar(254) DEFAULT NULL,\n" for name in columns)
        lines.append(f"CREATE TABLE `{table}` (\n{body}  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;")
        each = ("(" + ",".join(_quoted(v, escape) for v in row) + ")" for row in rows)
        lines.append(f"INSERT INTO `{table}` VALUES {','.join(each)};")  # noqa: S608 - nobody runs it
    return _written(folder / "mysql.sql", "\n".join(lines) + "\n")


def phpmyadmin(folder: Path) -> Path:
    lines = []
    for table, columns, rows in (("auth_user", PEOPLE, USERS), ("todo_task", WORK, TASKS)):
        named = ", ".join(f"`{name}`" for name in columns)
        each = (
            "(" + ", ".join(_quoted(v, {"'": "''", "\\": "\\\\"}) for v in r) + ")" for r in rows
        )
        lines.append(f"INSERT INTO `{table}` ({named}) VALUES\n" + ",\n".join(each) + ";")
    return _written(folder / "phpmyadmin.sql", "\n".join(lines) + "\n")


def postgresql(folder: Path) -> Path:
    def copied(value: object) -> str:
        if value is None:
            return r"\N"
        escape = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
        return str(value).translate(str.maketrans(escape))

    lines = ["SET client_encoding = 'UTF8';"]
    for table, columns, rows in (("auth_user", PEOPLE, USERS), ("todo_task", WORK, TASKS)):
        lines.append(f"COPY public.{table} ({', '.join(columns)}) FROM stdin;")
        lines += ["\t".join(map(copied, row)) for row in rows]
        lines += ["\\.", "", ""]
    return _written(folder / "postgresql.sql", "\n".join(lines))


def sqlite(folder: Path) -> Path:
    file = folder / "db.sqlite3"
    with sqlite3.connect(file) as database:
        for table, columns, rows in (("auth_user", PEOPLE, USERS), ("todo_task", WORK, TASKS)):
            database.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            marks = ", ".join("?" * len(columns))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - ours
    database.close()
    return file


def sqlite_dump(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    database = sqlite3.connect(sqlite(folder))
    text = "PRAGMA foreign_keys=OFF;\n" + "\n".join(database.iterdump()) + "\n"
    database.close()
    return _written(folder / "sqlite.sql", text)


def dumpdata(folder: Path) -> Path:
    """A key to another table loses its `_id` there."""
    objects = []
    for model, columns, rows in (("auth.user", PEOPLE, USERS), ("todo.task", WORK, TASKS)):
        names = [name.removesuffix("_id") if name != "id" else name for name in columns]
        for key, *fields in rows:
            given = dict(zip(names[1:], fields, strict=True))
            objects.append({"model": model, "pk": key, "fields": given})
    return _written(folder / "export.json", json.dumps(objects))


FORMS = (mysql, phpmyadmin, postgresql, sqlite, sqlite_dump, dumpdata)


def _written(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8", newline="")
    return file
