"""Is this an MP3 that a browser can play? Pure: walks the frames, decodes nothing."""

from __future__ import annotations

from dataclasses import dataclass

_BITRATES_KBIT = {  # MPEG version: layer III, by index
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LAYER_III = 1
_ID3V1_BYTES = 128


class NotMp3Error(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class Mp3:
    frames: int
    seconds: float


def parse(data: bytes) -> Mp3:
    """Raises NotMp3Error when anything but ID3 tags and whole layer III frames is in `data`."""
    position, frames, seconds = _after_id3(data), 0, 0.0
    end = len(data) - (_ID3V1_BYTES if data[-_ID3V1_BYTES:].startswith(b"TAG") else 0)
    while position < end:
        length, duration = _frame(data, position)
        if position + length > end:
            raise NotMp3Error(
                f"frame {frames} at byte {position} is cut: {end - position} of {length}"
            )
        position, frames, seconds = position + length, frames + 1, seconds + duration
    if not frames:
        raise NotMp3Error(f"no frame in {len(data)} bytes")
    return Mp3(frames, round(seconds, 3))


def _after_id3(data: bytes) -> int:
    if not data.startswith(b"ID3"):
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _frame(data: bytes, position: int) -> tuple[int, float]:
    """Length in bytes and duration in seconds of the frame at `position`."""
    header = int.from_bytes(data[position : position + 4], "big")
    version, layer = header >> 19 & 3, header >> 17 & 3
    bitrate_index, rate_index, padding = header >> 12 & 15, header >> 10 & 3, header >> 9 & 1
    if header >> 21 != 0x7FF or layer != _LAYER_III or version == 1:
        raise NotMp3Error(f"no frame at byte {position}: {data[position : position + 4].hex()}")
    if bitrate_index in {0, 15} or rate_index == 3:
        raise NotMp3Error(f"a frame without bitrate or rate at byte {position}")
    bitrate = _BITRATES_KBIT[1 if version == 3 else 2][bitrate_index] * 1000
    rate = _RATES_HZ[version][rate_index]
    samples = 1152 if version == 3 else 576
    return samples // 8 * bitrate // rate + padding, samples / rate
