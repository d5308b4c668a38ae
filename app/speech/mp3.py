"""Tell an MP3 from what only pretends to be one. Pure.

Knowledge: ISO 11172-3 and 13818-3, the four bytes that begin each Layer III frame.
"""

from __future__ import annotations

# Less is no speech: a cut response, or an error page.
SMALLEST_BYTES = 1024
HEADER_BYTES = 4
ID3_HEADER_BYTES = 10
LARGEST_FRAME_BYTES = 1441
SYNC = 0x7FF

MPEG_1, MPEG_2, MPEG_25 = 3, 2, 0
LAYER_III = 1
KBIT_PER_S = {
    MPEG_1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    MPEG_2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
KBIT_PER_S[MPEG_25] = KBIT_PER_S[MPEG_2]
RATE_HZ = {
    MPEG_1: (44100, 48000, 32000, 0),
    MPEG_2: (22050, 24000, 16000, 0),
    MPEG_25: (11025, 12000, 8000, 0),
}


def is_mp3(audio: bytes) -> bool:
    """Whether `audio` is one row of Layer III frames from its start to its end."""
    return len(audio) >= SMALLEST_BYTES and duration_s(audio) > 0


def duration_s(audio: bytes) -> float:
    """Return how long `audio` plays; 0.0 when it is not MP3 from its start to its end."""
    at, seconds = _after_tag(audio), 0.0
    while frame := _frame(audio[at : at + HEADER_BYTES]):
        size_bytes, frame_s = frame
        at, seconds = at + size_bytes, seconds + frame_s
    # Less than a frame may be left over: some encoders pad their end.
    return seconds if len(audio) - at < LARGEST_FRAME_BYTES else 0.0


def _after_tag(audio: bytes) -> int:
    """Return where the frames begin: an ID3v2 tag carries its own length, seven bits a byte."""
    if not audio.startswith(b"ID3"):
        return 0
    size = 0
    for byte in audio[6:ID3_HEADER_BYTES]:
        size = size << 7 | byte & 0x7F
    return ID3_HEADER_BYTES + size


def _frame(header: bytes) -> tuple[int, float] | None:
    """Return the size in bytes and the seconds of the frame that begins so, or None."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    if bits >> 21 != SYNC or version not in KBIT_PER_S or layer != LAYER_III:
        return None
    kbit_per_s = KBIT_PER_S[version][bits >> 12 & 15]
    rate_hz = RATE_HZ[version][bits >> 10 & 3]
    if not kbit_per_s or not rate_hz:
        return None
    samples = 1152 if version == MPEG_1 else 576
    padding = bits >> 9 & 1
    return samples // 8 * kbit_per_s * 1000 // rate_hz + padding, samples / rate_hz
