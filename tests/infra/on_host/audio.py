"""Which files of the audio cache hold this sound, and when are they gone? On a web host, as root.

In:  {"cache": "/var/cache/agenda", "audio": base64}, or {"files": [...], "wait_s": 60}
Out: {"files": [...]} or {"seconds": until all were gone, or null}
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path

RECENT_S = 600


def files_with(audio: bytes, cache: Path) -> list[str]:
    since = time.time() - RECENT_S
    recent = (p for p in cache.rglob("*") if p.is_file() and p.stat().st_mtime > since)
    return [str(path) for path in recent if audio in path.read_bytes()]


def seconds_until_gone(files: list[str], wait_s: float) -> float | None:
    began = time.monotonic()
    while any(Path(name).exists() for name in files):
        if time.monotonic() - began >= wait_s:
            return None
        time.sleep(0.25)
    return round(time.monotonic() - began, 2)


def main() -> None:
    asked = json.load(sys.stdin)
    if "audio" in asked:
        answer = {"files": files_with(base64.b64decode(asked["audio"]), Path(asked["cache"]))}
    else:
        answer = {"seconds": seconds_until_gone(asked["files"], asked["wait_s"])}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
