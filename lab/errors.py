"""Errors an operator can act on."""

from __future__ import annotations


class LabError(Exception):
    """Something failed: `problem` says what, `next_step` says what to do about it."""

    def __init__(self, problem: str, *, next_step: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.problem}\n  Next: {self.next_step}"
