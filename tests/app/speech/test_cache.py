import errno
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta

import pytest

from speech import cache as cache_module
from speech.cache import GOOGLE_LINE, Cache, Key
from tests.app.speech.google_stand_in import tone_mp3

AUDIO = tone_mp3(seconds=0.4)
# Far from the real clock: the kernel sets access times too, and must not do our work here.
AT = datetime(2030, 11, 24, 9, 0, tzinfo=UTC)
SOON = AT + timedelta(hours=1)


@pytest.fixture
def cache(folder):
    return Cache(folder=folder, secret=b"secret", limit_bytes=10 * 1024 * 1024)


def key(**given):
    said = {"subject": "task", "text": "Bonjour.", "language": "fr", "voice": "local"}
    return Key(**said | given)


def write(cache, written=None, *, audio=AUDIO, expires_at=SOON, at=AT):
    written = written or key()
    with cache.lock(written.subject, limit_s=1.0):
        mark = cache.mark(written.subject)
        cache.write(written, audio, expires_at=expires_at, at=at, mark=mark)


def audios(cache):
    return sorted(path.name for path in cache.folder.glob("*.mp3"))


def test_what_was_written_is_read(cache):
    assert cache.read(key(), at=AT) is None
    write(cache)

    assert cache.read(key(), at=AT) == AUDIO


@pytest.mark.parametrize(
    "other",
    [
        key(subject="another"),
        key(text="Bonsoir."),
        key(language="en"),
        key(voice="google"),
        key(speed="slow"),
    ],
)
def test_other_words_have_other_audio(cache, other):
    write(cache)

    assert cache.read(other, at=AT) is None


def test_the_folder_betrays_neither_task_nor_words(cache):
    write(cache)
    other = Cache(folder=cache.folder, secret=b"other", limit_bytes=0)

    assert "task" not in audios(cache)[0]
    assert cache.name(key()) != other.name(key())
    assert {path.stat().st_mode & 0o777 for path in cache.folder.iterdir()} == {0o600}


def test_audio_is_gone_at_the_instant_of_its_deadline(cache):
    write(cache)

    assert cache.read(key(), at=SOON - timedelta(microseconds=1)) == AUDIO
    assert cache.read(key(), at=SOON) is None
    assert audios(cache) == []


def test_audio_of_a_task_of_next_year_lies_here_for_a_day_at_most(cache):
    write(cache, expires_at=datetime(9999, 12, 31, tzinfo=UTC))

    assert cache.read(key(), at=AT + timedelta(hours=24, seconds=-1)) == AUDIO
    assert cache.read(key(), at=AT + timedelta(hours=24)) is None


def test_audio_that_comes_after_the_deadline_is_not_kept(cache):
    write(cache, expires_at=AT)

    assert audios(cache) == []


@pytest.mark.parametrize("damage", [b"", b"\0" * 5000, b"<html>" * 900])
def test_damaged_audio_is_never_returned(cache, damage):
    write(cache)
    path = cache.folder / cache.name(key())
    status = path.stat()
    path.write_bytes(damage)
    os.utime(path, (status.st_atime, status.st_mtime))

    assert cache.read(key(), at=AT) is None
    assert audios(cache) == []


def test_forgetting_erases_every_audio_of_the_subject_and_no_other(cache):
    for written in [key(), key(voice="google"), key(language="en"), key(subject="other")]:
        write(cache, written)

    cache.forget("task")
    cache.forget("task")

    assert audios(cache) == [cache.name(key(subject="other"))]
    assert cache.mark("task") is None


def test_forgetting_what_was_never_spoken_looks_at_no_other_file(cache, monkeypatch):
    write(cache)
    monkeypatch.setattr(Cache, "_files", lambda _: pytest.fail("looked"))

    cache.forget("never spoken")


def test_the_sweep_finishes_a_forgetting_that_was_killed(cache):
    write(cache)
    cache._lock("task").unlink()  # as far as it came

    assert cache.sweep(at=AT) == 1
    assert audios(cache) == []


def test_audio_still_being_made_when_its_task_is_forgotten_is_not_kept(cache):
    with cache.lock("task", limit_s=1.0):
        mark = cache.mark("task")
    cache.forget("task")
    # The same task is heard again, with new words: a new life, and not the one of the old words.
    write(cache, key(text="Nouveaux mots."))

    cache.write(key(), AUDIO, expires_at=SOON, at=AT, mark=mark)

    assert audios(cache) == [cache.name(key(text="Nouveaux mots."))]


