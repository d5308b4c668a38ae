"""A row that is filled in says what its template would have said of that very task."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

from django.db import connection
from django.template import engines
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import translation

from agenda import rows

NASTY = "<b>'\"&%(title)s %s {{ 7 }} \x00title\x00 %00tag0%00 é 🎉"


class Rows(HTMLParser):
    """Of each task on a page: the tags with their attributes, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tasks: list[dict] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "li" and attributes.get("class") == "task":
            self.tasks.append({"tags": [], "words": []})
        if self.tasks:
            self.tasks[-1]["tags"].append((tag, attributes))

    def handle_data(self, data):
        if self.tasks and data.strip():
            self.tasks[-1]["words"].append(data.strip())


def rows_on(page, path="/agenda"):
    return Rows(page.get(path).text.split('<p class="zone"')[0]).tasks


def values(row, name):
    return [attributes[name] for _, attributes in row["tags"] if name in attributes]


def test_a_row_says_the_task_s_own_words_and_nothing_of_another(page, add):
    add(NASTY, notes=f"{NASTY}\nline", tags=" été b-2 ", left=timedelta(days=40), priority=2)
    add("plain", left=timedelta(days=41))
    first, second = rows_on(page)
    assert f"{NASTY}\nline" in first["words"]
    assert first["words"].count(NASTY) == 1
    assert first["words"][-3:] == ["urgent", "#été", "#b-2"]
    assert values(first, "aria-label") == [
        f"{act}: {NASTY}" for act in ("Done", "Hear", "Later, or remove")
    ]
    links = [link for link in values(first, "href") if "search" in link]
    assert links == [f"{reverse('search')}?q=%23{name}" for name in ("%C3%A9t%C3%A9", "b-2")]
    assert second["words"][-1] == "plain"


def test_every_address_in_a_row_is_that_task_s(page, add):
    tasks = [add("one"), add("two")]
    for task, row in zip(tasks, rows_on(page), strict=True):
        found = [
            resolve(address.partition("#")[0])
            for name in ("href", "data-speech", "formaction")
            for address in values(row, name)
            if not address.startswith("#")
        ]
        assert {match.kwargs["task_id"] for match in found} == {task.id}
        names = [match.url_name.removeprefix("task-") for match in found]
        assert sorted(names) == ["done", "edit", "edit", "hear", "speech"]


def test_a_page_of_fifty_tasks_is_small_and_asks_three_questions(page, add, alice):
    """Session, user, tasks; and 1.8 kB a task, titles and notes as people write them."""
    alice.language = "fr"  # the longer words
    alice.save()
    empty = len(page.get("/agenda").content)
    for number in range(50):
        add(f"Rendre le TP {number}", notes="Salle B2.04", left=timedelta(hours=1 + number))
    with CaptureQueriesContext(connection) as questions:
        answer = page.get("/agenda")
    assert len(questions) <= 3
    assert (len(answer.content) - empty) / 50 <= 1800


def test_tasks_of_one_shape_ask_their_template_once(page, add, monkeypatch):
    rendered = []
    monkeypatch.setattr(rows, "render_to_string", lambda *given: rendered.append(given) or "<li>")
    rows._filled_in.cache_clear()
    for number in range(9):
        add(f"t{number}", left=timedelta(days=40 + number), priority=number % 3)
    page.get("/agenda")
    page.get("/agenda/search/?q=t")
    rows._filled_in.cache_clear()
    assert len(rendered) == 3


def test_what_is_the_same_for_all_is_kept_by_language_and_holds_nothing_of_anybody():
    part = "{% same_for_all %}{% translate 'Now' %}{{ user }}{% endsame_for_all %}"
    page = engines["django"].from_string("{% load i18n agenda_page %}{{ user }}: " + part)
    for language, word in (("fr", "Maintenant"), ("en", "Now"), ("fr", "Maintenant")):
        with translation.override(language):
            assert page.render({"user": "alice"}) == f"alice: {word}"
