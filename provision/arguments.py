"""The command line of the operator's programs: flags, and behind them what `make` was given.

The Makefile hands its variables on in the environment, as they were typed: to make and to the shell
they are never a word of theirs. Only here are they read; a flag on the command line wins.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from provision.errors import OperatorError, failing_as


def called_by_make() -> bool:
    return "MAKELEVEL" in os.environ


def given(variable: str) -> str | None:
    """What stands behind make as `variable`, None when nothing does.

    Without make, a NAME or HOST in the environment is what a shell exports for everybody.
    """
    if not called_by_make():
        return None
    return os.environ.get(variable, "").strip() or None


class Parser(argparse.ArgumentParser):
    """Wrong usage is a failure like any other: two lines and 1, for 2 means "changes pending"."""

    def __init__(self, *, next_step: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self.program = self.prog.removeprefix("python -m ")
        self.next_step = next_step or f"python -m {self.program} --help"
        self.variables: dict[str, str] = {}

    def add(self, name: str, *, make: str = "", **settings: Any) -> None:
        """Add an argument that a variable of make sets too: `make`, or the one of its name."""
        make = make or name.lstrip("-").upper()
        if called_by_make():
            shown = name if name.startswith("-") else settings.get("metavar", name)
            self.variables[shown] = f"{make}="
        text = given(make)
        if text is not None and settings.get("action") == "store_true":
            settings["default"] = True
        elif text is not None and (settings.get("nargs"), settings.get("action")) == (None, None):
            settings["default"] = text
            settings |= {"required": False} if name.startswith("-") else {"nargs": "?"}
        elif text is not None:
            settings["default"] = text.split()
        self.add_argument(name, **settings)

    def add_environment(self, **settings: Any) -> None:
        self.add("--env", make="ENV", help="a folder of inventory/", **settings)

    def add_answers(self) -> None:
        self.add("--yes", action="store_true", help="do not ask")
        self.add("--confirm", default="", help="what destroys outside the lab: its name")

    def error(self, message: str) -> NoReturn:
        missing = re.fullmatch(r"(the following arguments are required: )(.*)", message)
        wrong = re.fullmatch(r"argument (\S+): (is '.*)?(.*)", message, flags=re.DOTALL)
        if missing:
            names = [self.variables.get(name, name) for name in missing[2].split(", ")]
            message = missing[1] + ", ".join(names)
        elif wrong:
            name = self.variables.get(wrong[1], wrong[1])
            message = f"{name} {wrong[2]}" if wrong[2] else f"{name}: {wrong[3]}"
        raise OperatorError(message, next_step=self.next_step)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        found = super().parse_args(args, namespace)
        # What make was given is for the program that it starts, not for those that this one starts.
        os.environ.pop("MAKELEVEL", None)
        return found

    def parse(self) -> argparse.Namespace:
        """The command line of this process; wrong usage ends it."""
        with failing_as(self.program):
            return self.parse_args()


def one_of(*words: str) -> Callable[[str], str]:
    """A type of argument. Unlike `choices` it also looks at what make was given."""

    def check(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"is '{text}', none of {', '.join(words)}")
        return text

    return check


def whole(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """A type of argument: a whole number within these."""
    limits = f"from {lowest} " + (f"to {highest}" if highest else "on")

    def check(text: str) -> int:
        is_number = text.isascii() and text.isdigit()
        if not is_number or not lowest <= int(text) <= (highest or int(text)):
            raise argparse.ArgumentTypeError(f"is '{text}', not a whole number {limits}")
        return int(text)

    return check