def test_the_sweep_erases_what_is_due_and_nothing_else(cache):
    write(cache, key(subject="due"), expires_at=AT + timedelta(seconds=1))
    write(cache, key(subject="alive"))

    assert cache.sweep(at=AT) == 0
    assert cache.sweep(at=AT + timedelta(seconds=1)) == 1
    assert audios(cache) == [cache.name(key(subject="alive"))]
    assert cache.sweep(at=AT + timedelta(seconds=1)) == 0


def test_the_sweep_removes_what_killed_processes_left(cache):
    write(cache, key(subject="alive"))
    with cache.lock("dead", limit_s=1.0):
        pass
    for name in [".new-killed", GOOGLE_LINE, "stranger.txt"]:
        (cache.folder / name).write_bytes(b"half")
    before = {path.name for path in cache.folder.iterdir()}
    for name in before - {cache.name(key(subject="alive"))}:
        os.utime(cache.folder / name, (AT.timestamp(), AT.timestamp()))

    cache.sweep(at=AT + timedelta(seconds=59))
    assert {path.name for path in cache.folder.iterdir()} == before
    cache.sweep(at=AT + timedelta(minutes=1))
    after = {path.name for path in cache.folder.iterdir()}

    # And the lock of the subject without audio.
    assert before - after == {".new-killed", cache._lock("dead").name}


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda cache: cache.forget("task"), id="forget"),
        pytest.param(lambda cache: cache.sweep(at=SOON), id="sweep"),
        pytest.param(lambda cache: cache._shrink(), id="shrink"),
    ],
)
def test_a_file_that_another_erased_meanwhile_stops_no_work(folder, monkeypatch, caplog, work):
    cache, empty = (Cache(folder=folder, secret=b"", limit_bytes=limit) for limit in (10**9, 0))
    for language in ("fr", "en"):
        write(cache, key(language=language))
    files = Cache._files

    def late(self):
        found = sorted(files(self), key=lambda file: not file.is_audio)
        for file in found[:1]:
            file.path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Cache, "_files", late)
    work(empty)

    assert audios(cache) == []
    assert caplog.messages == []


def test_a_link_that_leads_nowhere_stops_no_sweep(cache):
    write(cache)
    (cache.folder / "loop").symlink_to("loop")

    assert cache.sweep(at=SOON) == 1


def test_the_folder_never_holds_more_than_its_limit(folder):
    cache = Cache(folder=folder, secret=b"secret", limit_bytes=3 * len(AUDIO) + 100)
    for i in range(3):
        write(cache, key(subject=str(i)), at=AT + timedelta(seconds=i))
    # Number 0 is heard again, so number 1 was not heard for longest.
    assert cache.read(key(subject="0"), at=AT + timedelta(seconds=10)) == AUDIO

    write(cache, key(subject="3"), at=AT + timedelta(seconds=11))

    held = [i for i in range(4) if cache.name(key(subject=str(i))) in audios(cache)]
    assert held == [0, 2, 3]


def test_the_sweep_holds_the_limit_too(folder):
    big = Cache(folder=folder, secret=b"secret", limit_bytes=10**9)
    for i in range(4):
        write(big, key(subject=str(i)))

    Cache(folder=folder, secret=b"secret", limit_bytes=2 * len(AUDIO)).sweep(at=AT)

    assert len(audios(big)) == 2


def test_many_subjects_are_forgotten_at_once_and_no_others(cache):
    for subject in ("one", "two", "three"):
        write(cache, key(subject=subject))

    cache.forget_all(["one", "never heard", "three"])

    assert cache.read(key(subject="two"), at=AT) == AUDIO
    assert cache.read(key(subject="one"), at=AT) is None
    assert cache.mark("three") is None
    assert len(audios(cache)) == 1


def test_to_forget_in_a_folder_that_cannot_be_read_is_an_operators_line(cache, monkeypatch, caplog):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)

    cache.forget_all(["one"])

    assert caplog.messages == ["speech cache: Permission denied"]


def test_to_forget_where_nothing_was_heard_is_nothing(cache):
    cache.forget_all(["one", "two"])

    assert list(cache.folder.iterdir()) == []


def test_to_forget_in_a_folder_that_is_gone_is_nothing(cache, caplog):
    shutil.rmtree(cache.folder)

    cache.forget_all(["one"])

    assert caplog.messages == []


BREAD, MILK = ("bread", "with nuts"), ("milk", "cold")


