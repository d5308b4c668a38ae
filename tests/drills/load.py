"""People at work while something happens to the agenda: a failed request counts, none is retried.

Each client keeps one connection alive and does, in turn: add a task under an id of its own choice,
then read that task back. What was acknowledged is remembered: a lost write is found at the end.
"""

from __future__ import annotations

import http.client
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice, pairwise
from urllib.parse import urlencode, urlsplit

from tests.infra.on_host.journey import Browser, Forms, need, sign_in
from tests.infra.site import Site

CLIENTS = 8
THINKS_S = 0.2
DEADLINE_IN = timedelta(days=2)


def trust(site: Site) -> None:
    """Make our own authority one of the system's, for this process and those it starts."""
    if site.tls == "internal":
        os.environ["SSL_CERT_FILE"] = str(site.state / "tls/ca.pem")


def uuid7() -> str:
    """An id as the application makes them: time first, so that rows are inserted in order."""
    bits = int(time.time() * 1000) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@dataclass(slots=True)
class Outcome:
    """What all clients saw. `longest_pause_s` is the longest time in which nobody got an answer."""

    requests: int = 0
    failures: list[tuple[float, str]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    latencies_s: list[float] = field(default_factory=list)
    answers_at: list[float] = field(default_factory=list)

    @property
    def longest_pause_s(self) -> float:
        moments = sorted(self.answers_at)
        return max((after - before for before, after in pairwise(moments)), default=0.0)

    def percentile_s(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    def summary(self) -> str:
        kinds = Counter(kind for _, kind in self.failures)
        told = "; ".join(f"{count} x {kind}" for kind, count in kinds.most_common(5))
        return (
            f"{self.requests} requests, {len(self.failures)} failed{f' ({told})' if told else ''}, "
            f"{len(self.acknowledged)} writes acknowledged, "
            f"p99 {self.percentile_s(0.99) * 1000:.0f} ms, "
            f"slowest {self.percentile_s(1) * 1000:.0f} ms, "
            f"longest pause {self.longest_pause_s * 1000:.0f} ms"
        )


def browser_for(url: str) -> Browser:
    place = urlsplit(url)
    is_tls = place.scheme == "https"
    server = {
        "address": place.hostname or "",
        "port": str(place.port or (443 if is_tls else 80)),
        "host": place.netloc,
        # See trust().
        "ca": "system" if is_tls else "",
    }
    return Browser(server)


class Client:
    """One person at one connection, or (`is_fresh`) at a new one for each request."""

    def __init__(
        self,
        url: str,
        account: dict[str, str],
        *,
        due_in: timedelta = DEADLINE_IN,
        notes: str = "",
    ) -> None:
        self.due_in, self.notes, self.is_fresh = due_in, notes, False
        self.scheme, self.host = urlsplit(url)[:2]
        browser = browser_for(url)
        sign_in(browser, account)
        page = browser.get("/agenda/tasks/new/")
        form = need(Forms(page.text).with_field("title", "deadline_at"), "task", page)
        self.token = form.fields["csrfmiddlewaretoken"]
        self.cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        self.connection = browser.connection

    def adds(self, task: str) -> str:
        """ "" when it was acknowledged, else what went wrong."""
        values = {
            "csrfmiddlewaretoken": self.token,
            "identity": task,
            "title": f"drill {task}",
            "deadline_at": (datetime.now(UTC) + self.due_in).isoformat(timespec="seconds"),
            "notes": self.notes,
        }
        return self._ask("POST", "/agenda/tasks/new/", urlencode(values), wanted=302)

    def reads(self, task: str) -> str:
        return self._ask("GET", f"/agenda/tasks/{task}/", None, wanted=200)

    def _ask(self, method: str, path: str, body: str | None, *, wanted: int) -> str:
        headers = {"Host": self.host, "Cookie": self.cookie}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Referer"] = f"{self.scheme}://{self.host}{path}"  # as every browser does
        try:
            if self.is_fresh:
                self.connection.close()
            self.connection.request(method, path, body=body, headers=headers)
            response = self.connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return f"{method}: {type(error).__name__}"
        return "" if response.status == wanted else f"{method}: HTTP {response.status}"


class Load:
    """`with Load(...) as load:` people work inside the block; `load.outcome` tells of it after."""

    def __init__(
        self,
        url: str,
        account: dict[str, str],
        *,
        due_in: Sequence[timedelta] = (DEADLINE_IN,),
        notes: str = "",
        people: int = CLIENTS,
    ) -> None:
        """The people's tasks are due in one of `due_in`, each person's always in the same."""
        dues = islice(cycle(due_in), people)
        self.people = [Client(url, account, due_in=due, notes=notes) for due in dues]
        self.outcome = Outcome()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._work, args=(one,)) for one in self.people]

    def at_new_connections(self) -> Load:
        for one in self.people:
            one.is_fresh = True
        return self

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _work(self, person: Client) -> None:
        while not self.stop.is_set():
            task = uuid7()
            if self._count(partial(person.adds, task)):
                with self.lock:
                    self.outcome.acknowledged.add(task)
                self._count(partial(person.reads, task))

    def _count(self, act: Callable[[], str]) -> bool:
        began = time.monotonic()
        failure = act()
        ended = time.monotonic()
        with self.lock:
            self.outcome.requests += 1
            self.outcome.latencies_s.append(ended - began)
            if failure:
                self.outcome.failures.append((ended, failure))
            else:
                self.outcome.answers_at.append(ended)
        time.sleep(THINKS_S)
        return not failure
