"""Archives whose content alone decides their bytes, and whose last file says that all is there."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

LAST = ".complete"
# Not 0: zip, and so Python's own tools, know no time before 1980.
LONG_AGO_S = 315_619_200


def write_archive(source: Path, target: Path, *, links: Sequence[tuple[str, str]] = ()) -> None:
    """Pack everything below `source`, and symlinks (name, to), into `target` (tar.gz).

    Owner, times and order are fixed; `.complete` comes last: an unpacking that was interrupted
    lacks it. The archive appears under its name only when it is whole.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    with (
        unfinished.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=6, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(source.rglob("*")):
            archive.add(path, path.relative_to(source), recursive=False, filter=_anonymous)
        for name, to in links:
            archive.addfile(_link(name, to))
        archive.addfile(_anonymous(tarfile.TarInfo(LAST)), io.BytesIO())
    unfinished.replace(target)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = LONG_AGO_S
    if not member.issym():
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _link(name: str, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.SYMTYPE
    member.linkname = to
    return _anonymous(member)
