import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from speech import google_line
from speech.errors import GoogleError
from speech.google_line import PAUSE_S


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def call(path, *, now_s, error=None):
    with google_line.google_lock(path, limit_s=0.0, now=lambda: now_s):
        if error is not None:
            raise error


def files_open():
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_free_lock_is_had_at_once(folder):
    with google_line.locked(folder / "a.lock", limit_s=0.0) as descriptor:
        assert descriptor is not None
    assert (folder / "a.lock").stat().st_mode & 0o777 == 0o600


def test_who_has_no_time_does_not_wait(folder):
    clock = Clock()
    with (
        google_line.locked(folder / "a.lock", limit_s=0.0),
        google_line.locked(
            folder / "a.lock", limit_s=0.0, clock=clock, sleep=pytest.fail
        ) as second,
    ):
        assert second is None


def test_a_held_lock_is_waited_for_and_given_up(folder):
    clock = Clock()
    with (
        google_line.locked(folder / "a.lock", limit_s=0.0),
        google_line.locked(
            folder / "a.lock", limit_s=0.5, clock=clock, sleep=clock.sleep
        ) as second,
    ):
        assert second is None
        assert clock.now_s == pytest.approx(0.5, abs=0.03)


def test_a_lock_that_is_let_go_goes_to_who_waits(folder):
    path, clock = folder / "a.lock", Clock()
    first = google_line.locked(path, limit_s=0.0)
    first.__enter__()

    def sleep(seconds):
        clock.sleep(seconds)
        first.__exit__(None, None, None)

    with google_line.locked(path, limit_s=1.0, clock=clock, sleep=sleep) as second:
        assert second is not None


def test_without_a_folder_there_is_no_lock_and_no_error(folder):
    with google_line.locked(folder / "missing" / "a.lock", limit_s=0.0) as descriptor:
        assert descriptor is None


def test_a_killed_process_lets_go_of_its_lock(folder):
    hold = """
        import fcntl, os, sys, time
        descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        print("held", flush=True)
        time.sleep(60)
    """
    path = folder / "a.lock"
    command = [sys.executable, "-c", textwrap.dedent(hold), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with google_line.locked(path, limit_s=0.0) as while_held:
            assert while_held is None
        process.kill()
        process.wait(timeout=10)

    with google_line.locked(path, limit_s=1.0) as afterwards:
        assert afterwards is not None


def test_the_line_to_google_is_one_for_the_machine(folder):
    path = folder / "google.lock"
    with (
        google_line.google_lock(path, limit_s=0.0),
        pytest.raises(GoogleError, match="busy"),
        google_line.google_lock(path, limit_s=0.0),
    ):
        pytest.fail("two on the line")


def test_three_failures_leave_google_alone_for_every_process(folder):
    path = folder / "google.lock"
    for _ in range(3):
        assert google_line.google_is_open(path, now=lambda: 1000.0)
        with pytest.raises(GoogleError, match="gone"):
            call(path, now_s=1000.0, error=GoogleError("gone"))

    assert not google_line.google_is_open(path, now=lambda: 1001.0)
    with pytest.raises(GoogleError, match="left alone"):
        call(path, now_s=1001.0)


def test_to_ask_about_the_line_leaves_no_file_open(folder):
    path = folder / "google.lock"
    call(path, now_s=0.0)
    before = files_open()

    assert google_line.google_is_open(path)

    assert files_open() == before


def test_after_the_pause_one_good_call_opens_it_again(folder):
    path = folder / "google.lock"
    with pytest.raises(GoogleError):
        call(path, now_s=1000.0, error=GoogleError("429", is_refusal=True))
    later_s = 1000.0 + PAUSE_S

    call(path, now_s=later_s)

    for _ in range(2):
        with pytest.raises(GoogleError):
            call(path, now_s=later_s, error=GoogleError("gone"))
    assert google_line.google_is_open(path, now=lambda: later_s)


def test_a_bug_is_not_counted_against_google(folder):
    path = folder / "google.lock"

    with pytest.raises(ZeroDivisionError):
        call(path, now_s=0.0, error=ZeroDivisionError())

    assert path.read_bytes() == b""


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"failures": 3}', b"\0" * 96])
def test_a_damaged_record_counts_as_none(folder, record):
    path = folder / "google.lock"
    path.write_bytes(record)

    assert google_line.google_is_open(path)
    call(path, now_s=0.0)


def test_a_record_keeps_its_length(folder):
    path, lengths = folder / "google.lock", set()
    for error in [GoogleError("1"), GoogleError("2"), GoogleError("3")]:
        with pytest.raises(GoogleError):
            call(path, now_s=1_800_000_000.123456, error=error)
        lengths.add(path.stat().st_size)

    assert lengths == {google_line.RECORD_BYTES}
