"""Every screen, in both languages and themes, on a phone and at a desk: axe finds nothing, nothing
is wider than the window, and a photograph lies in build/screenshots.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response

from tests.app.served import ServedAgenda
from tests.app.smtp_stand_in import MailServer
from tests.e2e.conftest import DESK, PHONE
from tests.e2e.person import SCREENSHOTS, Person
from tests.e2e.screens import SCREENS, Screen

pytestmark = pytest.mark.browser
THEMES = ("light", "dark")
PRIVATE_ACCOUNT = re.compile(r"sign in as (\S+) with (\S+)")


class Places:
    """The people of the table, each at a browser of their own, and what {…} stands for."""

    def __init__(
        self,
        arrive: Callable[[], Person],
        agenda: ServedAgenda,
        mail_server: MailServer,
        language: str,
    ) -> None:
        self.people = {"stranger": arrive(), "newcomer": arrive(), "owner": arrive()}
        self.people["newcomer"].signs_up(email=f"newcomer-{language}@example.org")
        first = self._owner_signs_in(agenda)
        self.stands_for = {
            "task": first,
            "token": agenda.manage("agenda_first_admin").strip().rstrip("/").rsplit("/", 1)[-1],
            "someone": f"someone-{language}",
            "reset": self._asks_for_a_link(mail_server, language),
        }

    def _asks_for_a_link(self, mail_server: MailServer, language: str) -> str:
        stranger, before = self.people["stranger"], len(mail_server.letters)
        stranger.opens("/agenda/reset/")
        stranger.page.locator("[name=email]").fill(f"newcomer-{language}@example.org")
        stranger.page.locator("main form button").click()
        found = re.search(r"/agenda/reset/(\S+)/", mail_server.next_letter(before + 1).text)
        assert found, "no link in the letter"
        return found[1]

    def _owner_signs_in(self, agenda: ServedAgenda) -> str:
        """Return the first task of the owner's week."""
        owner = self.people["owner"]
        found = PRIVATE_ACCOUNT.search(agenda.manage("agenda_demo"))
        assert found, "agenda_demo printed no account"
        owner.name, owner.password = found.groups()
        owner.opens("/agenda/sign-in/")
        owner.signs_in()
        owner.page.wait_for_url(re.compile(r"/agenda/?$"))
        return (owner.page.locator("li.task").first.get_attribute("id") or "").removeprefix("task-")

    def show(self, screen: Screen) -> tuple[Page, int]:
        """The page that shows the screen, and the status of the answer that it is."""
        page = self.people[screen.who].page
        for _ in range(screen.times):
            answer = page.goto(screen.path.format(**self.stands_for))
            if screen.fill:
                answer = self._send(page, screen)
            if screen.press:
                with page.expect_navigation() as pressed:
                    page.locator(screen.press).first.click()
                answer = pressed.value
        return page, answer.status

    def _send(self, page: Page, screen: Screen) -> Response:
        for name, value in screen.fill:
            page.locator(f"[name={name}]").fill(value.format(**self.stands_for))
        form = page.locator("form", has=page.locator(f"[name={screen.fill[0][0]}]"))
        form.evaluate("form => { form.noValidate = true; }")
        with page.expect_navigation() as sent:
            form.locator("button").first.click()
        return sent.value


def faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:120]}"
        for rule in found
        for node in rule["nodes"]
    ]


def look(page: Page, name: str) -> list[str]:
    """Photograph the page in both themes, and return what is wrong with it in either."""
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.png", full_page=True)
        found += [f"{name}, {theme}: {fault}" for fault in faults(page)]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{name} is wider than the window")
    return found


@pytest.mark.parametrize(
    ("language", "viewport"),
    [pytest.param("fr", DESK, id="french-desk"), pytest.param("en", PHONE, id="english-phone")],
)
def test_axe_finds_nothing_on_any_screen(language, viewport, agenda, mail_server, arrive):
    places = Places(lambda: arrive(language, viewport), agenda, mail_server, language)
    size = "phone" if viewport == PHONE else "desk"
    found = []
    for screen in SCREENS:
        page, status = places.show(screen)
        found += look(page, f"screen-{language}-{size}-{screen.name}")
        found += [f"{screen.name} answers {status}"] if status != screen.status else []
    assert found == []
