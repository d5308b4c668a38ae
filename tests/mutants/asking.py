"""Asking the tests about each mutant. pytest collects once and then forks: a child puts the mutant
in its place in memory and runs the tests concerned, at a MariaDB that was started once. Nothing on
disk is changed, so a kill leaves nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from tests.app.mariadb import PrivateMariaDB, own_folder
from tests.mutants.put import Stillborn, put

# They look at the clock on the wall: a busy machine would look like a dead mutant.
TIMED = ("within_300_ms", "within_three_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`code` in the place of module `name` (None: as it is), asked of `tests` within `limit_s`:
    of all in these files, or of those `chosen`, in that order. `is_whole`: see put. Of a module
    that is `watched` the child also tells which test runs which line.
    """

    key: str
    name: str
    code: str | None
    tests: Sequence[str]
    limit_s: float
    chosen: Sequence[str] | None = None
    is_whole: bool = False
    is_pure: bool = False
    watched: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    key: str
    is_alive: bool
    took_s: float
    why: str


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class Slot:
    """One child at a time, with a database server of its own: named locks are the server's."""

    def __init__(self) -> None:
        self.folder = own_folder()  # a run that was killed is tidied up by the next one
        self.server = PrivateMariaDB(self.folder)
        self.is_dirty = False
        self.pid = 0
        self.question: Question | None = None
        self.began = 0.0

    def start(self, *, has_database: bool) -> None:
        (self.folder / "speech").mkdir()
        if has_database:
            self.server.install()
            self.server.start()

    def ask(self, question: Question, *, session: pytest.Session) -> None:
        self.question, self.began = question, time.monotonic()
        (self.folder / "why").write_text('"it ended without a word"', "utf-8")
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._be_asked(question, session)
        self.is_dirty = False

    def _be_asked(self, question: Question, session: pytest.Session) -> None:
        """In the child: 0 when every test passed, 1 when one failed, 3 when it was not asked."""
        status = 3
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            log = os.open(self.folder / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            self._settle(session)
            if question.code is not None:
                put(question.name, question.code, is_whole=question.is_whole)
            status = self._run(session, question)
        except Stillborn as error:
            status = 1
            self._tell(str(error))
        except BaseException:
            self._tell(f"NOT ASKED: {traceback.format_exc()}")
        finally:
            os._exit(status)

    def _settle(self, session: pytest.Session) -> None:
        from django.conf import settings  # noqa: PLC0415 - set up by tests/app/conftest.py
        from django.db import connections  # noqa: PLC0415 - likewise
        from django.test import utils  # noqa: PLC0415 - likewise

        os.environ["CTLV_TESTS_MARIADB"] = str(self.folder)
        shutil.rmtree(self.folder / "speech")
        (self.folder / "speech").mkdir()
        settings.AGENDA_SPEECH_CACHE = self.folder / "speech"
        database = connections["default"]
        database.settings_dict["HOST"] = str(self.server.socket)
        session.config.option.reuse_db = True
        session.config.option.create_db = self.is_dirty
        name = f"test_{database.settings_dict['NAME']}"
        # Made by the first child that needed it, with all its tables.
        if (self.folder / "data" / name).exists() and not self.is_dirty:
            database.settings_dict["NAME"] = name
            utils.setup_databases = lambda *_given, **_named: []

    def _run(self, session: pytest.Session, question: Question) -> int:
        items = [item for item in session.items if not any(words in item.name for words in TIMED)]
        if question.chosen is None:
            place = {name: number for number, name in enumerate(question.tests)}
            items = [item for item in items if _file(item.nodeid) in place]
            items.sort(key=lambda item: place[_file(item.nodeid)])
        else:
            by_name = {item.nodeid: item for item in items}
            items = [by_name[name] for name in question.chosen]
        watch = None
        if question.watched:
            watch = Coverage(data_file=None, config_file=False, include=[str(question.watched)])
            watch.start()
        for item, following in zip(items, [*items[1:], None], strict=True):
            if watch:
                watch.switch_context(item.nodeid)
            if question.is_pure:
                self._call(item, session)
            else:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                self._tell(item.nodeid)
                return 1
        if watch:
            watch.stop()
            lines = watch.get_data().contexts_by_lineno(str(question.watched))
            (self.folder / "lines").write_text(json.dumps(lines), "utf-8")
        self._tell(f"{len(items)} tests passed")
        return 0 if items else 3

    def _call(self, item: Any, session: pytest.Session) -> None:
        """What is pure needs nothing of what pytest does around a test: that costs more than it."""
        try:
            item.obj(**(item.callspec.params if hasattr(item, "callspec") else {}))
        except Exception:
            session.testsfailed += 1

    def _tell(self, why: str) -> None:
        (self.folder / "why").write_text(json.dumps(why), "utf-8")

    def answer(self) -> Answer | None:
        """None while the child is at it."""
        assert self.question is not None
        took_s = time.monotonic() - self.began
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            if took_s < self.question.limit_s:
                return None
            self._kill()
            os.waitpid(self.pid, 0)
            self.is_dirty = True  # it may have left rows behind
            return self._end(is_alive=False, took_s=took_s, why="ran out of time")
        code = os.waitstatus_to_exitcode(status)
        why = json.loads((self.folder / "why").read_text("utf-8"))
        return self._end(is_alive=code != 1, took_s=took_s, why=why)

    def _end(self, *, is_alive: bool, took_s: float, why: str) -> Answer:
        assert self.question is not None
        self._kill()  # what the child started and left
        key, self.question = self.question.key, None
        return Answer(key=key, is_alive=is_alive, took_s=round(took_s, 2), why=why)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        if self.question is not None:
            self._kill()
        self.server.kill()


def ask_all(
    questions: Iterable[Question],
    *,
    slots: Sequence[Slot],
    session: pytest.Session,
    tell: Callable[[Answer], None],
) -> None:
    """Each question to the next free slot; `tell` hears each answer as it comes."""
    waiting = iter(questions)
    is_over = False
    while not is_over or any(slot.question for slot in slots):
        for slot in slots:
            if slot.question is not None and (answer := slot.answer()) is not None:
                tell(answer)
            if slot.question is None and not is_over:
                question = next(waiting, None)
                is_over = question is None
                if question is not None:
                    slot.ask(question, session=session)
        time.sleep(0.01)


def lines_run(
    question: Question, *, slots: Sequence[Slot], session: pytest.Session
) -> dict[int, list[str]]:
    """Line of the watched module -> the tests that run it."""
    slot = slots[0]
    (slot.folder / "lines").unlink(missing_ok=True)
    ask_all([question], slots=[slot], session=session, tell=lambda _answer: None)
    found = json.loads((slot.folder / "lines").read_text("utf-8"))
    return {int(line): tests for line, tests in found.items()}


class _Host:
    """pytest's own loop does not run; `work` does, with what was collected."""

    def __init__(self, work: Callable[[pytest.Session], None]) -> None:
        self.work = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.work(session)
        return True


def collected(tests: Sequence[str], work: Callable[[pytest.Session], None]) -> int:
    """Import the tests and what they import, then call `work`."""
    import hypothesis  # noqa: PLC0415 - slow, and only here

    hypothesis.settings.register_profile(
        "mutants", max_examples=30, derandomize=True, database=None, deadline=None
    )
    hypothesis.settings.load_profile("mutants")
    options: list[Any] = ["-q", "-q", "--no-summary", "--capture=no", "-p", "no:cacheprovider"]
    options += ["-p", "no:xdist"]
    return int(pytest.main([*options, *tests], plugins=[_Host(work)]))
