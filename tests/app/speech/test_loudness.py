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


def steps(*amplitudes):
    """A tenth of a second of each."""
    return array("h", [a for amplitude in amplitudes for a in [amplitude] * (RATE_HZ // 10)])


@pytest.mark.parametrize(
    ("amplitudes", "power"),
    [
        pytest.param([100] * 8, 100**2, id="steady"),
        pytest.param([200, 0, 0, 0], 200**2 / 4, id="one block: its mean"),
        pytest.param([300, 300], 300**2 / 2, id="less than a block"),
        pytest.param([0, *[100] * 6, 0], 0.9 * 100**2, id="a block begins each tenth"),
        pytest.param([100, *[0] * 20], 100**2 / 4, id="silence is a pause"),
        pytest.param([0], 0, id="nothing but silence"),
    ],
)
def test_what_is_no_pause_is_measured_in_blocks_of_four_tenths(amplitudes, power):
    assert loudness._power(steps(*amplitudes), rate_hz=RATE_HZ) == pytest.approx(power)


@pytest.mark.parametrize(("quiet", "is_pause"), [(78, True), (80, False)])
def test_ten_decibels_below_the_mean_it_is_a_pause(quiet, is_pause):
    """Of 44 blocks one is loud, three partly, 40 quiet: a tenth of their mean is 79.2 squared."""
    found = loudness._power(steps(*[1000] * 4, *[quiet] * 43), rate_hz=RATE_HZ)
    loud = 2.5 * 1000**2 + 1.5 * quiet**2
    assert found == pytest.approx(loud / 4 if is_pause else (loud + 40 * quiet**2) / 44)


def test_above_the_knee_a_sample_grows_less_and_less_on_both_sides():
    knee, ceiling = loudness.KNEE, loudness.CEILING
    grown = [loudness._limited(knee + step) for step in (0, 1000, 2000, 3000, 100_000)]
    assert grown[0] == knee
    assert grown[1] == pytest.approx(knee + 1000, rel=0.01)
    assert grown == sorted(grown)
    assert grown[3] - grown[2] < grown[2] - grown[1] < 1000
    assert grown[-1] == pytest.approx(ceiling)
    assert loudness._limited(-knee - 2000) == -grown[2]


def test_the_level_the_knee_and_the_ceiling_are_these():
    """Of a voice at 1500: below the knee each sample is 3.9 times as large, above it less."""
    samples = [1500, 2000, 3000, 4000, 5000, -7000, 12000, 30000]
    levelled = loudness.levelled(steps(*[1500] * 8) + array("h", samples), rate_hz=RATE_HZ)

    assert list(levelled[-8:]) == [5821, 7762, 11642, 15523, 19312, -24175, 25993, 26029]


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
@pytest.mark.parametrize("silence", [RATE_HZ, RATE_HZ + 1])
def test_what_can_be_heard_is_kept(last, kept, silence):
    samples = array("h", [1000, *[0] * 99, last, *[0] * silence])

    end = 101 if kept else 1
    assert len(loudness.trimmed(samples, rate_hz=RATE_HZ)) == end + round(0.12 * RATE_HZ)
