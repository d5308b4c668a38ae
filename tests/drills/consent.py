"""A drill disturbs people: it asks first, and outside the lab it wants the environment's name."""

from __future__ import annotations

import argparse
import sys

from provision.arguments import Parser
from provision.errors import OperatorError


def add_arguments(parser: Parser) -> None:
    parser.add_environment(default="lab")
    parser.add_answers()
    parser.add("--keep", make="KEEP", action="store_true", help="write the result to docs/")


def ask(given: argparse.Namespace, *, drill: str, what: str) -> None:
    """Return when the drill may go on. Raises OperatorError otherwise."""
    if given.env not in {"lab", given.confirm}:
        raise OperatorError(
            f"{drill} {what} in {given.env}",
            f"if you want that, run `make {drill} ENV={given.env} CONFIRM={given.env}`",
        )
    if given.yes or given.confirm == given.env:
        return
    if not sys.stdin.isatty():
        raise OperatorError(
            f"{drill} {what}, and nobody is here to ask", f"run `make {drill} YES=1`"
        )
    if input(f"{drill} {what} in {given.env}. Go on? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise OperatorError(
            f"{drill} was not confirmed", "nothing was touched; run it again when it fits"
        )
