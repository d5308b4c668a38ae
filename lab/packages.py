"""Where this machine gets its Debian packages, read from its own configuration."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from lab.commands import run

POCKETS = ("", "-updates", "-security")


@dataclass(frozen=True, slots=True)
class Source:
    """One repository with Debian's own packages."""

    uri: str
    suite: str

    def line(self) -> str:
        return f"deb {self.uri} {self.suite} main"


def machine_codename() -> str:
    """Return the Debian release of this machine, such as `bookworm`; empty when not Debian."""
    try:
        fields = platform.freedesktop_os_release()
    except OSError:
        return ""
    return fields.get("VERSION_CODENAME", "") if fields["ID"] == "debian" else ""


@cache
def debian_sources(release: str) -> tuple[Source, ...]:
    """Return this machine's Debian repositories, with its own release replaced by `release`."""
    wanted = ["Created-By: Packages", "Component: main", "Origin: Debian"]
    told = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", *wanted])
    return translate(told, own=machine_codename(), release=release)


def translate(told: str, *, own: str, release: str) -> tuple[Source, ...]:
    """Return, of lines `URI CODENAME`, `own` and its pockets, said of `release`, each once."""
    suites = {own + pocket: release + pocket for pocket in POCKETS}
    pairs = (line.rsplit(" ", 1) for line in told.splitlines())
    found = [(mirror_uri(uri.rstrip("/")), suites[name]) for uri, name in pairs if name in suites]
    return tuple(Source(uri, suite) for uri, suite in dict.fromkeys(found))


def mirror_uri(uri: str) -> str:
    """Return `uri`, or the first mirror of a `mirror+file:` list, as cloud images have it."""
    scheme, _, path = uri.partition(":")
    if scheme != "mirror+file":
        return uri
    listed = Path("/" + path.lstrip("/")).read_text().split()
    return next(word for word in listed if word.startswith(("http://", "https://")))


def package_hosts(sources: Iterable[Source]) -> tuple[str, ...]:
    hosts = (urlsplit(source.uri).hostname for source in sources)
    return tuple(sorted({host for host in hosts if host}))


def machine_proxy() -> str | None:
    """Return the proxy this machine's apt uses for http, as `host:port`, or None."""
    answer = run(["apt-config", "shell", "P", "Acquire::http::Proxy"])
    found = re.search(r"P='([^']*)'", answer)
    address = (found[1] if found else "") or os.environ.get("http_proxy", "")
    parts = urlsplit(address)
    return f"{parts.hostname}:{parts.port or 80}" if parts.hostname else None


def machine_certificates() -> tuple[Path, ...]:
    return tuple(sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt")))
