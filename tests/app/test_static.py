"""What a release ships beside its code: translations and hashed files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import translation

import compile_messages

APP = Path(__file__).resolve().parents[2] / "app"
CATALOGUE = APP / "locale/fr/LC_MESSAGES/django.po"
CATALOGUES = [CATALOGUE, APP / "api/locale/fr/LC_MESSAGES/django.po"]
SCRIPT_LIMIT_BYTES = 14_000


def entries(catalogue):
    """The (msgid, translations, is fuzzy) of a catalogue."""
    text = subprocess.run(
        ["msgcat", "--no-wrap", str(catalogue)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    for block in text.split("\n\n"):
        name = re.search(r'^msgid "(.+)"$', block, re.MULTILINE)
        if name:
            translations = re.findall(r'^msgstr(?:\[\d\])? "(.*)"$', block, re.MULTILINE)
            yield name[1], translations, ", fuzzy" in block


def test_every_string_is_translated():
    found = [entry for catalogue in CATALOGUES for entry in entries(catalogue)]
    assert not [name for name, texts, fuzzy in found if fuzzy or not all(texts)]


def test_the_catalogue_holds_every_string_of_the_code(tmp_path):
    """A string without its translation fails here: the catalogue is made anew and compared."""
    copy = tmp_path / "app"
    shutil.copytree(APP, copy, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = ["makemessages", "--locale=fr", "--no-location", "--no-obsolete", "--no-wrap"]
    subprocess.run(
        [sys.executable, "manage.py", *command], cwd=copy, check=True, env=env, timeout=120
    )
    for catalogue in CATALOGUES:
        anew = {name for name, _, _ in entries(copy / catalogue.relative_to(APP))}
        kept = {name for name, _, _ in entries(catalogue)}
        assert anew - kept == set(), "not translated"
        assert kept - anew == set(), "no longer used"


def test_french_follows_the_rules_of_french_printing():
    for _, found, _ in [entry for catalogue in CATALOGUES for entry in entries(catalogue)]:
        for text in found:
            assert not re.search(r" [?!;:»]|« |'", text), text


def test_translations_are_compiled_only_when_older(tmp_path):
    source = tmp_path / "locale/fr/LC_MESSAGES/django.po"
    source.parent.mkdir(parents=True)
    shutil.copy(CATALOGUE, source)
    assert compile_messages.compile_messages(tmp_path) == [source.with_suffix(".mo")]
    assert compile_messages.compile_messages(tmp_path) == []


def test_the_compiled_translation_is_used():
    with translation.override("fr"):
        assert translation.gettext("Sign in") == "Se connecter"
    with translation.override("en"):
        assert translation.gettext("Sign in") == "Sign in"


@pytest.fixture
def collected(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": backend}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_a_release_serves_files_whose_names_carry_a_hash(client, collected):
    content = client.get("/agenda/about/").content.decode()
    for name in re.findall(r'"/static/([^"]+)"', content):
        assert re.search(r"\.[0-9a-f]{12}\.(css|js|svg|png)$", name)
        assert (collected / name).exists()


def test_what_is_written_by_hand_for_browsers_stays_small():
    """All of it: the pages' script, the worker's, and the documentation's."""
    written = {path.name: path.stat().st_size for path in APP.rglob("*.js")}
    assert {"agenda.js", "docs.js", "worker.js"} == written.keys()
    assert sum(written.values()) <= SCRIPT_LIMIT_BYTES


def test_the_settings_ship_hashed_names():
    from config.settings import STORAGES  # noqa: PLC0415 - the real ones, not the tests'

    assert "Manifest" in STORAGES["staticfiles"]["BACKEND"]
    assert settings.USE_TZ


def test_the_stylesheet_says_nothing_twice():
    """Two helpers' copies of a rule after a merge: the later one wins, whichever was meant."""
    text = re.sub(r"/\*.*?\*/", "", (APP / "config/static/agenda.css").read_text(), flags=re.DOTALL)
    depth, selector, seen = 0, "", []
    for part in re.split(r"([{}])", text):
        if part == "{":
            if depth == 0 and not selector.startswith("@"):
                seen.append(selector)
            depth += 1
        elif part == "}":
            depth -= 1
        else:
            selector = part.strip()
    assert sorted({one for one in seen if seen.count(one) > 1}) == []
