"""Seven releases that must not stay: what is wrong with each, and what its refusal says. The last
one answers what it is asked before it has traffic, and fails the proof after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WSGI = "app/config/wsgi.py"
ANSWERS_500 = """
_served = application


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/agenda"):
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return [b""]
    return _served(environ, start_response)
"""
# Nobody of the drill's people asks for it.
DESCRIBES_NOTHING = """
_served = application


def application(environ, start_response):
    if environ["PATH_INFO"] == "/api/v1/openapi.json":
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return [b""]
    return _served(environ, start_response)
"""
# Only who is signed in meets it.
NO_AGENDA = """

def agenda(request):
    raise LookupError("the drill has no agenda")
"""
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("agenda", "{leaf}")]
    operations = [migrations.RunSQL("ALTER TABLE nowhere ADD COLUMN x INT NULL")]
"""


@dataclass(frozen=True, slots=True)
class Broken:
    """`says`: words of the refusal that name the cause."""

    breaks: Callable[[Path], None]
    says: str


def appends(path: str, text: str) -> Callable[[Path], None]:
    def breaks(tree: Path) -> None:
        with (tree / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return breaks


def adds_migration(tree: Path) -> None:
    folder = tree / "app/agenda/migrations"
    leaf = sorted(path.stem for path in folder.glob("[0-9]*.py"))[-1]
    (folder / "9999_drill.py").write_text(MIGRATION.format(leaf=leaf), encoding="utf-8")


BROKEN = {
    "import": Broken(appends(WSGI, "import no_such_module\n"), "No module named 'no_such_module'"),
    "settings": Broken(
        appends(
            "app/config/settings.py",
            # Not in the build, where a release has no name yet.
            "if RELEASE != 'development':\n"
            "    raise ImproperlyConfigured('the drill forgot a setting')\n",
        ),
        "the drill forgot a setting",
    ),
    "migration": Broken(adds_migration, "nowhere' doesn't exist"),
    "hang": Broken(appends(WSGI, "import time\ntime.sleep(3600)\n"), "timed out"),
    "500": Broken(appends(WSGI, ANSWERS_500), "500"),
    "page": Broken(
        appends("app/agenda/views/reading.py", NO_AGENDA),
        "the drill has no agenda",
    ),
    "proof": Broken(appends(WSGI, DESCRIBES_NOTHING), "served, and was found wrong"),
}
