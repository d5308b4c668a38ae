"""Announcements: each once an account, none lost while the server was down, quiet when asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts.models import User
from agenda.forgetting import tasks_forget
from agenda.models import Task
from agenda.reminders import (
    AT_THE_END,
    CUT_OFF,
    LISTENING,
    LONGEST_WAIT,
    MOST_AT_ONCE,
    is_quiet,
    reminders_claim,
    spoken_at,
    steps_due,
)
from agenda.services import TaskInput, task_add, task_edit, task_keep

AT = timezone.now()
DAY, HOUR, TEN = timedelta(days=1), timedelta(hours=1), timedelta(minutes=10)
TICK = timedelta(microseconds=1)
ASK = "/agenda/announcements/"


@pytest.mark.parametrize(
    ("left", "steps"),
    [
        (DAY + TICK, 0),
        (DAY, 1),
        (HOUR + TICK, 1),
        (HOUR, 2),
        (TEN + TICK, 2),
        (TEN, 3),
        (timedelta(0), 3),
    ],
)
def test_a_deadline_has_three_steps(left, steps):
    assert steps_due(left) == steps


def test_said_a_little_late_it_speaks_as_if_on_time():
    deadline_at = AT + TEN
    late = AT + timedelta(minutes=2)
    assert spoken_at(TEN, deadline_at=deadline_at, at=AT + timedelta(seconds=20)) == AT
    assert spoken_at(TEN, deadline_at=deadline_at, at=late) == AT
    assert spoken_at(TEN, deadline_at=deadline_at, at=late + TICK) == late + TICK
    assert spoken_at(TEN, deadline_at=deadline_at, at=AT - TICK) == AT - TICK


@pytest.mark.parametrize(
    ("begins", "ends", "quiet"),
    [
        (time(22), time(7), ["22:00", "23:59", "00:00", "06:59"]),
        (time(12), time(14), ["12:00", "13:59"]),
        (time(0), time(0), []),
        (None, time(7), []),
        (None, None, []),
    ],
)
def test_quiet_hours_may_go_over_midnight(begins, ends, quiet):
    clocks = ["00:00", "06:59", "07:00", "11:59", "12:00", "13:59", "14:00", "22:00", "23:59"]
    found = [c for c in clocks if is_quiet(time.fromisoformat(c), begins=begins, ends=ends)]
    assert sorted(found) == sorted(quiet)


# What a task brings with it


def test_what_is_already_near_when_it_is_written_is_not_announced_at_once(alice):
    for left, step in ((TEN, 3), (timedelta(minutes=20), 2), (timedelta(hours=3), 1), (9 * DAY, 0)):
        given = TaskInput(title="x", deadline_at=AT + left)
        assert task_add(owner_id=alice.pk, given=given, at=AT).announced == step


def test_a_later_deadline_is_announced_anew(alice, add):
    task = add(left=TEN, announced=3)
    task_keep(owner_id=alice.pk, task_id=task.id, seen_at=task.deadline_at, at=AT)
    task.refresh_from_db()
    assert task.announced == steps_due(task.deadline_at - AT) < 3
    task_edit(task=task, given=TaskInput(title="x", deadline_at=AT + 2 * HOUR), at=AT)
    task.refresh_from_db()
    assert task.announced == 1
    task_edit(task=task, given=TaskInput(title="y", deadline_at=task.deadline_at), at=AT + HOUR)
    task.refresh_from_db()
    assert task.announced == 1


# Claiming


def claimed(user, at, since=None):
    user.refresh_from_db()
    return reminders_claim(user, at=at, since=since)


def test_each_step_is_claimed_once(alice, add):
    task = add(deadline_at=AT + DAY + HOUR)
    found = []
    for minutes in range(0, 25 * 60 + 5, 5):
        at = AT + timedelta(minutes=minutes)
        for _tab in range(2):
            found += [(due.lead, minutes) for due in claimed(alice, at, since=at).due]
    assert found == [(DAY, 60), (HOUR, 24 * 60), (TEN, 24 * 60 + 50)]
    assert task.deadline_at == Task.objects.get().deadline_at


def test_at_the_deadline_itself_it_is_said_in_the_last_seconds_and_once(alice, add):
    """Also of a task that was written less than ten minutes before."""
    written_at = AT - timedelta(minutes=4)
    given = TaskInput(title="soon", deadline_at=AT)
    task_add(owner_id=alice.pk, given=given, at=written_at)
    assert claimed(alice, written_at).due == ()
    almost = claimed(alice, AT - AT_THE_END - timedelta(seconds=9))
    assert (almost.due, almost.wait) == ((), timedelta(seconds=9))
    for at, leads in ((AT - AT_THE_END, [timedelta(0)]), (AT - TICK, []), (AT, [])):
        assert [due.lead for due in claimed(alice, at).due] == leads
    # Nor is a task announced that was written in its own last seconds.
    task_add(owner_id=alice.pk, given=given, at=AT - TICK)
    assert claimed(alice, AT - TICK).due == ()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("180 30", [(180, 60), (30, 210)]),
        ("10080 5", [(10080, 0), (5, 235)]),
        ("0", [(0, 240)]),
        ("", []),
    ],
)
def test_each_user_has_lead_times_of_their_own(alice, add, chosen, said):
    """Asked every minute in the last four hours of a task that was written long ago."""
    User.objects.update(announce_minutes=chosen)
    add(deadline_at=AT + 4 * HOUR, announced_at=AT - 30 * DAY)
    found = []
    for minutes in [*range(240), 239 + 55 / 60]:
        at = AT + timedelta(minutes=minutes)
        due = claimed(alice, at, since=at).due
        found += [(one.lead // timedelta(minutes=1), round(minutes)) for one in due]
    assert found == said


def test_who_chooses_another_lead_time_hears_nothing_twice(alice, add):
    add(deadline_at=AT + 2 * HOUR, announced_at=AT - DAY)
    assert [due.lead for due in claimed(alice, AT + HOUR).due] == [HOUR]
    User.objects.update(announce_minutes="180 60 30")
    assert claimed(alice, AT + HOUR + TICK).due == ()
    assert [due.lead for due in claimed(alice, AT + HOUR + 3 * TEN).due] == [3 * TEN]


@pytest.mark.parametrize(
    ("announced", "said"), [(0, [HOUR, TEN]), (1, [HOUR, TEN]), (2, [TEN]), (3, [])]
)
def test_what_the_release_before_said_is_not_said_again(alice, add, announced, said):
    """And what is said here is counted as that release counts, for the way back to it."""
    add(deadline_at=AT + HOUR, announced=announced, announced_at=None)
    found = [due.lead for at in (AT, AT + 5 * TEN) for due in claimed(alice, at).due]
    assert found == said
    assert Task.objects.get().announced == 3


def test_the_page_is_told_when_to_ask_again(alice, add):
    assert claimed(alice, AT).wait == LONGEST_WAIT
    add(deadline_at=AT + HOUR + timedelta(seconds=20), announced=1)
    assert claimed(alice, AT).wait == timedelta(seconds=20)
    add(deadline_at=AT + HOUR + timedelta(milliseconds=1), announced=1)
    assert claimed(alice, AT).wait == timedelta(seconds=1)


def test_many_at_once_come_a_few_at_a_time_soonest_first(alice, add):
    for n in range(MOST_AT_ONCE + 2):
        add(f"t{n}", deadline_at=AT + timedelta(minutes=n + 1))
    first, second = claimed(alice, AT), claimed(alice, AT)
    assert [due.task.title for due in first.due] == [f"t{n}" for n in range(MOST_AT_ONCE)]
    assert first.wait == timedelta(seconds=1)
    assert len(second.due) == 2


def test_nothing_is_claimed_for_what_is_gone_or_anothers(alice, bob, add):
    add(deadline_at=AT)
    add(deadline_at=AT + TEN, removed_at=AT)
    add(deadline_at=AT + TEN, owner=bob)
    assert not claimed(alice, AT).due


def test_quiet_hours_claim_nothing_and_end(alice, add):
    local = timezone.localtime(AT)
    alice.quiet_from = (local - timedelta(minutes=30)).time()
    alice.quiet_until = (local + timedelta(minutes=30)).time()
    alice.save()
    add(deadline_at=AT + HOUR)
    assert not claimed(alice, AT, since=AT).due
    assert [due.lead for due in claimed(alice, AT + timedelta(minutes=31), since=AT).due] == [HOUR]


@pytest.mark.django_db(transaction=True)
def test_of_many_pages_that_ask_at_once_one_is_told(mariadb, alice):
    given = TaskInput(title="race", deadline_at=AT + TEN + HOUR)
    for _ in range(3):
        task_add(owner_id=alice.pk, given=given, at=AT)

    def ask(_tab):
        try:
            return len(reminders_claim(alice, at=AT + HOUR, since=AT + HOUR).due)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pages:
        assert sum(pages.map(ask, range(24))) == 3


# After a cut


def test_what_came_due_while_the_server_was_down_is_said_afterwards(alice, add):
    add("still time", deadline_at=AT + timedelta(minutes=40), announced=1)
    heard = claimed(alice, AT, since=AT - HOUR)
    assert [(due.task.title, due.lead) for due in heard.due] == [("still time", HOUR)]
    assert (heard.reminders, heard.forgotten) == (0, 0)


def test_steps_that_fell_into_the_cut_are_counted(alice, add):
    add(deadline_at=AT + TEN, announced=1)
    heard = claimed(alice, AT, since=AT - HOUR)
    assert ([due.lead for due in heard.due], heard.reminders) == ([TEN], 1)


def test_of_the_steps_that_were_skipped_those_in_the_cut_count(alice, add):
    """The hour's step fell fifty minutes ago, the day's before that."""
    add(deadline_at=AT + TEN)
    add(deadline_at=AT + TEN)
    since = AT - timedelta(minutes=50)
    assert claimed(alice, AT, since=since - TICK).reminders == 2
    Task.objects.update(announced=0, announced_at=None)
    assert claimed(alice, AT, since=since).reminders == 0


@pytest.mark.parametrize("purged", [True, False], ids=["already erased", "not yet erased"])
def test_what_was_forgotten_unheard_in_the_cut_is_counted_once(alice, add, purged):
    before = AT - HOUR
    claimed(alice, before)  # a page listens
    add("a", deadline_at=AT - timedelta(minutes=20), announced=2)
    add("b", deadline_at=AT - timedelta(minutes=10), announced=2)
    add("heard", deadline_at=AT - timedelta(minutes=10), announced=3)
    add("removed", deadline_at=AT - timedelta(minutes=10), announced=2, removed_at=before)
    if purged:
        tasks_forget(at=AT)
    fresh = claimed(alice, AT)
    tabs = [claimed(alice, AT, since=before).forgotten for _ in range(2)]
    tasks_forget(at=AT)
    later = claimed(alice, AT + HOUR, since=AT)
    assert (fresh.forgotten, tabs, later.forgotten) == (0, [2, 0], 0)


def test_of_two_pages_that_come_back_at_once_one_is_told_what_was_missed(alice):
    User.objects.update(forgotten_unheard=2)
    pages = [User.objects.get(pk=alice.pk) for _ in range(2)]
    told = [reminders_claim(user, at=AT, since=AT - HOUR).forgotten for user in pages]
    assert told == [2, 0]


def test_the_one_of_a_series_that_was_missed_counts_too(alice, add):
    claimed(alice, AT - HOUR)
    local = timezone.localtime(AT)
    add(
        deadline_at=AT - TEN,
        repeat="daily",
        repeat_from=local.date(),
        repeat_time=(local - TEN).time(),
    )
    tasks_forget(at=AT)
    assert claimed(alice, AT, since=AT - HOUR).forgotten == 1


def test_without_a_cut_nothing_was_missed(alice, add):
    claimed(alice, AT - HOUR)
    add(deadline_at=AT - TEN, announced=2)
    tasks_forget(at=AT)
    assert claimed(alice, AT, since=AT - CUT_OFF).forgotten == 0
    assert claimed(alice, AT, since=AT - HOUR).forgotten == 0


def test_a_page_that_listens_all_day_writes_once(alice):
    for hours in range(24):
        reminders_claim(alice, at=AT + hours * HOUR, since=None)
        alice.refresh_from_db()
        assert alice.listened_at == AT
    reminders_claim(alice, at=AT + 25 * HOUR, since=None)
    alice.refresh_from_db()
    assert alice.listened_at == AT + 25 * HOUR


def test_an_account_without_pages_is_not_counted_for(alice, add):
    add(deadline_at=AT - TEN)
    tasks_forget(at=AT)
    alice.refresh_from_db()
    assert alice.forgotten_unheard == 0
    User.objects.update(listened_at=AT - LISTENING)
    add(deadline_at=AT - TEN)
    tasks_forget(at=AT)
    alice.refresh_from_db()
    assert alice.forgotten_unheard == 0


@pytest.mark.parametrize("repeat", ["", "daily"])
@pytest.mark.parametrize(
    ("task", "counted"),
    [
        ({"announced": 2}, 1),
        ({"announced": 3}, 0),
        ({"announced": 2, "removed_at": AT - TEN}, 0),
        ({"announced": 3, "removed_at": AT - TEN}, 0),
        ({"announced_at": AT - 2 * TEN}, 0),
        ({"announced_at": AT - 2 * TEN - timedelta(seconds=1)}, 1),
    ],
    ids=[
        *("unheard", "heard", "taken away unheard", "taken away"),
        *("heard at the last step", "heard before it"),
    ],
)
def test_only_what_nobody_heard_or_took_away_counts_as_missed(alice, add, repeat, task, counted):
    User.objects.update(listened_at=AT)
    series = {"repeat_from": AT.date(), "repeat_time": AT.time()} if repeat else {}
    add(deadline_at=AT - TEN, repeat=repeat, **series, **task)
    tasks_forget(at=AT)
    alice.refresh_from_db()
    assert alice.forgotten_unheard == counted


@pytest.mark.parametrize(
    ("chosen", "counted"), [("60 10", 1), ("60", 0), ("60 0", 0), ("0", 1), ("", 0)]
)
@pytest.mark.parametrize("purged", [True, False])
def test_what_counts_as_missed_is_the_last_reminder_that_one_chose(
    alice, add, purged, chosen, counted
):
    """The deadline's own words come when it is too late to be reminded; who chose them alone has
    no other. Something was said half an hour before.
    """
    User.objects.update(listened_at=AT - HOUR, announce_minutes=chosen)
    add(deadline_at=AT - TEN, announced_at=AT - 4 * TEN)
    if purged:
        tasks_forget(at=AT)
    # Who wants to hear nothing is told nothing.
    assert claimed(alice, AT, since=AT - HOUR).forgotten == counted


# Over HTTP


def test_a_page_gets_sentence_sound_and_the_way_to_keep(page, add):
    add("Rendre le TP3", left=timedelta(minutes=9, seconds=50))
    answer = page.post(ASK, {"since": ""}).json()
    [one] = answer["say"]
    text = 'Last reminder: "Rendre le TP trois" will be forgotten in ten minutes.'
    assert one["text"] == f"{text} Press G to keep it."
    sound = page.get(one["sound"])
    assert (sound.status_code, sound["Content-Type"]) == (200, "audio/mpeg")
    assert page.post(one["keep"], {"seen": one["seen"]}).status_code == 302
    assert Task.objects.get().deadline_at > timezone.now() + timedelta(hours=20)
    assert page.post(ASK, {"since": answer["now"]}).json()["say"] == []


def test_in_french_the_last_call_names_the_key(page, alice, add):
    alice.language = "fr"
    alice.save()
    add("Rendre le TP3", left=timedelta(minutes=9, seconds=50))
    [one] = page.post(ASK, {"since": ""}).json()["say"]
    expected = "Dernier rappel : « Rendre le TP trois » sera oubliée dans dix minutes."
    assert one["text"].replace("\u00a0", " ") == f"{expected} Touche G pour garder."


def test_a_cut_is_told_in_one_sentence(page, alice, add):
    page.post(ASK, {"since": ""})
    add(left=timedelta(minutes=9), announced=1)
    add(left=-timedelta(minutes=1), announced=2)
    since = (timezone.now() - timedelta(hours=2)).isoformat()
    say = page.post(ASK, {"since": since}).json()["say"]
    assert say[0]["text"] == "While I was away, one reminder was missed and one task was forgotten."
    assert page.get(say[0]["sound"])["X-Agenda-Voice"] == "local"
    assert "keep" not in say[0]
    assert len(say) == 2


@pytest.mark.parametrize(
    "since", ["", "soon", "2026-11-24T10:00:00", "9999-01-01T00:00:00+00:00", "\x00", "x" * 999]
)
def test_a_since_that_is_none_is_a_page_just_opened(page, alice, since):
    User.objects.update(forgotten_unheard=5)
    answer = page.post(ASK, {"since": since})
    assert (answer.status_code, answer.json()["say"]) == (200, [])


@pytest.mark.parametrize("path", ["0/0", "1001/0", "999999999999999999/1"])
def test_a_sound_of_nothing_missed_is_404(page, path):
    assert page.get(f"{ASK}missed/{path}/speech.mp3").status_code == 404


@pytest.mark.parametrize("minutes", [1, 11, 99999, 10**18])
def test_a_sound_of_no_lead_time_is_404(page, add, minutes):
    assert page.get(f"/agenda/tasks/{add().id}/announcement/{minutes}.mp3").status_code == 404


def test_nobody_hears_or_claims_anothers(page, add, bob, alice):
    theirs = add("secret", owner=bob, left=TEN)
    assert page.post(ASK, {"since": ""}).json()["say"] == []
    assert page.get(f"/agenda/tasks/{theirs.id}/announcement/10.mp3").status_code == 404
    assert Client().post(ASK).status_code == 302
    assert page.get(ASK).status_code == 405
    assert Client(enforce_csrf_checks=True).post(ASK).status_code == 403


def test_words_of_a_private_task_stay_here(alice, add):
    from agenda.spoken import reminder_utterance  # noqa: PLC0415 - beside its only use

    alice.voice = "google"
    for is_private in (True, False):
        task = add(is_private=is_private)
        words = reminder_utterance(task, lead=DAY, at=AT, user=alice, language="fr")
        assert words.private is is_private


@pytest.mark.parametrize(("tasks", "questions"), [(0, 3), (300, 3)])
def test_asking_costs_the_same_few_questions(
    page, add, django_assert_max_num_queries, tasks, questions
):
    for n in range(tasks):
        add(f"t{n}", left=HOUR + timedelta(minutes=n), announced=1)
    page.post(ASK, {"since": ""})
    with django_assert_max_num_queries(questions):
        page.post(ASK, {"since": timezone.now().isoformat()})


def test_at_the_deadline_the_page_gets_its_own_words(page, alice, add):
    add("Rendre le TP3", left=timedelta(seconds=9))
    [one] = page.post(ASK, {"since": ""}).json()["say"]
    expected = 'It is time: "Rendre le TP trois" is about to be forgotten. Press G to keep it.'
    assert one["text"] == expected
    assert page.get(one["sound"]).status_code == 200
    assert page.post(one["keep"], {"seen": one["seen"]}).status_code == 302
    User.objects.update(language="fr")
    Task.objects.update(deadline_at=timezone.now() + AT_THE_END, announced_at=None)
    [one] = page.post(ASK, {"since": ""}).json()["say"]
    expected = "C'est l'heure : « Rendre le TP trois » va être oubliée. Touche G pour garder."
    assert one["text"].replace("\u00a0", " ") == expected


def test_only_the_last_reminder_and_the_deadline_offer_to_keep(page, alice, add):
    User.objects.update(announce_minutes="60 30 0")
    for left in (HOUR, 3 * TEN, AT_THE_END):
        add(left=left, announced_at=timezone.now() - DAY)
    say = page.post(ASK, {"since": ""}).json()["say"]
    assert [bool(one["keep"]) for one in say] == [True, True, False]
    assert [one["text"].partition(":")[0] for one in say] == [
        *("It is time", "Last reminder", "Reminder")
    ]


# On the account page


def test_lead_times_are_kept_and_shown(page, alice):
    content = page.get("/agenda/account/").content.decode()
    assert content.count("checked") == 5  # four of them, and the single keys
    page.post("/agenda/account/", {"announce_minutes": ["30", "0"]})
    alice.refresh_from_db()
    assert alice.announce_minutes == "30 0"
    content = page.get("/agenda/account/").content.decode()
    assert content.count("checked") == 2
    assert page.post("/agenda/account/", {"announce_minutes": ["7"]}).status_code == 422
    page.post("/agenda/account/", {"language": ""})  # of the release before, open at the switch
    alice.refresh_from_db()
    assert alice.announce_minutes == "30 0"
    page.post("/agenda/account/", {"language": "", "voice_speed": "normal"})
    alice.refresh_from_db()
    assert alice.announce_minutes == ""


def test_quiet_hours_are_kept_and_shown(page, alice):
    page.post("/agenda/account/", {"quiet_from": "22:00", "quiet_until": "07:30"})
    alice.refresh_from_db()
    assert (alice.quiet_from, alice.quiet_until) == (time(22), time(7, 30))
    content = page.get("/agenda/account/").content.decode()
    assert 'value="22:00"' in content
    page.post("/agenda/account/", {"quiet_from": "", "quiet_until": ""})
    alice.refresh_from_db()
    assert (alice.quiet_from, alice.quiet_until) == (None, None)


@pytest.mark.parametrize(
    "given",
    [
        {"quiet_from": "22:00"},
        {"quiet_until": "07:00"},
        {"quiet_from": "25:00", "quiet_until": "07:00"},
        {"quiet_from": "late", "quiet_until": "07:00"},
    ],
)
def test_half_or_unreadable_quiet_hours_are_refused(page, alice, given):
    assert page.post("/agenda/account/", given).status_code == 422
    alice.refresh_from_db()
    assert (alice.quiet_from, alice.quiet_until) == (None, None)


def test_the_clock_of_quiet_hours_is_ones_own(alice, add, settings):
    alice.quiet_from, alice.quiet_until = time(3), time(4)
    alice.save()
    at = datetime(2027, 6, 1, 7, 30, tzinfo=timezone.get_current_timezone())  # 2.30 in Cayenne
    add(deadline_at=at + HOUR)
    with timezone.override("America/Cayenne"):
        assert not claimed(alice, at + timedelta(minutes=59), since=at).due
        assert claimed(alice, at, since=at).due
