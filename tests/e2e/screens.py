"""Every screen of the agenda, once. tests/app/test_screens_table.py fails for an address that is
neither here nor, with its reason, in NOT_A_SCREEN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Who = Literal["stranger", "newcomer", "owner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """`url` is the address's name; `path` may hold {task}, {token} and {reset}.

    `fill` is written into the fields so named and the form with them is sent: what is looked at is
    the answer. A stranger has no account, a newcomer no task, an owner a believable week.
    """

    name: str
    url: str
    path: str
    who: Who = "owner"
    fill: tuple[tuple[str, str], ...] = ()
    times: int = 1
    press: str = ""
    status: int = 200


SCREENS = (
    Screen(name="sign-in", url="sign-in", path="/agenda/sign-in/", who="stranger"),
    Screen(
        name="sign-in-wrong",
        url="sign-in",
        path="/agenda/sign-in/",
        who="stranger",
        fill=(("username", "nobody"), ("password", "not the password")),
    ),
    Screen(
        name="locked-out",
        url="sign-in",
        path="/agenda/sign-in/",
        who="stranger",
        fill=(("username", "{someone}"), ("password", "not the password")),
        times=6,
        status=429,
    ),
    Screen(name="sign-up", url="sign-up", path="/agenda/sign-up/", who="stranger"),
    Screen(
        name="sign-up-wrong",
        url="sign-up",
        path="/agenda/sign-up/",
        who="stranger",
        fill=(("username", "two words"), ("password1", "short"), ("password2", "shorter")),
    ),
    Screen(
        name="first-admin", url="first-admin", path="/agenda/first-admin/{token}/", who="stranger"
    ),
    Screen(name="reset", url="reset", path="/agenda/reset/", who="stranger"),
    Screen(
        name="reset-wrong",
        url="reset",
        path="/agenda/reset/",
        who="stranger",
        fill=(("email", "not an address"),),
        status=422,
    ),
    Screen(
        name="reset-throttled",
        url="reset",
        path="/agenda/reset/",
        who="stranger",
        fill=(("email", "{someone}@example.org"),),
        times=6,
        status=429,
    ),
    Screen(name="reset-sent", url="reset-sent", path="/agenda/reset/sent/", who="stranger"),
    Screen(name="reset-link", url="reset-link", path="/agenda/reset/{reset}/", who="stranger"),
    Screen(
        name="reset-link-used",
        url="reset-link",
        path="/agenda/reset/nobody/nothing/",
        who="stranger",
        status=404,
    ),
    Screen(name="about", url="about", path="/agenda/about/", who="stranger"),
    Screen(
        name="accessibility", url="accessibility", path="/agenda/accessibility/", who="stranger"
    ),
    Screen(name="not-found", url="", path="/agenda/nothing-here", who="stranger", status=404),
    Screen(name="button-s-address", url="", path="/agenda/sign-out/", who="stranger", status=405),
    Screen(name="agenda-empty", url="agenda", path="/agenda", who="newcomer"),
    Screen(name="agenda", url="agenda", path="/agenda"),
    Screen(
        name="agenda-removed",
        url="agenda",
        path="/agenda",
        press=".group-day li.task .done",
    ),
    Screen(name="recent", url="recent", path="/agenda/recent/"),
    Screen(name="recent-empty", url="recent", path="/agenda/recent/", who="newcomer"),
    Screen(name="search-tag", url="search", path="/agenda/search/?q=%23projet"),
    Screen(name="search-empty", url="search", path="/agenda/search/"),
    Screen(name="search-found", url="search", path="/agenda/search/?q=re"),
    Screen(name="search-nothing", url="search", path="/agenda/search/?q=zzz"),
    Screen(name="month", url="month", path="/agenda/month/"),
    Screen(name="month-far", url="month", path="/agenda/month/2031/2/"),
    Screen(name="day-hear", url="day-hear", path="/agenda/day/hear/"),
    Screen(name="task-new", url="task-new", path="/agenda/tasks/new/"),
    Screen(
        name="task-new-wrong",
        url="task-new",
        path="/agenda/tasks/new/",
        fill=(("title", " "), ("deadline_at", "2020-01-01T10:00")),
        status=422,
    ),
    Screen(
        name="task-quick-read",
        url="agenda",
        path="/agenda",
        fill=(("line", "Rendre le TP 3 demain 18h #b/c"),),
    ),
    Screen(
        name="task-quick-half-read",
        url="agenda",
        path="/agenda",
        fill=(("line", "standup every weekday 9:30 #team !! 25h"),),
    ),
    Screen(name="task-quick-unread", url="agenda", path="/agenda", fill=(("line", "Du pain"),)),
    Screen(name="task-edit", url="task-edit", path="/agenda/tasks/{task}/"),
    Screen(name="task-hear", url="task-hear", path="/agenda/tasks/{task}/hear/"),
    Screen(name="account", url="account", path="/agenda/account/"),
    Screen(name="password", url="password", path="/agenda/account/password/"),
    Screen(
        name="password-wrong",
        url="password",
        path="/agenda/account/password/",
        fill=(("old_password", "wrong"), ("new_password1", "1234"), ("new_password2", "5678")),
    ),
    Screen(name="second-factor", url="second-factor", path="/agenda/account/second-factor/"),
    Screen(
        name="second-factor-wrong",
        url="second-factor",
        path="/agenda/account/second-factor/",
        fill=(("code", "000000"), ("password", "{password}")),
        status=422,
    ),
    Screen(name="calendar", url="calendar", path="/agenda/account/calendar/"),
    Screen(
        name="calendar-open",
        url="calendar",
        path="/agenda/account/calendar/",
        fill=(("password", "{password}"),),
    ),
    Screen(name="tokens", url="tokens", path="/agenda/account/tokens/"),
    Screen(
        name="tokens-made",
        url="tokens",
        path="/agenda/account/tokens/",
        fill=(("name", "My watch"), ("password", "{password}")),
    ),
    Screen(name="api-docs", url="api-docs", path="/api/v1/docs", who="stranger"),
    Screen(name="email", url="email", path="/agenda/account/email/"),
    Screen(name="sessions", url="sessions", path="/agenda/account/sessions/"),
    Screen(name="export", url="export", path="/agenda/account/export/"),
    Screen(name="leave", url="leave", path="/agenda/account/leave/"),
    Screen(
        name="leave-wrong",
        url="leave",
        path="/agenda/account/leave/",
        fill=(("password", "wrong"),),
        status=422,
    ),
)

# Addresses that show nothing of their own, and why.
NOT_A_SCREEN = {
    "announcement-speech": "sound",
    "announcements": "a question of the script",
    "calendar-feed": "a calendar for programs",
    "day-speech": "sound",
    "language": "a form that leads back",
    "manifest": "for the browser",
    "missed-speech": "sound",
    "sign-in-code": "after a password: test_second_factor.py looks at it",
    "sign-out": "a form that leads to sign-in",
    "task-end": "a form that leads to the agenda",
    "task-keep": "a form that leads to the agenda",
    "task-quick": "shown by a form of the agenda: task-quick-read",
    "changes": "no page: what an open page asks",
    "task-done": "a form that leads to the agenda",
    "task-remove": "a form that leads to the agenda",
    "task-restore": "a form that leads to the agenda",
    "task-speech": "sound",
    "token-revoke": "a form that leads to the tokens",
    "voice": "a form that leads to the agenda",
    "worker": "for the browser",
}
