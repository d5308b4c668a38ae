"""Act in a namespace of another process: no program of the container runs, and none is needed."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

CLONE_FS: Final = 0x200
CLONE_NEWNS: Final = 0x20000
CLONE_NEWNET: Final = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def inside(namespace: Path, kind: int, action: Callable[[], T]) -> T:
    """Return what `action` returns in a namespace. Raises OSError, also when it is gone.

    In a thread of its own, which stays there until it ends.
    """

    def enter_and_act() -> T:
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if kind == CLONE_NEWNS:
                checked(libc.unshare(CLONE_FS))
            checked(libc.setns(descriptor, kind))
        finally:
            os.close(descriptor)
        return action()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(enter_and_act).result()


def checked(answer: int) -> int:
    """Return what a system call answered. Raises OSError when it failed."""
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
