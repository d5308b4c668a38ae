import pytest

from speech import mp3
from tests.app.speech.google_stand_in import CONSENT, tone_mp3

TONE = tone_mp3(seconds=1.0)
ID3 = b"ID3\x04\x00\x00\x00\x00\x01\x00" + b"\0" * 128


def test_a_second_of_sound_is_about_a_second_long():
    assert mp3.duration_s(TONE) == pytest.approx(1.0, abs=0.15)


def test_mpeg_1_is_read_too():
    # 32 kbit/s at 44.1 kHz: frames of 104 bytes, 1152 samples each.
    frame = b"\xff\xfb\x10\xc4" + b"\0" * 100

    assert mp3.duration_s(frame * 20) == pytest.approx(20 * 1152 / 44100)


@pytest.mark.parametrize(
    "audio",
    [
        pytest.param(TONE, id="bare frames"),
        pytest.param(ID3 + TONE, id="behind an ID3 tag"),
        pytest.param(TONE + b"TAG" + b"\0" * 125, id="before an ID3v1 tag"),
        pytest.param(TONE + TONE, id="two answers in a row"),
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
