"""Adding, editing, removing and restoring tasks, as a browser does."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts.models import User
from agenda.identity import uuid7
from agenda.models import UNDO_WINDOW, Task

NEW = "/agenda/tasks/new/"


def form(**given):
    """What the form sends; times are wall clocks in Paris."""
    later = timezone.localtime() + timedelta(days=2)
    return {
        "title": "Rendre le TP",
        "deadline_at": f"{later:%Y-%m-%d}T18:00",
        "identity": str(uuid7()),
    } | given


def test_a_task_is_added_and_shown(page, alice):
    response = page.post(NEW, form(notes="salle B2.04"), follow=True)
    assert b"Rendre le TP" in response.content
    assert b"salle B2.04" in response.content
    assert Task.objects.get().owner_id == alice.pk


def test_the_same_form_sent_twice_is_one_task(page):
    sent = form()
    for _ in range(2):
        assert page.post(NEW, sent).status_code == 302
    assert Task.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_many_times_at_once_is_one_task(mariadb, alice):
    sent = form(tags="tp", repeat="daily")

    def send(_):
        browser = Client()
        browser.force_login(alice)
        try:
            return browser.post(NEW, sent).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as browsers:
        assert set(browsers.map(send, range(16))) == {302}
    assert Task.objects.count() == 1


def test_going_back_and_writing_something_else_is_another_task(page):
    sent = form()
    page.post(NEW, sent)
    page.post(NEW, sent | {"title": "Autre chose"})
    assert sorted(Task.objects.values_list("title", flat=True)) == ["Autre chose", "Rendre le TP"]


def test_an_identity_of_somebody_elses_task_neither_shows_nor_changes_it(page, add, bob):
    theirs = add("secret", owner=bob)
    page.post(NEW, form(identity=str(theirs.id)))
    theirs.refresh_from_db()
    assert (theirs.title, theirs.owner_id) == ("secret", bob.pk)
    assert Task.objects.count() == 2


@pytest.mark.parametrize("identity", ["", "nonsense", "00000000-0000-4000-8000-000000000000"])
def test_an_unusable_identity_costs_nobody_a_500(page, identity):
    assert page.post(NEW, form(identity=identity)).status_code in {302, 422}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"title": ""}, "Say what is to be done.", id="empty"),
        pytest.param({"title": "   "}, "Say what is to be done.", id="only spaces"),
        pytest.param({"title": "x" * 10_000}, "at most 200 characters", id="10,000 characters"),
        pytest.param({"title": "a\x00b"}, "Null characters", id="null"),
        pytest.param({"deadline_at": ""}, "Say until when.", id="no deadline"),
        pytest.param({"deadline_at": "soon"}, "Write a date and a time", id="no date"),
        pytest.param({"deadline_at": "2020-01-01T10:00"}, "This moment has passed", id="past"),
        pytest.param({"deadline_at": "9999-12-31T23:59"}, "before the year 9999", id="year 9999"),
        pytest.param({"deadline_at": "99999-01-01T00:00"}, "Write a date", id="year 99999"),
        pytest.param(
            {"deadline_at": "0001-01-01T00:00"}, "before the year|has passed", id="year 1"
        ),
        pytest.param({"deadline_at": "2027-03-28T02:30"}, "clocks skip this hour", id="skipped"),
        pytest.param({"deadline_at": "2027-02-30T10:00"}, "Write a date and a time", id="30 Feb"),
        pytest.param({"notes": "x" * 10_001}, "at most 10000 characters", id="long notes"),
    ],
)
def test_bad_input_is_answered_beside_its_field(page, given, said):
    response = page.post(NEW, form(**given))
    assert response.status_code == 422
    assert any(part in response.content.decode() for part in said.split("|")), said
    assert not Task.objects.exists()


def test_every_mistake_is_told_at_once(page):
    wrong = {"title": " ", "deadline_at": "2020-01-01T10:00", "tags": "no$tag"}
    content = page.post(NEW, form(**wrong)).text
    for said in ("Say what is to be done.", "This moment has passed.", "cannot be a tag"):
        assert content.count(said) == 2  # in the list, and beside the field


def test_a_year_long_past_has_passed(page):
    content = page.post(NEW, form(deadline_at="0001-01-01T00:00")).text
    assert "This moment has passed." in content
    assert "before the year 9999" not in content


def test_line_breaks_in_notes_are_counted_as_the_browser_counts_them(page):
    """It lets 10,000 characters be written, and sends each line break as two."""
    notes = ("x" * 99 + "\r\n") * 99 + "x" * 100
    assert page.post(NEW, form(notes=notes)).status_code == 302
    assert len(Task.objects.get().notes) == 10_000


def test_bad_input_keeps_what_was_written(page):
    response = page.post(NEW, form(title="Keep me", deadline_at="nonsense", notes="and me"))
    content = response.content.decode()
    assert all(word in content for word in ("Keep me", "nonsense", "and me"))


@pytest.mark.parametrize(
    "title",
    ["🎉 fête 🇫🇷", "<script>alert(1)</script>", "\u202eright to left", "日本語", "{{ 7*7 }}"],
)
def test_unusual_titles_are_stored_and_shown_as_they_are(page, title):
    response = page.post(NEW, form(title=title), follow=True)
    assert Task.objects.get().title == title
    assert b"<script>alert" not in response.content


def test_a_title_is_one_line(page):
    page.post(NEW, form(title=" Rendre \n le\tTP "))
    assert Task.objects.get().title == "Rendre le TP"


@pytest.mark.parametrize(
    ("language", "written"),
    [("fr", "31/12/2027 18:30"), ("en", "2027-12-31 18:30"), ("fr", "2027-12-31T18:30")],
)
def test_a_deadline_may_be_typed_by_hand(page, alice, language, written):
    alice.language = language
    alice.save()
    page.post(NEW, form(deadline_at=written))
    assert Task.objects.get().deadline_at == datetime(2027, 12, 31, 17, 30, tzinfo=UTC)


def test_times_are_read_and_shown_in_the_users_own_zone(page, alice):
    alice.time_zone = "America/Cayenne"
    alice.save()
    response = page.post(NEW, form(deadline_at="2027-12-31T18:30"), follow=True)
    assert Task.objects.get().deadline_at == datetime(2027, 12, 31, 21, 30, tzinfo=UTC)
    assert b"18:30" in response.content
    assert b"America/Cayenne (UTC-3)" in response.content


def test_a_task_is_edited(page, add):
    task = add("untouched")
    response = page.post(f"/agenda/tasks/{task.id}/", form(title="after"), follow=True)
    assert b"after" in response.content
    assert b"untouched" not in response.content


def seen_on(answer):
    return re.search(r'name="seen" value="([^"]+)"', answer.text)[1]


def test_a_change_made_in_another_tab_is_not_overwritten_unseen(page, add):
    task = add("as it was")
    path = f"/agenda/tasks/{task.id}/"
    first = second = {"seen": seen_on(page.get(path))}
    assert page.post(path, form(title="first tab", **first)).status_code == 302
    refused = page.post(path, form(title="second tab", notes="mine", **second))
    assert refused.status_code == 422
    assert "changed elsewhere" in refused.text
    assert 'value="second tab"' in refused.text
    task.refresh_from_db()
    assert task.title == "first tab"
    again = form(title="second tab", notes="mine", seen=seen_on(refused))
    assert page.post(path, again).status_code == 302
    task.refresh_from_db()
    assert (task.title, task.notes) == ("second tab", "mine")


def test_one_more_day_given_in_another_tab_is_not_taken_back_unseen(page, add):
    task = add("as it was")
    path = f"/agenda/tasks/{task.id}/"
    seen = seen_on(page.get(path))
    page.post(f"{path}keep/", {"seen": task.deadline_at.isoformat()})
    assert page.post(path, form(seen=seen)).status_code == 422


def test_the_edit_page_shows_what_is_saved(page, add):
    task = add("untouched", notes="some notes")
    content = page.get(f"/agenda/tasks/{task.id}/").content.decode()
    assert 'value="untouched"' in content
    assert "some notes" in content
    assert f"{timezone.localtime(task.deadline_at):%Y-%m-%dT%H:%M}" in content


def test_a_removed_task_is_gone_and_can_be_restored(page, add):
    task = add("precious")
    after = page.post(f"/agenda/tasks/{task.id}/remove/", follow=True).content
    assert b"Removed:" in after
    assert f'id="task-{task.id}"'.encode() not in after
    assert page.get(f"/agenda/tasks/{task.id}/").status_code == 404
    after = page.post(f"/agenda/tasks/{task.id}/restore/", follow=True).content
    assert f'id="task-{task.id}"'.encode() in after


def test_a_task_removed_a_while_ago_cannot_be_restored(page, add):
    task = add(removed_at=timezone.now() - UNDO_WINDOW)
    assert page.post(f"/agenda/tasks/{task.id}/restore/").status_code == 404
    assert task.title.encode() not in page.get("/agenda").content


def test_a_removed_task_whose_deadline_passed_cannot_be_restored(page, add):
    task = add("late", left=timedelta(seconds=-1), removed_at=timezone.now())
    assert page.post(f"/agenda/tasks/{task.id}/restore/").status_code == 404
    assert b"late" not in page.get("/agenda").content


PATHS = ["", "remove/", "restore/", "hear/", "speech.mp3"]


def answers(browser, task_id):
    """Every way to reach a task, by GET and by POST."""
    for path in PATHS:
        address = f"/agenda/tasks/{task_id}/{path}"
        yield "GET", address, browser.get(address)
        yield "POST", address, browser.post(address, form())


@pytest.mark.parametrize("whose", ["somebody else's", "expired", "nobody's", "removed long ago"])
def test_what_is_not_yours_or_not_there_is_404(page, add, bob, whose):
    task = {
        "somebody else's": lambda: add("unspoken", owner=bob),
        "expired": lambda: add("unspoken", left=timedelta(0)),
        "nobody's": lambda: Task(id=uuid7()),
        "removed long ago": lambda: add("unspoken", removed_at=timezone.now() - UNDO_WINDOW),
    }[whose]()
    before = list(Task.objects.values())
    for method, address, response in answers(page, task.id):
        assert response.status_code in {404, 405}, (method, address)
        assert b"unspoken" not in response.content
    assert list(Task.objects.values()) == before


def test_a_second_click_on_remove_or_undo_changes_and_breaks_nothing(page, add):
    task = add()
    for act in ("remove", "restore"):
        for _ in range(2):
            response = page.post(f"/agenda/tasks/{task.id}/{act}/", follow=True)
            leads_to = f"/agenda#undo-{task.id}" if act == "remove" else "/agenda"
            assert response.redirect_chain == [(leads_to, 302)]
            assert ('id="task-' in response.text) is (act == "restore")


@pytest.mark.parametrize("whose", ["expired", "removed", "somebody else's"])
def test_words_for_a_task_that_is_gone_can_become_a_new_one(page, add, bob, whose):
    task = {
        "expired": lambda: add("unspoken", left=timedelta(0)),
        "removed": lambda: add("unspoken", removed_at=timezone.now()),
        "somebody else's": lambda: add("unspoken", owner=bob),
    }[whose]()
    sent = form(title="At the last moment", notes="a long note", tags="tp", priority="1")
    response = page.post(f"/agenda/tasks/{task.id}/", sent)
    assert response.status_code == 404
    content = response.text
    for kept in ('value="At the last moment"', "a long note", 'value="tp"', 'action="' + NEW):
        assert kept in content
    assert str(task.id) not in content
    assert "unspoken" not in content
    assert Task.objects.count() == 1


def test_an_hour_that_comes_twice_is_not_moved_by_an_edit_of_something_else(page, add):
    first = datetime(2027, 10, 31, 0, 30, 0, 500, tzinfo=UTC)  # 02:30 in Paris, for the first time
    task = add(deadline_at=first)
    page.post(f"/agenda/tasks/{task.id}/", form(title="other", deadline_at="2027-10-31T02:30"))
    task.refresh_from_db()
    assert (task.title, task.deadline_at) == ("other", first)


def test_nobody_sees_anothers_task_on_the_agenda(page, add, bob):
    add("theirs", owner=bob)
    add("mine")
    content = page.get("/agenda").content
    assert b"mine" in content
    assert b"theirs" not in content


def test_the_agenda_answers_with_and_without_the_slash(page):
    assert [page.get(path).status_code for path in ("/agenda", "/agenda/")] == [200, 200]


def test_the_root_leads_to_the_agenda_without_naming_a_host(client):
    response = client.get("/", HTTP_HOST="localhost:8080")
    assert (response.status_code, response["Location"]) == (302, "/agenda")


@pytest.mark.parametrize("tasks", [0, 3, 60])
def test_the_agenda_asks_the_database_the_same_few_questions(
    page, add, django_assert_max_num_queries, tasks
):
    for n in range(tasks):
        add(f"task {n}")
    with django_assert_max_num_queries(3):
        page.get("/agenda")


@pytest.mark.parametrize("path", ["", "hear/"])
def test_a_tasks_screens_ask_few_questions(page, add, django_assert_max_num_queries, path):
    task = add()
    with django_assert_max_num_queries(3):
        page.get(f"/agenda/tasks/{task.id}/{path}")


def test_a_task_is_heard(page, add):
    task = add("Rendre le TP")
    response = page.get(f"/agenda/tasks/{task.id}/speech.mp3")
    assert response["Content-Type"] == "audio/mpeg"
    assert response["X-Agenda-Voice"] == "local"
    assert response["Cache-Control"] == "private, no-store"
    assert len(response.content) > 1000


@pytest.mark.parametrize(
    ("asked", "status", "length"),
    [
        ("bytes=0-1", 206, 2),
        ("bytes=-10", 206, 10),
        ("bytes=5-", 206, -5),
        ("bytes=0-", 200, 0),
        ("pages=1", 200, 0),
        ("bytes=99999999-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_sound_comes_in_parts_when_asked(page, add, asked, status, length):
    address = f"/agenda/tasks/{add().id}/speech.mp3"
    whole = page.get(address).content
    part = page.get(address, HTTP_RANGE=asked)
    assert part.status_code == status
    if length is not None:
        assert len(part.content) == (length if length > 0 else len(whole) + length)


def test_the_hearing_page_says_whose_voice_it_is(page, add):
    content = page.get(f"/agenda/tasks/{add('Rendre').id}/hear/").content.decode()
    assert "this site&#x27;s own voice" in content or "this site's own voice" in content
    assert "<audio" in content


@pytest.mark.parametrize(
    ("is_private", "said"),
    [(True, "nothing was sent anywhere"), (False, "until Google's has come")],
)
def test_nothing_was_sent_only_when_nothing_is_on_its_way_to_google(
    page, add, settings, is_private, said
):
    settings.AGENDA_SPEECH, settings.AGENDA_GOOGLE_URL = "google", "http://127.0.0.1:9"
    User.objects.update(voice="google")
    content = page.get(f"/agenda/tasks/{add(is_private=is_private).id}/hear/").content.decode()
    assert said in content
    assert content.count("Spoken by this site") == 1


def test_a_screen_reader_is_told_the_language_of_a_title(page, add):
    """WCAG 3.1.2. The page of these tests is in English."""
    content = page.get(f"/agenda/tasks/{add('appeler la banque').id}/hear/").content.decode()
    assert '<span lang="fr">Appeler la banque,</span><span lang="en"> ' in content


def test_without_any_voice_there_is_the_text(page, add, settings):
    settings.AGENDA_SPEECH = "off"
    task = add("Rendre")
    response = page.get(f"/agenda/tasks/{task.id}/speech.mp3")
    assert (response.status_code, response["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert b"Rendre" in response.content
    assert b"<audio" not in page.get(f"/agenda/tasks/{task.id}/hear/").content
    assert b"data-speech" not in page.get("/agenda").content


@pytest.mark.parametrize(
    ("voice", "is_private", "kept_here"),
    [("", False, True), ("local", False, True), ("google", False, False), ("google", True, True)],
)
def test_words_leave_only_when_chosen_and_not_private(alice, add, voice, is_private, kept_here):
    from agenda.spoken import task_utterance  # noqa: PLC0415 - beside its only use

    alice.voice = voice
    words = task_utterance(add(is_private=is_private), at=timezone.now(), user=alice, language="fr")
    assert words.private is kept_here


def test_the_voice_is_asked_for_once_at_the_first_press_where_google_may_speak(
    page, add, alice, settings
):
    settings.AGENDA_SPEECH = "google"
    task = add()
    assert b"Use Google" not in page.get("/agenda").content
    for path in ("/agenda/day/", f"/agenda/tasks/{task.id}/"):
        assert page.get(f"{path}speech.mp3").status_code == 409
        assert b"Use Google" in page.get(f"{path}hear/").content
    here = f"/agenda/tasks/{task.id}/hear/"
    answer = page.post("/agenda/account/voice/", {"voice": "local", "next": here})
    assert answer["Location"] == here
    assert b"Use Google" not in page.get(here).content
    assert page.get(f"/agenda/tasks/{task.id}/speech.mp3").status_code == 200
    alice.refresh_from_db()
    assert alice.voice == "local"


def test_whose_voice_is_not_asked_of_a_private_task(page, add, settings):
    settings.AGENDA_SPEECH = "google"
    task = add(is_private=True)
    assert page.get(f"/agenda/tasks/{task.id}/speech.mp3").status_code == 200


@pytest.mark.parametrize("after", ["https://elsewhere.example/", "//elsewhere.example", ""])
def test_choosing_a_voice_never_leads_elsewhere(page, after):
    answer = page.post("/agenda/account/voice/", {"voice": "local", "next": after})
    assert answer["Location"] == "/agenda"
