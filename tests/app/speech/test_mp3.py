import pytest

from speech import mp3
from tests.app.speech.google_stand_in import CONSENT, tone_mp3

TONE = tone_mp3(seconds=1.0)
ID3 = b"ID3\x04\x00\x00\x00\x00\x01\x00" + b"\0" * 128
# Flags (an extended header), then a length in which all four bytes have a part.
PICTURE = b"ID3\x04\x00\x40\x01\x02\x03\x04" + b"\0" * (1 << 21 | 2 << 14 | 3 << 7 | 4)
# 32 kbit/s at 44.1 kHz: 104 bytes, 1152 samples.
FRAME = b"\xff\xfb\x10\xc4" + b"\0" * 100


def test_a_second_of_sound_is_about_a_second_long():
    assert mp3.duration_s(TONE) == pytest.approx(1.0, abs=0.15)


def test_mpeg_1_is_read_too():
    assert mp3.duration_s(FRAME * 20) == pytest.approx(20 * 1152 / 44100)


@pytest.mark.parametrize(
    "audio",
    [
        pytest.param(TONE, id="bare frames"),
        pytest.param(ID3 + TONE, id="behind an ID3 tag"),
        pytest.param(PICTURE + TONE, id="behind two megabytes of a picture"),
        pytest.param(TONE + b"TAG" + b"\0" * 125, id="before an ID3v1 tag"),
        pytest.param(TONE + TONE, id="two answers in a row"),
        pytest.param((FRAME * 10)[:1024], id="just long enough"),
    ],
)
def test_mp3_is_accepted(audio):
    assert mp3.is_mp3(audio)


@pytest.mark.parametrize(
    "audio",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(CONSENT, id="a page"),
        pytest.param(TONE[:600], id="too short to be speech"),
        pytest.param((FRAME * 10)[:1023], id="a byte too short"),
        pytest.param(b"\0" * 4000, id="zeros, as after a crash"),
        pytest.param(TONE + CONSENT, id="a page behind good frames"),
        pytest.param(b"RIFF" + b"\0" * 3000, id="a WAV"),
        pytest.param(b"ID3" + b"\x7f" * 4000, id="a tag longer than the file"),
        pytest.param(b"ID3\x04", id="a tag cut short"),
        pytest.param(b"\xff\xf3\x00\xc4" * 500, id="a free bit rate"),
        pytest.param(b"\xff\xf3\x6c\xc4" * 500, id="a reserved sample rate"),
        pytest.param(b"\xff\xeb\x60\xc4" * 500, id="a reserved version"),
        pytest.param(b"\xff\xf5\x60\xc4" * 500, id="Layer II"),
    ],
)
def test_anything_else_is_not(audio):
    assert not mp3.is_mp3(audio)


# ISO 11172-3 and 13818-3, Layer III: kbit/s by index 1 to 14, and Hz by index.
RATES = {
    3: ("32 40 48 56 64 80 96 112 128 160 192 224 256 320", (44100, 48000, 32000), 1152),
    2: ("8 16 24 32 40 48 56 64 80 96 112 128 144 160", (22050, 24000, 16000), 576),
    0: ("8 16 24 32 40 48 56 64 80 96 112 128 144 160", (11025, 12000, 8000), 576),
}


def frames(version, rate, hz, padding, *, size):
    bits = 0x7FF << 21 | version << 19 | 1 << 17 | 1 << 16 | rate << 12 | hz << 10 | padding << 9
    return (bits.to_bytes(4, "big") + b"\0" * (size - 4)) * 20


@pytest.mark.parametrize("version", RATES)
@pytest.mark.parametrize("padding", [0, 1])
def test_every_rate_of_the_standard_is_measured(version, padding):
    kbits, hertz, samples = RATES[version]
    for rate, kbit in enumerate(map(int, kbits.split()), start=1):
        for index, hz in enumerate(hertz):
            size = samples * kbit * 125 // hz + padding
            audio = frames(version, rate, index, padding, size=size)
            # Whole frames only: a wrong length would lose its way before the end.
            assert mp3.duration_s(audio) == pytest.approx(20 * samples / hz)


@pytest.mark.parametrize("version", RATES)
@pytest.mark.parametrize(("rate", "hz"), [(0, 0), (15, 0), (1, 3)])
def test_what_the_standard_reserves_is_no_frame(version, rate, hz):
    reserved = frames(version, rate, hz, 0, size=40)

    assert mp3.duration_s(FRAME * 20 + reserved) == mp3.duration_s(FRAME * 20)


@pytest.mark.parametrize(("left_bytes", "seconds"), [(1440, 20 * 1152 / 44100), (1441, 0.0)])
def test_less_than_the_largest_frame_may_be_left_over(left_bytes, seconds):
    assert mp3.duration_s(FRAME * 20 + b"\0" * left_bytes) == pytest.approx(seconds)
