"""A real browser, either against a deployed agenda (CTLV_E2E_URL, else the lab of CTLV_LAB_STATE),
marked e2e, or against one of the tests' own, marked browser.

Every page is watched: an error in its console, a broken rule of its Content-Security-Policy or a
request to somewhere else fails the test that saw it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.app.served import ServedAgenda
from tests.app.smtp_stand_in import MailServer
from tests.e2e.person import Person

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build/screenshots"
CHROMIUM = "/usr/bin/chromium"
# No sandbox: the tests run as root. The rest keeps the browser from talking to anybody else.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
]
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 20_000  # beside containers of other tests; who does not wait is as fast


@pytest.fixture(scope="session")
def address() -> str:
    """Where the agenda is, without a slash at the end."""
    given = os.environ.get("CTLV_E2E_URL", "")
    return given.rstrip("/") if given else lab_address()


def lab_file() -> Path:
    return Path(os.environ.get("CTLV_LAB_STATE") or ROOT / ".lab") / "lab.json"


def lab_address() -> str:
    file = lab_file()
    if not file.is_file():
        pytest.fail(
            f"no agenda to visit: CTLV_E2E_URL is not set and {file} is missing\n"
            "  Next: run `make up`, or give CTLV_E2E_URL=http://...",
            pytrace=False,
        )
    # The first is the agenda's, the second the REST server's.
    port, target = next(iter(json.loads(file.read_text("utf-8"))["forwards"].items()))
    return f"{scheme_of(target)}://127.0.0.1:{port}"


def scheme_of(target: str) -> str:
    return "https" if target.endswith(":443") else "http"


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="session")
def agenda(mail_server: MailServer) -> Iterator[ServedAgenda]:
    """An agenda of the tests' own: no lab, no deployment, letters to a mail server of theirs."""
    served = ServedAgenda(
        environment={
            "AGENDA_GRACE": "3600",
            "AGENDA_SMTP_HOST": "127.0.0.1",
            "AGENDA_SMTP_PORT": str(mail_server.port),
            "AGENDA_SMTP_STARTTLS": "0",
            "AGENDA_SMTP_FROM": "agenda@example.org",
        }
    )
    try:
        served.start()
        yield served
    finally:
        served.stop()


@pytest.fixture
def campus_page(playwright: Playwright, tmp_path: Path) -> Iterator[Page]:
    """A browser on VLAN 2028 of the lab: it sees the web container at its own address."""
    if "CTLV_E2E_URL" in os.environ:
        pytest.skip("needs the lab's namespace on VLAN 2028, and CTLV_E2E_URL names another place")
    lab = json.loads(lab_file().read_text("utf-8"))
    target = next(iter(lab["forwards"].values()))
    program = tmp_path / "chromium-on-2028"
    program.write_text(
        f'#!/bin/sh\nexec nsenter --net=/run/netns/{lab["vantage_netns"]} {CHROMIUM} "$@"\n',
        "utf-8",
    )
    program.chmod(0o700)
    chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
    root = f"{scheme_of(target)}://{target.rpartition(':')[0]}"
    # The lab's own authority is not in the browser's store; verify judges the certificate.
    yield chromium.new_page(base_url=root, locale="fr", ignore_https_errors=True)
    chromium.close()


class Doors:
    """People at browsers of their own at one address; what their pages complain of is kept."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def enter(
        self,
        language: str = "fr",
        viewport: dict[str, int] | None = None,
        *,
        javascript: bool = True,
        theme: str = "light",
        expects_errors: bool = False,
    ) -> Person:
        context = self.browser.new_context(
            base_url=self.address,
            ignore_https_errors=True,
            locale=language,
            viewport=viewport or DESK,
            java_script_enabled=javascript,
            color_scheme=theme,
            is_mobile=viewport == PHONE,
            has_touch=viewport == PHONE,
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        self.contexts.append(context)
        page = context.new_page()
        if not expects_errors:
            watch(page, self.address, self.complaints)
        return Person(page, language)

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        assert self.complaints == []


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Person]]:
    """`visit(language, viewport)` is a person at the deployed agenda."""
    doors = Doors(browser, address)
    yield doors.enter
    doors.close()


@pytest.fixture
def arrive(browser: Browser, agenda: ServedAgenda) -> Iterator[Callable[..., Person]]:
    """`arrive(language, viewport)` is a person at the tests' own agenda."""
    doors = Doors(browser, agenda.address)
    yield doors.enter
    doors.close()


def watch(page: Page, address: str, complaints: list[str]) -> None:
    home = urlsplit(address).netloc
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda message: (
            message.type == "error"
            and not is_expected(message.text)
            and complaints.append(f"{page.url}: {message.text}")
        ),
    )
    page.on(
        "request",
        lambda request: (
            urlsplit(request.url).scheme in {"http", "https"}
            and urlsplit(request.url).netloc != home
            and complaints.append(f"{page.url} asks {request.url}")
        ),
    )


def is_expected(text: str) -> bool:
    """Chromium also writes an answer such as 422 or 404, which a test may have wanted."""
    return text.startswith("Failed to load resource: the server responded with a status of 4")
