"""Every screen, in both languages and themes, on a phone and at a desk: axe finds nothing, nothing
is wider than the window, Tab visits everything, and a photograph lies in build/screenshots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response, expect

from tests.app.served import ServedAgenda
from tests.app.smtp_stand_in import MailServer
from tests.e2e.conftest import DESK, PHONE, Doors
from tests.e2e.keyboard import walk
from tests.e2e.person import SCREENSHOTS, Person
from tests.e2e.screens import SCREENS, Screen

pytestmark = pytest.mark.browser
THEMES = ("light", "dark")
# Of axe's rules, those that a theme can break: the rest of a page is the same in both.
OF_COLOURS = ["color-contrast", "link-in-text-block"]


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
            "password": self.people["owner"].password,
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
        page = self.people["owner"].signs_in_with_a_week(agenda)
        return (page.locator("li.task").first.get_attribute("id") or "").removeprefix("task-")

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
            if name == "deadline_at":
                page.locator("[name=when][value='']").check()
            page.locator(f"[name={name}]").fill(value.format(**self.stands_for))
        form = page.locator("form", has=page.locator(f"[name={screen.fill[0][0]}]"))
        form.evaluate("form => { form.noValidate = true; }")
        with page.expect_navigation() as sent:
            form.locator("button").first.click()
        return sent.value


def faults(page: Page, theme: str = THEMES[0]) -> list[str]:
    """What axe finds; in the second theme, after the first, of colours alone."""
    if theme == THEMES[0]:
        answer = Axe().run(page).response
    else:
        answer = page.evaluate("rules => axe.run({ runOnly: rules })", OF_COLOURS)
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:120]}"
        for rule in answer["violations"]
        for node in rule["nodes"]
    ]


def look(page: Page, name: str) -> list[str]:
    """Photograph the page in both themes, and return what is wrong with it in either."""
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}.jpg", quality=70, full_page=True)
        found += [f"{name}, {theme}: {fault}" for fault in faults(page, theme)]
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
        if screen.name == "api-docs":
            expect(page.locator(".opblock").first).to_be_visible()
        found += look(page, f"screen-{language}-{size}-{screen.name}")
        found += [f"{screen.name} answers {status}"] if status != screen.status else []
        if screen.name != "api-docs":  # hundreds of links of one kind
            found += [f"{screen.name}, by keyboard: {fault}" for fault in walk(page)]
    assert found == []


class ClosedAgenda:
    """An agenda that takes no new accounts and speaks with Google, and how to make it fail."""

    def __init__(self, agenda: ServedAgenda, arrive: Callable[[], Person]) -> None:
        self.agenda = agenda
        self.stranger, self.owner = arrive(), arrive()
        self.owner.signs_in_with_a_week(agenda)

    def sign_up_closed(self) -> tuple[Page, int]:
        return self.stranger.page, self.stranger.page.goto("/agenda/sign-up/").status

    def voice_notice(self) -> tuple[Page, int]:
        self.owner.opens()
        self.owner.page.locator(".hear-day").click()  # asked at the first press
        expect(self.owner.page.locator("form.voice")).to_be_visible()
        return self.owner.page, 200

    def account_voice(self) -> tuple[Page, int]:
        self.owner.opens("/agenda/account/")
        expect(self.owner.page.locator("[name=voice]")).to_be_visible()
        return self.owner.page, 200

    def forbidden(self) -> tuple[Page, int]:
        """A member of staff who may do nothing yet."""
        changes = "is_staff = 1, factor_sealed = 'set up'"
        self.agenda.sql(f"UPDATE account SET {changes} WHERE username = '{self.owner.name}'")  # noqa: S608 - a name of ours
        return self.owner.page, self.owner.page.goto("/admin/accounts/user/").status

    def too_old(self) -> tuple[Page, int]:
        """The page was loaded before somebody signed in: its token is another's."""
        page = self.stranger.page
        page.goto("/agenda/sign-in/")
        page.locator("main [name=csrfmiddlewaretoken]").evaluate("field => { field.value = 'x'; }")
        page.locator("[name=username]").fill("somebody")
        page.locator("[name=password]").fill("something")
        with page.expect_navigation() as sent:
            page.locator("main form button").first.click()
        return page, sent.value.status

    def unreadable(self) -> tuple[Page, int]:
        """Sent to a name that is not this site's: the browser finds it at the same machine."""
        address = self.agenda.address.replace("127.0.0.1", "elsewhere.localhost")
        page = self.stranger.page
        return page, page.goto(f"{address}/agenda/about/").status

    def broken(self) -> tuple[Page, int]:
        self.agenda.sql("ALTER TABLE task RENAME TO lost")
        try:
            return self.owner.page, self.owner.page.goto("/agenda").status
        finally:
            self.agenda.sql("ALTER TABLE lost RENAME TO task")

    def resting(self) -> tuple[Page, int]:
        self.agenda.database.stop()
        try:
            return self.owner.page, self.owner.page.goto("/agenda").status
        finally:
            self.agenda.database.start()


@pytest.fixture(scope="module")
def closed() -> Iterator[ServedAgenda]:
    served = ServedAgenda(environment={"AGENDA_SIGNUP": "closed", "AGENDA_SPEECH": "google"})
    try:
        served.start()
        yield served
    finally:
        served.stop()


@pytest.mark.parametrize(
    ("language", "viewport"),
    [pytest.param("fr", DESK, id="french-desk"), pytest.param("en", PHONE, id="english-phone")],
)
def test_axe_finds_nothing_where_something_is_closed_or_wrong(language, viewport, closed, browser):
    doors = Doors(browser, closed.address)
    try:
        site = ClosedAgenda(closed, lambda: doors.enter(language, viewport, expects_errors=True))
        size = "phone" if viewport == PHONE else "desk"
        found = []
        for show, status in (
            (site.sign_up_closed, 403),
            (site.voice_notice, 200),
            (site.account_voice, 200),
            (site.forbidden, 403),
            (site.too_old, 403),
            (site.unreadable, 400),
            (site.broken, 500),
            (site.resting, 503),
        ):
            page, answered = show()
            name = show.__name__.replace("_", "-")
            found += look(page, f"screen-{language}-{size}-{name}")
            found += [f"{name} answers {answered}"] if answered != status else []
            found += [] if page.locator("h1").count() == 1 else [f"{name} has no heading"]
            lang = page.locator("html").get_attribute("lang")
            found += [] if lang == language else [f"{name} is in {lang}"]
        assert found == []
    finally:
        doors.close()
