"""A task's whole life, as a browser without JavaScript lives it: added, heard, gone in time.

All times are the server's own, from its Date headers, so this machine's clock does not matter.

In:  {"stage": "begin", "address": "198.18.28.156", "port": 80, "host": "198.18.28.156",
      "username", "password", "title", "lives_s": 14}; out: see `begin`. Then the same with
     {"stage": "watch", "cookies", "paths", "deadline_at"} from that answer; out: see `watch`.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from http import HTTPStatus
from urllib.parse import urlencode, urljoin, urlsplit

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
POLL_S = 0.25
GONE_WAIT_MAX_S = 5.0


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Forms(HTMLParser):
    """Every form of a page, with what its fields hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        is_field = tag in {"input", "textarea", "select"} and "name" in given
        if is_field and self.found and given.get("type") not in {"checkbox", "radio", "submit"}:
            self.found[-1].fields[given["name"]] = given.get("value", "")
        self.links += [given[name] for name in ("href", "src") if name in given]

    def with_field(self, *names: str) -> Form | None:
        return next((form for form in self.found if set(names) <= set(form.fields)), None)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    @property
    def at(self) -> datetime:
        return parsedate_to_datetime(self.headers["date"])


class Named(http.client.HTTPSConnection):
    """To an address, with the name that its certificate must be for."""

    def __init__(self, asked: dict[str, str]) -> None:
        context = ssl.create_default_context(
            cadata=None if asked["ca"] == "system" else asked["ca"]
        )
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        name = asked.get("name") or asked["address"]
        super().__init__(name, int(asked["port"]), timeout=20, context=context)
        self.address, self.context = asked["address"], context

    def connect(self) -> None:
        sock = socket.create_connection((self.address, self.port), self.timeout)
        self.sock = self.context.wrap_socket(sock, server_hostname=self.host)


class Browser:
    """One keep-alive connection, its cookies, and redirects followed on the same server."""

    def __init__(self, asked: dict[str, str]) -> None:
        address, port = asked["address"], int(asked["port"])
        plain = http.client.HTTPConnection(address, port, timeout=20)
        self.connection = Named(asked) if asked.get("ca") else plain
        self.host = asked["host"]
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, values: dict[str, str] | None = None) -> Answer:
        headers = {"Host": self.host, "Accept-Language": "en"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if values is not None:
            body = urlencode(values)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if values is not None and isinstance(self.connection, http.client.HTTPSConnection):
            headers["Referer"] = f"https://{self.host}{path}"  # as every browser does; Django asks
        self.connection.request(method, path, body=body, headers=headers)
        response = self.connection.getresponse()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        given = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, given, response.read(), path)

    def get(self, path: str) -> Answer:
        answer = self.ask("GET", path)
        for _ in range(5):
            if answer.status not in {301, 302, 303, 307, 308}:
                break
            place = urlsplit(urljoin(answer.path, answer.headers["location"]))
            answer = self.ask("GET", place.path + ("?" + place.query if place.query else ""))
        return answer

    def submit(self, page: Answer, form: Form, values: dict[str, str]) -> Answer:
        path = urlsplit(urljoin(page.path, form.action or page.path)).path
        answer = self.ask("POST", path, {**form.fields, **values})
        if answer.status in {301, 302, 303}:
            place = urlsplit(urljoin(path, answer.headers["location"]))
            return self.get(place.path + ("?" + place.query if place.query else ""))
        return answer


def need(form: Form | None, what: str, page: Answer) -> Form:
    if form is None:
        raise SystemExit(f"no {what} form on {page.path} (HTTP {page.status}): {page.text[:300]!r}")
    return form


def sign_in(browser: Browser, asked: dict[str, str]) -> Answer:
    page = browser.get("/agenda")
    form = need(Forms(page.text).with_field("username", "password"), "sign-in", page)
    given = {"username": asked["username"], "password": asked["password"]}
    return browser.submit(page, form, given)


def form_for_a_task(browser: Browser, page: Answer) -> tuple[Answer, Form]:
    """On the agenda itself, or one link away."""
    links = [link for link in Forms(page.text).links if re.search(r"/(add|new)\b", link)]
    for candidate in [page, *(browser.get(urlsplit(link).path) for link in links[:3])]:
        form = Forms(candidate.text).with_field("title", "deadline_at")
        if form is not None:
            return candidate, form
    raise SystemExit(f"no form to add a task on {page.path}, nor behind {links}")


