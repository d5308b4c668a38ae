"""Is anything there for `agenda_expire` to do? Its unit asks before it starts Django, which takes
ten times as long: so nothing of Django is imported here, nor what costs as much as Python itself
(pathlib, typing).

Run as a program, it exits as systemd.service(5) wants it of ExecCondition: 1 when nothing is due,
0 when something is, or when nobody can say. What is worth no run of its own (sessions, tokens,
lines that were kept long enough: nobody sees them any more) waits for the next, EVERY_S at most.
"""

# ruff: noqa: PTH109, PTH118, PTH122, PTH123 - pathlib is what is not imported
from __future__ import annotations

import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

EVERY_S = 600
# A run takes a while, and two clocks differ: what happened so long before it may be new to it.
OVERLAP_S = 60
NAME = "last-expiry.json"
TASKS_A_QUESTION = 500

# Times of the database. What stays for the site's grace is due once more at its end.
NOW = "UTC_TIMESTAMP(6)"
ROWS_DUE = f"""SELECT
   EXISTS (SELECT 1 FROM task WHERE deadline_at <= {NOW} - INTERVAL %(grace_s)d SECOND)
OR EXISTS (SELECT 1 FROM task WHERE removed_at <= {NOW} - INTERVAL %(removal_grace_s)d SECOND)
OR EXISTS (SELECT 1 FROM task WHERE deadline_at <= {NOW}
    AND deadline_at > {NOW} - INTERVAL %(since_s)d SECOND)
OR EXISTS (SELECT 1 FROM task WHERE removed_at <= {NOW} - INTERVAL %(undo_s)d SECOND
    AND removed_at > {NOW} - INTERVAL %(undo_s)d + %(since_s)d SECOND)
"""  # noqa: S608 - whole numbers, here and below
WORDS_CHANGED = f"""SELECT COUNT(*) < %(count)d
    OR COALESCE(MAX(changed_at) > {NOW} - INTERVAL %(since_s)d SECOND, 0)
FROM task WHERE removed_at IS NULL AND id IN (%(ids)s)
"""  # noqa: S608


def note(journal: Path, **told: object) -> None:
    """A run ended well: what `is_due` needs to know, and when that was (the file's own time)."""
    new = journal / f"{NAME}.new"
    new.write_text(json.dumps({"place": _place(), **told}), "utf-8")
    new.replace(journal / NAME)


def is_due(journal: str | Path) -> bool:
    """Raises whatever keeps us from knowing."""
    now_s = time.time()
    with open(os.path.join(journal, NAME), encoding="utf-8") as noted:
        age_s = now_s - os.fstat(noted.fileno()).st_mtime
        last = json.load(noted)
    if not 0 <= age_s < EVERY_S or last["place"] != _place():
        return True
    files = list(os.scandir(last["sounds"]))
    if _is_a_sound_due(files, now_s=now_s):
        return True
    spoken = set().union(*(_tasks(file.path) for file in files if file.name.endswith(".mp3")))
    return _is_due_in_database(last, sorted(spoken), since_s=int(age_s) + OVERLAP_S)


def _place() -> dict[str, str]:
    """With another release or other settings, the last run says nothing."""
    given = {name: value for name, value in os.environ.items() if name.startswith("AGENDA_")}
    return {"release": os.getcwd(), **given}


def _is_a_sound_due(files: list[os.DirEntry[str]], *, now_s: float) -> bool:
    """As speech/cache.py sweeps: its time has come, or a killed process left it."""
    locked = {file.name.removesuffix(".lock") for file in files if file.name.endswith(".lock")}
    said = {file.name.partition(".")[0] for file in files if file.name.endswith(".mp3")}
    for file in files:
        until_s = file.stat().st_mtime
        if not file.name.endswith(".mp3"):
            is_used = file.name == "google.lock" or os.path.splitext(file.name)[0] in said
            until_s = now_s + 1 if is_used else until_s + OVERLAP_S
        elif file.name.partition(".")[0] not in locked:
            return True
        if until_s <= now_s:
            return True
    return False


def _tasks(audio: str) -> set[str]:
    """Ids, which nobody but the agenda writes there; a question is made of nothing else."""
    with open(audio, "rb") as file:
        line = file.readline()
    tasks = set(json.loads(line)) if line.startswith(b"{") else set()
    if not all(task.replace("-", "").isalnum() for task in tasks):
        raise ValueError(audio)
    return tasks


def _is_due_in_database(last: Mapping[str, Any], spoken: list[str], *, since_s: int) -> bool:
    given = {**last, "since_s": since_s}
    questions = [ROWS_DUE % given] if last["erases_rows"] else []
    for begin in range(0, len(spoken), TASKS_A_QUESTION):
        some = spoken[begin : begin + TASKS_A_QUESTION]
        ids = ", ".join(f"'{task}'" for task in some)
        questions.append(WORDS_CHANGED % (given | {"count": len(some), "ids": ids}))
    if not questions:
        return False
    database = _connected(last["database"])
    return any(_says_yes(database, question) for question in questions)


def _connected(given: Mapping[str, Any]) -> Any:
    from MySQLdb import _mysql  # noqa: PLC0415 - a REST server without sounds asks nobody

    secret = {}
    if password := os.environ.get("AGENDA_DATABASE_PASSWORD_FILE", ""):
        with open(password, encoding="utf-8") as file:
            secret = {"password": file.read().strip()}
    return _mysql.connect(**given, **secret)


def _says_yes(database: Any, question: str) -> bool:
    database.query(question)
    return bool(int(database.store_result().fetch_row()[0][0]))


def main() -> int:
    try:
        return 0 if is_due(os.environ["AGENDA_ERASED_JOURNAL"]) else 1
    except Exception:  # what keeps us from knowing, agenda_expire says in its own words
        return 0


if __name__ == "__main__":
    sys.exit(main())
