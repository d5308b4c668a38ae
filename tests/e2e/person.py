"""What a person does at the agenda, in words; the tests tell stories with it."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import Locator, Page, expect

from tests.app.served import ServedAgenda

SCREENSHOTS = Path(__file__).parents[2] / "build/screenshots"
PRIVATE_ACCOUNT = re.compile(r"sign in as (\S+) with (\S+)")
SITE_ZONE = ZoneInfo("Europe/Paris")
REMOVE, A_DAY_LATER = "[formaction$='/remove/']", "[value=day]"
WORDS = {
    "fr": {
        "sign up": "Créer mon compte",
        "sign in": "Se connecter",
        "add": "Ajouter",
        "save": "Enregistrer",
        "undo": "Annuler",
    },
    "en": {
        "sign up": "Make my account",
        "sign in": "Sign in",
        "add": "Add",
        "save": "Save",
        "undo": "Undo",
    },
}


class Person:
    def __init__(self, page: Page, language: str) -> None:
        self.page = page
        self.words = WORDS[language]
        self.name = f"e2e-{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(15)

    def opens(self, path: str = "/agenda") -> None:
        self.page.goto(path)

    def presses(self, word: str) -> None:
        name = self.words[word]
        self.main.get_by_role("button", name=name, exact=True).click()

    @property
    def main(self) -> Locator:
        return self.page.locator("main")

    def sees(self, text: str) -> None:
        expect(self.main.get_by_text(text).first).to_be_visible()

    def signs_up(self, *, email: str = "") -> None:
        self.opens("/agenda/sign-up/")
        if email:
            self.page.locator("[name=email]").fill(email)
        self.page.locator("[name=username]").fill(self.name)
        self.page.locator("[name=password1]").fill(self.password)
        self.page.locator("[name=password2]").fill(self.password)
        self.presses("sign up")
        self.page.wait_for_url(re.compile(r"/agenda/?$"))

    def signs_in(self) -> None:
        self.page.locator("[name=username]").fill(self.name)
        self.page.locator("[name=password]").fill(self.password)
        self.presses("sign in")

    def signs_in_with_a_week(self, agenda: ServedAgenda) -> Page:
        """As the account of the example, which is made for it: only on a machine of the tests'."""
        found = PRIVATE_ACCOUNT.search(agenda.manage("agenda_demo"))
        assert found, "agenda_demo printed no account"
        self.name, self.password = found.groups()
        self.opens("/agenda/sign-in/")
        self.signs_in()
        self.page.wait_for_url(re.compile(r"/agenda/?$"))
        return self.page

    def writes(self, title: str, *, lives: timedelta | None = None, notes: str = "") -> datetime:
        """Fill the form of a task without sending it; return the deadline, aware."""
        deadline_at = datetime.now(SITE_ZONE) + (lives or timedelta(hours=3))
        self.page.locator("[name=title]").fill(title)
        self.page.locator("[name=when][value='']").check()
        field = self.page.locator("[name=deadline_at]")
        # The picker offers minutes; a test has no minute to wait, and the server takes seconds.
        if lives is not None and field.get_attribute("type") == "datetime-local":
            self.page.evaluate("document.querySelector('[name=deadline_at]').step = '1'")
        pattern = "%Y-%m-%dT%H:%M" if lives is None else "%Y-%m-%dT%H:%M:%S"
        field.fill(deadline_at.strftime(pattern))
        if notes:
            self.page.locator("[name=notes]").fill(notes)
        return deadline_at

    def adds(self, title: str, *, lives: timedelta | None = None, notes: str = "") -> datetime:
        self.opens("/agenda/tasks/new/")
        deadline_at = self.writes(title, lives=lives, notes=notes)
        self.presses("add")
        self.page.wait_for_url(re.compile(r"/agenda/?$"))
        return deadline_at

    def task(self, title: str) -> Locator:
        return self.page.locator("li.task", has_text=title)

    def chooses(self, act: str, title: str) -> None:
        """What a row's menu offers; without JavaScript it is a part of the task's page."""
        self.task(title).locator("[data-menu]").click()
        self.page.locator("#acts-of-one").locator(act).click()

    def photographs(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
