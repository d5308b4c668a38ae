"""The edge to the voice of this machine: espeak-ng, then MP3 by LAME."""

from __future__ import annotations

import shutil
import subprocess
from array import array

import lameenc

from speech.errors import SpeechError
from speech.loudness import levelled, trimmed
from speech.sentences import Part, Sentence, Speed

TIMEOUT_S = 10.0
# A WAV header of 44 bytes precedes the samples; in a pipe its length fields are not true.
WAV_HEADER_BYTES = 44
SAMPLE_RATE_HZ = 22050
VOICES = {"fr": "fr-fr", "en": "en-gb"}
WORDS_PER_MINUTE = {"slow": "120", "normal": "160", "fast": "205"}


def speak(sentence: Sentence, *, speed: Speed = "normal") -> bytes:
    """Return `sentence` as MP3. Raises SpeechError when espeak-ng is missing, fails or is late."""
    samples = array("h")
    for part in sentence:
        spoken = trimmed(_samples(part, speed), rate_hz=SAMPLE_RATE_HZ)
        samples += levelled(spoken, rate_hz=SAMPLE_RATE_HZ)
    if not samples:
        raise SpeechError("espeak-ng gave no sound: nothing to say in this text")
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(48)
    encoder.set_in_sample_rate(SAMPLE_RATE_HZ)
    encoder.set_channels(1)
    encoder.set_quality(7)
    return bytes(encoder.encode(samples.tobytes())) + bytes(encoder.flush())


def _samples(part: Part, speed: Speed) -> array[int]:
    # The text goes through standard input: an argument list can be read by everyone on the machine.
    voice = VOICES[part.language]
    command = ["espeak-ng", "-v", voice, "-s", WORDS_PER_MINUTE[speed], "--stdin", "--stdout"]
    # [[...]] would be read as phonemes, and nothing after a NUL would be read at all.
    plain = part.text.replace("[[", " ").replace("\0", " ")
    try:
        done = subprocess.run(
            command, input=plain.encode(), capture_output=True, check=True, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SpeechError(f"espeak-ng gave no sound: {type(error).__name__}") from error
    heard = done.stdout[WAV_HEADER_BYTES:]
    return array("h", heard[: len(heard) // 2 * 2])


def problem() -> str | None:
    """Return why this machine has no voice, or None."""
    return None if shutil.which("espeak-ng") else "espeak-ng is not installed"
