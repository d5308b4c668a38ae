"""The README's pictures, made anew: `python -m tests.e2e.pictures`."""

from __future__ import annotations

from playwright.sync_api import sync_playwright

from tests.app.served import ServedAgenda
from tests.e2e.conftest import ARGUMENTS, CHROMIUM, ROOT, Doors

# Name, address, width, height, theme.
PICTURES = (
    ("agenda", "/agenda", 900, 760, "light"),
    ("agenda-month", "/agenda/month/", 1000, 640, "light"),
    ("agenda-phone", "/agenda", 390, 780, "dark"),
)


def main() -> None:
    agenda = ServedAgenda()
    try:
        agenda.start()
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            for name, path, width, height, theme in PICTURES:
                doors = Doors(chromium, agenda.address)
                size = {"width": width, "height": height}
                page = doors.enter("fr", size, theme=theme).signs_in_with_a_week(agenda)
                page.goto(path)
                page.screenshot(path=ROOT / f"docs/{name}.png")
                doors.close()
            chromium.close()
    finally:
        agenda.stop()


if __name__ == "__main__":
    main()