@pytest.mark.parametrize(
    ("now", "kept"),
    [
        pytest.param(dict([BREAD, MILK]), ["both", "bread", "none"], id="all as it was"),
        pytest.param({"bread": "with nuts", "milk": "hot"}, ["bread", "none"], id="other words"),
        pytest.param({"milk": "cold"}, ["none"], id="one is gone"),
        pytest.param({}, ["none"], id="all are gone"),
    ],
)
def test_audio_of_tasks_that_changed_or_are_gone_is_erased_and_no_other(cache, now, kept):
    held = {"none": (), "bread": (BREAD,), "both": (BREAD, MILK)}
    for subject, tasks in held.items():
        write(cache, key(subject=subject, tasks=tasks))
    asked = []

    def words_now(tasks):
        asked.append(tasks)
        return now

    assert cache.erase_changed(words_now) == len(held) - len(kept)
    assert asked == [{"bread", "milk"}]
    assert audios(cache) == sorted(cache.name(key(subject=subject)) for subject in kept)


def test_what_a_file_says_of_which_tasks_is_not_heard(cache):
    write(cache, key(tasks=(BREAD, MILK)))

    assert (cache.folder / cache.name(key())).read_bytes() != AUDIO
    assert cache.read(key(), at=AT) == AUDIO


def test_nobody_is_asked_where_no_audio_says_words_of_a_task(cache):
    write(cache)

    assert cache.erase_changed(lambda _: pytest.fail("asked")) == 0


@pytest.mark.parametrize("damage", [b"", b"{", b"{\xff\n", b"[]\n"])
def test_a_file_that_a_power_cut_damaged_stops_nothing_from_being_erased(cache, damage):
    write(cache, key(subject="gone", tasks=(BREAD,)))
    (cache.folder / cache.name(key(subject="damaged"))).write_bytes(damage)

    assert cache.erase_changed(lambda _: {}) == 1
    assert cache.read(key(subject="damaged"), at=AT) is None


def test_audio_that_goes_while_it_is_asked_about_is_no_event(cache, monkeypatch, caplog):
    write(cache, key(subject="gone", tasks=(BREAD,)))
    files = cache._files()
    cache.forget("gone")
    monkeypatch.setattr(Cache, "_files", lambda _: files)

    assert cache.erase_changed(lambda _: pytest.fail("asked")) == 0
    assert caplog.messages == []


def test_changes_in_a_folder_that_cannot_be_read_are_an_operators_line(cache, caplog):
    shutil.rmtree(cache.folder)

    assert cache.erase_changed(lambda _: {}) == 0
    assert caplog.messages == ["speech cache: No such file or directory"]


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_keeps_nothing_and_breaks_nothing(cache, monkeypatch, caplog):
    monkeypatch.setattr(os, "fdopen", full_disk)

    write(cache)

    assert audios(cache) == []
    assert list(cache.folder.glob(".new-*")) == []
    assert caplog.messages == ["speech cache: No space left on device"]
    assert cache.problem() == f"cannot write in {str(cache.folder)!r}: No space left on device"


def test_a_folder_that_is_gone_breaks_nothing(cache, caplog):
    write(cache)
    shutil.rmtree(cache.folder)

    write(cache)
    cache.forget("task")

    assert cache.read(key(), at=AT) is None
    assert cache.sweep(at=AT) == 0
    assert "No such file" in (cache.problem() or "")
    assert len(caplog.messages) == 1  # the sweep says it; to find nothing is no event


def test_a_folder_that_can_be_written_has_no_problem(cache):
    assert cache.problem() is None
    assert list(cache.folder.iterdir()) == []


def test_audio_that_cannot_be_read_is_as_good_as_none(cache, caplog):
    (cache.folder / cache.name(key())).mkdir()

    assert cache.read(key(), at=AT) is None
    assert caplog.messages == ["speech cache: Is a directory"]


def test_audio_that_cannot_be_erased_is_said(cache, caplog):
    write(cache)
    (cache.folder / f"{cache._hash('task')}.directory").mkdir()

    cache.forget("task")

    assert caplog.messages == ["speech cache: Is a directory"]


def test_files_that_vanish_under_the_sweep_are_no_error(cache, monkeypatch):
    write(cache)

    def vanished(**fields):
        raise FileNotFoundError

    monkeypatch.setattr(cache_module, "_File", vanished)

    assert cache.sweep(at=SOON) == 0


def test_many_writers_readers_and_sweepers_do_each_other_no_harm(cache):
    failures = []

    def work(number):
        for turn in range(15):
            mine = key(subject=str((number + turn) % 4))
            write(cache, mine)
            if cache.read(mine, at=AT) not in {AUDIO, None}:
                failures.append(number)
            if turn % 5 == number % 5:
                cache.forget(mine.subject)
                cache.sweep(at=AT)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert list(cache.folder.glob(".new-*")) == []
