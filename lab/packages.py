"""Where this machine gets its Debian packages, read from its own configuration."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.commands import run

SOURCES = Path("/etc/apt")
POCKETS = ("", "-updates", "-security")


@dataclass(frozen=True, slots=True)
class Source:
    """One repository line: where, which suite, which components."""

    uri: str
    suite: str
    components: tuple[str, ...]

    def line(self) -> str:
        """As written in a sources.list."""
        return f"deb {self.uri} {self.suite} {' '.join(self.components)}"


def machine_codename() -> str:
    """Return the Debian release of this machine, such as `bookworm`; empty when not Debian."""
    try:
        fields = platform.freedesktop_os_release()
    except OSError:
        return ""
    return fields.get("VERSION_CODENAME", "") if fields["ID"] == "debian" else ""


def debian_sources(release: str, *, codename: str | None = None) -> tuple[Source, ...]:
    """Return this machine's Debian repositories, with its own release replaced by `release`."""
    own = codename or machine_codename()
    files = [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]
    found = [
        source
        for file in files
        if file.is_file()
        for source in parse_sources(file.read_text(), deb822=file.suffix == ".sources")
    ]
    return translate(found, own=own, release=release)


def translate(sources: Iterable[Source], *, own: str, release: str) -> tuple[Source, ...]:
    """Return those of the release `own` (main and its pockets), said of `release`, each once."""
    suites = {own + pocket: release + pocket for pocket in POCKETS}
    kept = (
        Source(mirror_uri(source.uri), suites[source.suite], ("main",))
        for source in sources
        if source.suite in suites and "main" in source.components
    )
    return tuple(dict.fromkeys(kept))


def mirror_uri(uri: str) -> str:
    """Return `uri`, or the first mirror of a `mirror+file:` list, as cloud images have it."""
    scheme, _, path = uri.partition(":")
    if scheme != "mirror+file":
        return uri
    listed = Path("/" + path.lstrip("/")).read_text().split()
    return next(word for word in listed if word.startswith(("http://", "https://")))


def parse_sources(text: str, *, deb822: bool) -> list[Source]:
    """Return the binary repositories in an apt sources file that Debian's own key signs."""
    return _parse_deb822(text) if deb822 else _parse_lines(text)


def _parse_deb822(text: str) -> list[Source]:
    found = []
    clean = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", clean):
        joined = re.sub(r"\n[ \t]+", " ", stanza)
        pairs = (line.split(":", 1) for line in joined.splitlines() if ":" in line)
        fields = {key.strip().lower(): value.split() for key, value in pairs}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        if not _is_debians(" ".join(fields.get("signed-by", []))):
            continue
        components = tuple(fields.get("components", []))
        uris, suites = fields.get("uris", []), fields.get("suites", [])
        found += [Source(uri, suite, components) for uri in uris for suite in suites]
    return found


def _parse_lines(text: str) -> list[Source]:
    pattern = re.compile(r"^deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)")
    matches = (pattern.match(line.strip()) for line in text.splitlines())
    return [
        Source(found[2], found[3], tuple(found[4].split()))
        for found in matches
        if found and _is_debians(_signed_by(found[1] or ""))
    ]


def _signed_by(options: str) -> str:
    return next((o.split("=", 1)[1] for o in options.split() if o.startswith("signed-by=")), "")


def _is_debians(signed_by: str) -> bool:
    return not signed_by or "debian-archive" in signed_by


def package_hosts(sources: Iterable[Source]) -> tuple[str, ...]:
    """Return the hosts of `sources`, each once."""
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
    """Return the extra CA certificates this machine trusts."""
    return tuple(sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt")))
