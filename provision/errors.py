"""Errors an operator can act on. Each says what is wrong and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class OperatorError(Exception):
    """Something failed; `problem` says what, `next_step` says what to do about it: two lines."""

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.problem}\n  Next: {self.next_step}"


@contextmanager
def failing_as(program: str) -> Iterator[None]:
    """An expected failure in here ends this process: two lines on stderr, and 1."""
    try:
        yield
    except OperatorError as error:
        sys.exit(f"{program}: {error}")


class PlanError(OperatorError):
    """The inventory asks for something that cannot be planned safely."""


class UnreachableError(OperatorError):
    """The API cannot be reached, or our CA has not signed its certificate. Nothing was changed."""


class UnknownOutcomeError(OperatorError):
    """A write was sent and no answer came: only reading again tells whether it happened."""


class ApiError(OperatorError):
    """The API refused a call.

    `message` is its own text, `status` the HTTP status, `fields` its remarks on single parameters.
    """

    def __init__(
        self, problem: str, *, next_step: str, status: int, message: str, fields: Sequence[str] = ()
    ) -> None:
        super().__init__(problem, next_step)
        self.status = status
        self.message = message
        self.fields = tuple(fields)

    @property
    def text(self) -> str:
        """Everything the server said, for looking up known sentences."""
        return " ".join((self.message, *self.fields))


class TaskError(OperatorError):
    """A Proxmox task did not end well, or not in time. `exit_status` is None when it still runs."""

    def __init__(self, problem: str, *, next_step: str, exit_status: str | None) -> None:
        super().__init__(problem, next_step)
        self.exit_status = exit_status


class InterruptionError(OperatorError):
    """The operator pressed Ctrl-C: every thread stops where it next would have waited."""