def add(browser: Browser, agenda: Answer, asked: dict[str, str]) -> tuple[datetime, str]:
    """Add the task; return its deadline and its id."""
    page, form = form_for_a_task(browser, agenda)
    deadline_at = page.at + timedelta(seconds=float(asked["lives_s"]))
    values = {"title": asked["title"], "notes": asked["title"], "deadline_at": iso(deadline_at)}
    answer = browser.submit(page, form, values)
    listed = answer if asked["title"] in answer.text else browser.get("/agenda")
    position = listed.text.find(asked["title"])
    if position < 0:
        raise SystemExit(f"the task was not added (HTTP {answer.status}): {answer.text[:2000]!r}")
    ids = [(abs(match.start() - position), match[0]) for match in re.finditer(UUID, listed.text)]
    if not ids:
        raise SystemExit("the task is on the page, but no task's address is")
    return deadline_at, min(ids)[1]


def hear(browser: Browser, task: str) -> Answer:
    """Whoever hears something for the first time is asked whose voice it may be: this site's."""
    path = f"/agenda/tasks/{task}"
    sound = browser.ask("GET", f"{path}/speech.mp3")
    if sound.status != HTTPStatus.CONFLICT:
        return sound
    page = browser.get(f"{path}/hear/")
    form = need(Forms(page.text).with_field("next"), "voice", page)
    browser.submit(page, form, {"voice": "local"})
    return browser.ask("GET", f"{path}/speech.mp3")


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def watch(
    browser: Browser, paths: list[str], title: str, deadline_at: datetime
) -> dict[str, object]:
    """Ask every path until none shows the task any more.

    `early`: paths that no longer showed it though the server's clock had not reached the deadline.
    `late`: paths that still did a second or more after it.
    """
    early: set[str] = set()
    late: set[str] = set()
    while True:
        answers = [browser.ask("GET", path) for path in paths]
        shown = {a.path for a in answers if shows(a, title)}
        early |= {
            f"{a.path} said {a.status}"
            for a in answers
            if a.at < deadline_at and a.path not in shown
        }
        late |= {a.path for a in answers if a.at > deadline_at and a.path in shown}
        last = max(answer.at for answer in answers)
        is_over = last > deadline_at + timedelta(seconds=GONE_WAIT_MAX_S)
        if last > deadline_at and (is_over or not shown):
            statuses = {answer.path: answer.status for answer in answers}
            return {"early": sorted(early), "late": sorted(late), "statuses": statuses}
        time.sleep(POLL_S)


def shows(answer: Answer, title: str) -> bool:
    is_audio = answer.status == 200 and answer.headers.get("content-type") == "audio/mpeg"
    return is_audio or (answer.status == 200 and title in answer.text)


def paths_that_show(browser: Browser, task: str, title: str) -> list[str]:
    """The agenda, and every address of the task and of the user that shows its words now."""
    agenda = browser.get("/agenda")
    links = {urlsplit(urljoin("/agenda", link)).path for link in Forms(agenda.text).links}
    mine = {link for link in links if link.startswith("/agenda") and "/static/" not in link}
    guessed = {f"/agenda/tasks/{task}/{name}" for name in ("", "edit", "edit/", "speech.mp3")}
    known = sorted(mine | guessed | {"/agenda", "/agenda/"})
    safe = [path for path in known if not re.search(r"(sign-out|delete|remove)", path)]
    return [path for path in safe if shows(browser.ask("GET", path), title)]


def begin(browser: Browser, asked: dict[str, str]) -> dict[str, object]:
    agenda = sign_in(browser, asked)
    deadline_at, task = add(browser, agenda, asked)
    asked_at = time.monotonic()
    speech = hear(browser, task)
    seconds = round(time.monotonic() - asked_at, 2)
    return {
        "task": task,
        "deadline_at": iso(deadline_at),
        "paths": paths_that_show(browser, task, asked["title"]),
        "cookies": browser.cookies,
        "status": speech.status,
        "type": speech.headers.get("content-type"),
        "voice": speech.headers.get("x-agenda-voice"),
        "seconds": seconds,
        "audio": base64.b64encode(speech.body).decode(),
    }


def main() -> None:
    asked = json.load(sys.stdin)
    browser = Browser(asked)
    if asked["stage"] == "begin":
        answer = begin(browser, asked)
    else:
        browser.cookies = asked["cookies"]
        deadline_at = datetime.fromisoformat(asked["deadline_at"])
        answer = watch(browser, asked["paths"], asked["title"], deadline_at)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
