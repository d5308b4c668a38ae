"""Run a program to its end: the one place where the lab starts one and waits for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


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
        with (stdin if isinstance(stdin, Path) else Path(os.devnull)).open("rb") as file:
            source: dict[str, Any] = {"input": stdin} if isinstance(stdin, str) else {"stdin": file}
            done: subprocess.CompletedProcess[str] = subprocess.run(
                words,
                check=True,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                cwd=folder,
                **source,
            )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip()
        raise CommandError(words, said or f"exit code {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(words, f"still running after {timeout_s:g} s") from error
    except FileNotFoundError as error:
        raise CommandError(words, "no such program") from error
    return done.stdout


def kill_all(find: Callable[[], Iterable[int]], *, within_s: float) -> list[int]:
    """End the processes that `find` finds until there are none; return those that do not end."""
    deadline = time.monotonic() + within_s
    while (pids := [*find()]) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return pids


def succeeds(args: Sequence[str | Path]) -> bool:
    try:
        run(args)
    except CommandError:
        return False
    return True
