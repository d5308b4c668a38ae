"""The level of this machine's voice, as one hears it: what EBU R 128 asks for, for speech. Pure.

Samples are 16 bits, one channel. espeak-ng speaks French at -22 LUFS and English at -20, with peaks
18 dB above that and 0.36 s of silence behind: beside Google's voice it is hardly heard.
"""

from __future__ import annotations

import math
import operator
from array import array

FULL_SCALE = 32768
# What is asked for is -16 LUFS in the MP3. It is measured without the filter of BS.1770, which adds
# 0.75 dB (0.6 to 0.9) to espeak-ng's voices; the limiter and LAME take away 1.6.
LEVEL_DB = -15.15
# Above the knee a peak grows less and less, never to the ceiling: true peaks stay below -1 dBTP.
CEILING = FULL_SCALE * 10 ** (-2 / 20)
KNEE = FULL_SCALE * 10 ** (-6 / 20)
# Below this nothing is heard: -60 dB.
SILENCE = 33
TAIL_S = 0.12
# A block of BS.1770 is four tenths of a second, one begins each tenth; 10 dB below their mean it
# is a pause.
TENTHS_A_BLOCK = 4
PAUSE = 10


def trimmed(samples: array[int], *, rate_hz: int) -> array[int]:
    """Return `samples` without the silence behind them, but TAIL_S; LAME adds up to 0.03 s."""
    end = len(samples)
    while end and abs(samples[end - 1]) < SILENCE:
        end -= 1
    return samples[: end + round(TAIL_S * rate_hz)] if end else samples[:0]


def levelled(samples: array[int], *, rate_hz: int) -> array[int]:
    """Return `samples` as loud as all others, whatever the voice; of silence, silence."""
    power = _power(samples, rate_hz=rate_hz)
    if not power:
        return samples
    gain = 10 ** (LEVEL_DB / 20) * FULL_SCALE / math.sqrt(power)
    knee = KNEE / gain
    return array(
        "h", [round(s * gain if -knee < s < knee else _limited(s * gain)) for s in samples]
    )


def _power(samples: array[int], *, rate_hz: int) -> float:
    """The mean square of what is no pause."""
    tenth = rate_hz // 10
    parts = [samples[at : at + tenth] for at in range(0, len(samples), tenth)]
    powers = [sum(map(operator.mul, part, part)) / tenth for part in parts]
    count = max(1, len(powers) - TENTHS_A_BLOCK + 1)
    blocks = [sum(powers[at : at + TENTHS_A_BLOCK]) / TENTHS_A_BLOCK for at in range(count)]
    loud = [block for block in blocks if block > sum(blocks) / count / PAUSE]
    return sum(loud) / len(loud) if loud else 0.0


def _limited(sample: float) -> float:
    room = CEILING - KNEE
    return math.copysign(KNEE + room * math.tanh((abs(sample) - KNEE) / room), sample)
