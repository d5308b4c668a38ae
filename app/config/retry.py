"""A write that the database gives up, or that loses its connection, is tried again as a whole.

Several hosts write to one database, or to one of a cluster's nodes. Of two writes that meet one is
given up: by a single server at the statement, by a cluster also at COMMIT, and there in the place
of an IntegrityError too, which comes with the next try. A server that goes away takes the
transactions under way along: what was sent before COMMIT is gone, and only then that is certain.

Not to be tried again blindly, and how each is made safe: ids made inside (`given`: once for all
tries), lines in files (`if_undone`), letters (transaction.on_commit); counters go up in the
transaction that is undone with them.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, overload

from django.db import InterfaceError, OperationalError, connection, transaction

# MariaDB's numbers. It met another's write, it waited too long for one: nothing is written.
WAITED = 1205
GIVEN_UP = {1213, WAITED}
# The server is gone; and, while an answer was awaited, lost. Of a closed connection, MySQLdb's 0.
# A cluster's member that left the others says 1047: another connection leads to one that has not.
CUT_OFF = {0, 1047, 2006, 2013}
LOST = 2013
TRIES = 5
# A wait for somebody's lock may be long itself: whoever asked does not wait for five of them.
TRIED_FOR_S = 10.0
PAUSE_S = 0.02

P = ParamSpec("P")
R = TypeVar("R")
Errors = (OperationalError, InterfaceError)
# Every write that is tried again, by its name: tests try each.
RETRIED: dict[str, Callable[..., Any]] = {}


class OutcomeUnknown(OperationalError):
    """The connection was lost after COMMIT was sent, and nobody could be asked what became of it:
    look before sending it again.
    """


class _Try:
    def __init__(self) -> None:
        self.is_sent = self.is_final = False
        self.undo: list[Callable[[], object]] = []

    def make(self, write: Callable[[], Any], *, whole: bool) -> Any:
        with transaction.atomic() if whole else nullcontext():
            if whole:
                # First of all hooks: what fails from then on is no failure of the write.
                transaction.on_commit(self._end)
            result = write()
            self.is_sent = whole
        return result

    def _end(self) -> None:
        self.is_final = True

    def undone(self) -> None:
        for undo in self.undo:
            undo()


_now: ContextVar[_Try | None] = ContextVar("retry", default=None)


@overload
def retried(write: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def retried(
    *,
    whole: bool = False,
    unless: Callable[..., object] | None = None,
    given: Mapping[str, Callable[[], object]] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def retried(
    write: Any = None,
    /,
    *,
    whole: bool = False,
    unless: Callable[..., object] | None = None,
    given: Mapping[str, Callable[[], object]] | None = None,
) -> Any:
    """Decorates a write that says the same when it is said twice: one statement, or, `whole`,
    all it does in one transaction. Within another's transaction whoever began that tries it again.

    `unless`: where saying it twice would not do, it is asked, in a transaction and with the same
    arguments, when COMMIT was sent and no answer came; what it returns, unless None, is the result.
    `given`: arguments that the caller may leave out, made once for all tries, such as an id.

    Raises OutcomeUnknown when nobody can be asked; else the database's last OperationalError.
    """
    if write is None:
        return functools.partial(retried, whole=whole, unless=unless, given=given)

    @functools.wraps(write)
    def run(*args: Any, **kwargs: Any) -> Any:
        if connection.in_atomic_block:
            return _joined(functools.partial(write, *args, **kwargs), whole=whole)
        fixed = {name: make() for name, make in (given or {}).items() if kwargs.get(name) is None}
        once = functools.partial(write, *args, **kwargs | fixed)
        ask = unless and functools.partial(unless, *args, **kwargs | fixed)
        return _run(once, whole=whole, ask=ask)

    RETRIED[f"{write.__module__}.{write.__qualname__}"] = run
    return run


def _joined(write: Callable[[], Any], *, whole: bool) -> Any:
    with transaction.atomic() if whole else nullcontext():
        return write()


def _run(once: Callable[[], Any], *, whole: bool, ask: Callable[[], object] | None) -> Any:
    ends_s, is_unknown = time.monotonic() + TRIED_FOR_S, False
    for number in range(1, TRIES + 1):
        this = _Try()
        before = _now.set(this)
        try:
            if is_unknown and ask and (result := _asked(ask)) is not None:
                return result
            return this.make(once, whole=whole)
        except Errors as error:
            if this.is_final or isinstance(error, OutcomeUnknown):
                raise
            code = error.args[0] if error.args else None
            is_sent = this.is_sent if whole else code == LOST
            if code in CUT_OFF:
                connection.close()
            if code in CUT_OFF and is_sent:
                is_unknown = True
            else:
                this.undone()
            is_last = number == TRIES or time.monotonic() > ends_s
            if is_last or code not in GIVEN_UP | CUT_OFF:
                if is_unknown:
                    raise OutcomeUnknown(*error.args) from error
                raise
            time.sleep(PAUSE_S * 2**number * random.random())  # noqa: S311 - no secret
        except BaseException:
            if not this.is_final:
                this.undone()
            raise
        finally:
            _now.reset(before)
    raise AssertionError("the last try returns or raises")


def _asked(ask: Callable[[], object]) -> object:
    with transaction.atomic():
        return ask()


def nobody_knows(*_: object, **__: object) -> None:
    """For `unless`: of what leaves nothing to be found by."""
    raise OutcomeUnknown(LOST, "no answer came to COMMIT")


def if_undone(act: Callable[[], object]) -> None:
    """Have `act` done when the try under way is undone for certain; not when nobody knows."""
    this = _now.get()
    if this is not None:
        this.undo.append(act)
