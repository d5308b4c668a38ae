"""Write into a container's tree without ever being led out of it.

The tree belongs to whoever has root in the container: any name in it may be a symbolic link to a
file of this machine. openat2(2) with RESOLVE_IN_ROOT treats the tree as `/`, in the kernel.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path, PurePosixPath
from typing import Final

from lab.namespaces import checked, libc

OPENAT2: Final = 437  # the same number on every architecture
RESOLVE_IN_ROOT: Final = 0x10


class Rootfs:
    """A container's tree at `root`, whose user 0 is `id_base` on this machine."""

    def __init__(self, root: Path, *, id_base: int) -> None:
        self.root = root
        self.id_base = id_base

    def _open(self, path: str, flags: int) -> int:
        how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT)
        folder = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return checked(libc.syscall(OPENAT2, folder, path.encode(), how, len(how)))
        finally:
            os.close(folder)

    def read(self, path: str) -> str:
        """Return a file's text. Raises OSError."""
        with os.fdopen(self._open(path, os.O_RDONLY | os.O_NONBLOCK)) as file:
            return file.read()

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Replace a file, owned by the container's root; its folder is made when missing."""
        pure = PurePosixPath(path)
        folder = self._folder(str(pure.parent))
        try:
            temporary = f".{pure.name}.lab"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, mode, dir_fd=folder)
            with os.fdopen(descriptor, "w") as file:
                os.fchmod(descriptor, mode)
                os.fchown(descriptor, self.id_base, self.id_base)
                file.write(text)
            os.replace(temporary, pure.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def write_if_changed(self, path: str, text: str) -> None:
        """Replace a file unless it already holds `text`."""
        # Missing, or not what we write: it is replaced.
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if self.read(path) == text:
                return
        self.write(path, text)

    def make_folder(self, path: str, *, mode: int = 0o755) -> None:
        """Make a folder and those above it, owned by the container's root."""
        os.close(self._folder(path, mode=mode))

    def _folder(self, path: str, *, mode: int = 0o755) -> int:
        """Return an open folder, made with `mode` when missing, its parents with 0755."""
        flags = os.O_PATH | os.O_DIRECTORY
        with contextlib.suppress(FileNotFoundError):
            return self._open(path, flags)
        pure = PurePosixPath(path)
        parent = self._folder(str(pure.parent))
        try:
            os.mkdir(pure.name, mode, dir_fd=parent)
            os.chown(pure.name, self.id_base, self.id_base, dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(parent)
        return self._open(path, flags)
