import logging
import threading

import pytest

from speech.errors import GoogleError
from speech.google_line import WAITING_ROOM, Caller

LIMIT_S = 5.0


class Slow:
    """A call that goes on until it is let go."""

    def __init__(self):
        self.began, self.may_end, self.times = threading.Event(), threading.Event(), 0

    def __call__(self):
        self.times += 1
        self.began.set()
        assert self.may_end.wait(LIMIT_S)
        return b"audio"


@pytest.fixture
def slow():
    call = Slow()
    yield call
    call.may_end.set()


def test_the_answer_comes_from_a_thread_that_keeps_no_process_alive():
    def name():
        thread = threading.current_thread()
        return f"{thread.name} {thread.daemon}".encode()

    assert Caller().ask("key", name).result(LIMIT_S) == b"google-caller True"


def test_those_who_want_the_same_words_share_one_call(slow):
    caller = Caller()
    futures = [caller.ask("key", slow) for _ in range(5)]
    slow.may_end.set()

    assert [future.result(LIMIT_S) for future in futures] == [b"audio"] * 5
    assert slow.times == 1


def test_what_was_answered_is_asked_anew():
    caller = Caller()

    assert caller.ask("key", lambda: b"1").result(LIMIT_S) == b"1"
    assert caller.ask("key", lambda: b"2").result(LIMIT_S) == b"2"


def test_the_waiting_room_refuses_rather_than_grows(slow):
    caller = Caller()
    caller.ask("first", slow)
    assert slow.began.wait(LIMIT_S)
    waiting = [caller.ask(number, lambda: b"") for number in range(WAITING_ROOM)]

    assert None not in waiting
    assert caller.ask("one too many", lambda: b"") is None


def test_one_call_at_a_time(slow):
    caller = Caller()
    caller.ask("first", slow)
    second = caller.ask("second", lambda: b"second")
    assert slow.began.wait(LIMIT_S)

    assert not second.done()
    slow.may_end.set()
    assert second.result(LIMIT_S) == b"second"


def test_lateness_is_that_of_the_present_call(slow):
    now_s = [100.0]
    caller = Caller(clock=lambda: now_s[0])
    assert not caller.is_late(2.5)
    future = caller.ask("key", slow)
    assert slow.began.wait(LIMIT_S)

    assert not caller.is_late(2.5)
    now_s[0] += 2.5
    assert not caller.is_late(2.5)
    now_s[0] += 0.1
    assert caller.is_late(2.5)
    slow.may_end.set()
    future.result(LIMIT_S)
    assert not caller.is_late(2.5)


@pytest.mark.parametrize(
    ("error", "level"), [(GoogleError("429"), logging.INFO), (KeyError("bug"), logging.ERROR)]
)
def test_a_failed_call_is_logged_and_the_thread_lives_on(caplog, error, level):
    def fail():
        raise error

    caller = Caller()
    with caplog.at_level(logging.INFO, logger="speech"):
        assert caller.ask("key", fail).result(LIMIT_S) is None
        assert caller.ask("key", lambda: b"well").result(LIMIT_S) == b"well"

    assert [record.levelno for record in caplog.records] == [level]


def test_a_fork_starts_a_thread_of_its_own():
    caller = Caller()
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    caller._thread = ended  # as a forked child finds it: not alive

    assert caller.ask("key", lambda: b"audio").result(LIMIT_S) == b"audio"
