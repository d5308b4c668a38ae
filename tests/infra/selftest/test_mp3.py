"""The witness of audio: it believes whole layer III frames and nothing else."""

from __future__ import annotations

import pytest

from tests.infra.mp3 import NotMp3Error, parse

# MPEG 2, layer III, 48 kbit/s, 24 kHz: 144 bytes for 576 samples.
FRAME = bytes.fromhex("fff364c4") + bytes(140)
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x05" + b"title"


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        pytest.param(FRAME * 3, 3, id="frames alone"),
        pytest.param(ID3 + FRAME, 1, id="a tag before"),
        pytest.param(FRAME * 2 + b"TAG" + bytes(125), 2, id="a tag behind"),
    ],
)
def test_whole_frames_are_counted(data, frames):
    assert parse(data).frames == frames
    assert parse(data).seconds == pytest.approx(frames * 0.024)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>Before you continue</html>", id="a consent page"),
        pytest.param(ID3, id="a tag alone"),
        pytest.param(FRAME * 2 + FRAME[:50], id="a cut frame"),
        pytest.param(FRAME + b"junk" + FRAME, id="something between"),
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(NotMp3Error):
        parse(data)
