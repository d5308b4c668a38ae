"""What somebody holds who holds all they may costs a worker little, whatever page is asked."""

from __future__ import annotations

import os
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agenda.views.reading import SHOWN_MAX
from tests.app.served import ServedAgenda

TASKS = """
INSERT INTO task (id, owner_id, title, notes, deadline_at, is_private, created_at)
SELECT UUID(), account.id, REPEAT('word ', 30), REPEAT('note ', 160),
    NOW() + INTERVAL 60 + 4 * seq MINUTE,
    0, NOW()
FROM account, seq_1_to_9900 WHERE username = 'demo';
"""
SIGN_IN = """
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.test import Client
from accounts.models import User
client = Client()
client.force_login(User.objects.get(username="demo"))
print(client.cookies["sessionid"].value)
"""
AT_ONCE = 8


pytestmark = pytest.mark.xdist_group("full")


@pytest.fixture(scope="module")
def agenda():
    served = ServedAgenda()
    try:
        served.start()
        served.manage("agenda_demo")
        yield served
    finally:
        served.stop()


def workers(agenda):
    pid = agenda.process.pid
    return [Path("/proc") / child for child in
            Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]  # fmt: skip


def peaks_mib(agenda):
    lines = [worker.joinpath("status").read_text() for worker in workers(agenda)]
    return [int(text.partition("VmHWM:")[2].split()[0]) / 1024 for text in lines]


def cpu_s(agenda):
    ticks = [
        worker.joinpath("stat").read_text().rsplit(")", 1)[1].split() for worker in workers(agenda)
    ]
    return sum(int(each[11]) + int(each[12]) for each in ticks) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def ask(agenda):
    key = agenda.manage("shell", "-v0", "-c", SIGN_IN).split()[-1]

    def page(path):
        sent = {"Cookie": f"sessionid={key}"}
        with urllib.request.urlopen(
            urllib.request.Request(agenda.address + path, headers=sent), timeout=100
        ) as answer:
            return answer.read().decode()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(page, ["/agenda"] * AT_ONCE))
    agenda.sql(TASKS)
    return page


@pytest.mark.parametrize("path", ["/agenda", "/agenda/month/", "/agenda/search/?q=word"])
def test_a_page_of_an_account_that_is_full_costs_a_worker_little(agenda, ask, path):
    """As many at once as there are threads."""
    for worker in workers(agenda):
        worker.joinpath("clear_refs").write_text("5")  # proc(5): the peak is now
    idle, spent = peaks_mib(agenda), cpu_s(agenda)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pages = list(pool.map(ask, [path] * AT_ONCE))
    above = [round(after - before) for before, after in zip(idle, peaks_mib(agenda), strict=True)]
    cpu_ms = (cpu_s(agenda) - spent) / AT_ONCE * 1000
    print(path, "MiB above idle:", above, "CPU ms:", round(cpu_ms), "bytes:", len(pages[0]))
    assert max(above) <= 60


def test_the_agenda_shows_the_next_ones_and_says_so(ask):
    page = ask("/agenda")
    assert page.count('<li class="task"') == SHOWN_MAX
    assert f"Voici les {SHOWN_MAX} prochaines." in page
    assert "Vous avez 99" in page


def test_the_month_counts_what_it_does_not_show_of_a_day(ask):
    shown = ask("/agenda/month/").count("</b> <span>")
    hidden = sum(map(int, re.findall(r"et (\d+) de plus", ask("/agenda/month/"))))
    assert shown + hidden > 5 * shown
