"""Measures an MP3 as ITU-R BS.1770-4 does: integrated loudness and true peak. mpg123 decodes it."""

from __future__ import annotations

import math
import subprocess
from array import array


def decoded(mp3: bytes) -> list[float]:
    """The samples of an MP3 of one channel, full scale being 1."""
    raw = subprocess.run(
        ["mpg123", "-q", "-s", "-"], input=mp3, capture_output=True, check=True, timeout=30
    ).stdout
    return [sample / 32768 for sample in array("h", raw)]


def loudness_lufs(samples: list[float], rate_hz: int) -> float:
    weighted = _filtered(_filtered(samples, _shelf(rate_hz)), _high_pass(rate_hz))
    step = rate_hz // 10
    powers = [
        sum(sample * sample for sample in weighted[at : at + 4 * step]) / (4 * step)
        for at in range(0, len(weighted) - 4 * step + 1, step)
    ]
    heard = [power for power in powers if _lufs(power) > -70]
    gate = _lufs(sum(heard) / len(heard)) - 10
    loud = [power for power in heard if _lufs(power) > gate]
    return _lufs(sum(loud) / len(loud))


def true_peak_dbtp(samples: list[float]) -> float:
    """The highest point between samples too, at four times their rate."""
    loudest = max(map(abs, samples))
    near = [at for at, sample in enumerate(samples) if abs(sample) > loudest / 2]
    return 20 * math.log10(
        max(abs(_between(samples, at, quarter / 4)) for at in near for quarter in range(4))
    )


def tail_s(samples: list[float], rate_hz: int) -> float:
    last = max(at for at, sample in enumerate(samples) if abs(sample) > 0.001)
    return (len(samples) - last) / rate_hz


def _lufs(power: float) -> float:
    return -0.691 + 10 * math.log10(power) if power else -math.inf


def _between(samples: list[float], at: int, share: float) -> float:
    """A windowed sinc of 24 points."""
    total = 0.0
    for offset in range(-11, 13):
        x = share - offset
        if 0 <= at + offset < len(samples):
            sinc = 1.0 if not x else math.sin(math.pi * x) / (math.pi * x)
            total += samples[at + offset] * sinc * math.cos(math.pi * x / 26) ** 2
    return total


def _filtered(samples: list[float], taps: tuple[float, float, float, float, float]) -> list[float]:
    b0, b1, b2, a1, a2 = taps
    x1 = x2 = y1 = y2 = 0.0
    found = []
    for x in samples:
        y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
        x1, x2, y1, y2 = x, x1, y, y1
        found.append(y)
    return found


def _shelf(rate_hz: int) -> tuple[float, float, float, float, float]:
    """The head: 4 dB above 1.7 kHz. Figures for any rate, from those of the standard at 48 kHz."""
    k = math.tan(math.pi * 1681.974450955533 / rate_hz)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    return (
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    )


def _high_pass(rate_hz: int) -> tuple[float, float, float, float, float]:
    k = math.tan(math.pi * 38.13547087602444 / rate_hz)
    q = 0.5003270373238773
    a0 = 1 + k / q + k * k
    return 1.0, -2.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0
