"""axe finds nothing on any screen, light and dark, phone and desk. Photographs of each."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.conftest import DESK, PHONE

pytestmark = pytest.mark.e2e
OUTSIDE = {
    "sign-in": "/agenda/sign-in/",
    "sign-up": "/agenda/sign-up/",
    "about": "/agenda/about/",
    "not-found": "/agenda/nothing-here",
}
INSIDE = {
    "agenda": "/agenda",
    "add": "/agenda/tasks/new/",
    "account": "/agenda/account/",
    "password": "/agenda/account/password/",
}


def faults(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{page.url}: {rule['id']}: {rule['help']}: {node['html'][:120]}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(
    ("language", "theme", "viewport"),
    [
        pytest.param("fr", "light", DESK, id="french, light, desk"),
        pytest.param("en", "dark", PHONE, id="english, dark, phone"),
    ],
)
def test_axe_finds_nothing_on_any_screen(language, theme, viewport, visit):
    person = visit(language, viewport, theme=theme)
    shot = f"{language}-{theme}-{'phone' if viewport == PHONE else 'desk'}"
    found = []

    def look(name: str, path: str) -> None:
        person.opens(path)
        person.photographs(f"screen-{shot}-{name}")
        found.extend(faults(person.page))
        wide = person.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        found.extend([f"{path} is wider than the window"] if wide else [])

    for name, path in OUTSIDE.items():
        look(name, path)
    person.signs_up()
    look("empty", "/agenda")
    person.adds("Rendre le TP 3", notes="Salle B2.04, avec le rapport")
    person.adds("Réunion #projet")
    for name, path in INSIDE.items():
        look(name, path)
    links = person.page.goto("/agenda") and person.page.locator("li.task a").all()
    tasks = {link.get_attribute("href") for link in links[:2]}
    for path in sorted(filter(None, tasks)):
        look("hear" if "hear" in path else "edit", path)
    assert found == []
