import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech import local, loudness
from speech.sentences import Part
from tests.app.speech import loudness_meter as meter

RATE_HZ = local.SAMPLE_RATE_HZ
FRENCH = Part("fr", "Rendre le TP trois, demain à midi.")
ENGLISH = Part("en", "Call the bank, tomorrow at six p.m.")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((FRENCH,), id="French"),
        pytest.param((ENGLISH,), id="English"),
        pytest.param((Part("en", "Call the bank,"), Part("fr", " demain à midi.")), id="both"),
        pytest.param((Part("fr", "Sport, demain à midi."),), id="short"),
        pytest.param(
            (Part("fr", "Dernier rappel : « bilan » sera oubliée dans dix minutes."),), id="long"
        ),
        pytest.param((Part("en", "Untitled, on Tuesday the first of December."),), id="a date"),
    ],
)
def heard(request):
    return meter.decoded(local.speak(request.param))


def test_the_voice_is_as_loud_as_speech_is_elsewhere(heard):
    assert meter.loudness_lufs(heard, RATE_HZ) == pytest.approx(-16, abs=1)


def test_its_peaks_leave_room(heard):
    assert meter.true_peak_dbtp(heard) < -1


def test_little_silence_is_left_behind_it(heard):
    assert 0.05 < meter.tail_s(heard, RATE_HZ) <= 0.15


def test_the_meter_reads_the_tone_of_the_standard():
    """EBU Tech 3341: a sine of 1 kHz at -23 dBFS in two channels is -23 LUFS, in one -26."""
    tone = [10 ** (-23 / 20) * math.sin(2 * math.pi * 997 * at / RATE_HZ) for at in range(RATE_HZ)]

    assert meter.loudness_lufs(tone, RATE_HZ) == pytest.approx(-26, abs=0.1)
    assert meter.true_peak_dbtp(tone) == pytest.approx(-23, abs=0.1)


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=60))
def test_whatever_is_said_stays_below_the_ceiling(samples):
    levelled = loudness.levelled(array("h", samples * 100), rate_hz=RATE_HZ)

    assert len(levelled) == len(samples) * 100
    assert all(abs(sample) <= loudness.CEILING for sample in levelled)


def test_silence_stays_silence():
    silence = array("h", [0] * 100)

    assert loudness.levelled(silence, rate_hz=RATE_HZ) == silence
    assert not loudness.trimmed(silence, rate_hz=RATE_HZ)
    assert not loudness.levelled(array("h"), rate_hz=RATE_HZ)


def test_pauses_count_for_nothing():
    """A sentence with a pause in it is no louder than one without."""
    spoken = array("h", [int(3000 * math.sin(at / 5)) for at in range(RATE_HZ)])
    pause = array("h", [0] * RATE_HZ * 3)

    steady = loudness.levelled(spoken * 4, rate_hz=RATE_HZ)
    broken = loudness.levelled(spoken * 2 + pause + spoken * 2, rate_hz=RATE_HZ)

    assert max(broken) == pytest.approx(max(steady), rel=0.07)


@pytest.mark.parametrize(("last", "kept"), [(33, True), (-33, True), (32, False), (-32, False)])
def test_what_can_be_heard_is_kept(last, kept):
    samples = array("h", [1000, *[0] * 99, last, *[0] * RATE_HZ])

    end = 101 if kept else 1
    assert len(loudness.trimmed(samples, rate_hz=RATE_HZ)) == end + round(0.12 * RATE_HZ)
