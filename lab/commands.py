"""Run a program to its end: the one place where the lab starts one and waits for it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class CommandError(Exception):
    """A program ended badly or not in time. `reason` is what it said on stderr, shortened."""

    def __init__(self, args: Sequence[str], reason: str) -> None:
        super().__init__(f"{args[0]}: {reason}")
        self.reason = reason


def run(
    args: Sequence[str | Path],
    *,
    timeout_s: float = 30.0,
    stdin: str | Path | None = None,
    folder: Path | None = None,
) -> str:
    """Return what `args` printed on stdout. Raises CommandError with the program's own words.

    `stdin` is text, or a file; `folder` is where the program runs.
    """
    words = [str(arg) for arg in args]
    try:
        with _input(stdin) as source:
            done = subprocess.run(
                words,
                check=True,
                stdin=source,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                cwd=folder,
            )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip()
        raise CommandError(words, said or f"exit code {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(words, f"still running after {timeout_s:g} s") from error
    except FileNotFoundError as error:
        raise CommandError(words, "no such program") from error
    return done.stdout


@contextmanager
def _input(stdin: str | Path | None) -> Iterator[IO[bytes]]:
    if isinstance(stdin, str):
        with tempfile.TemporaryFile() as file:
            file.write(stdin.encode())
            file.seek(0)
            yield file
    else:
        with (stdin or Path(os.devnull)).open("rb") as file:
            yield file


def succeeds(args: Sequence[str | Path], *, timeout_s: float = 30.0) -> bool:
    try:
        run(args, timeout_s=timeout_s)
    except CommandError:
        return False
    return True
