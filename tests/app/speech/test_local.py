import io
import subprocess
import wave

import pytest

from speech import local, mp3
from speech.errors import SpeechError
from speech.sentences import Part


def spoken(text, language="fr"):
    return local.speak((Part(language, text),))


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_sentence_becomes_mp3(language):
    audio = spoken("Rendre le TP trois, demain à midi.", language)

    assert mp3.is_mp3(audio)
    assert 1.5 < mp3.duration_s(audio) < 6
    assert len(audio) / mp3.duration_s(audio) == pytest.approx(48_000 / 8, rel=0.01)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_slow_takes_longer_and_fast_less(language):
    part = Part(language, "Rendre le TP trois, demain à midi, dans la salle du bas.")
    slow, normal, fast = (
        mp3.duration_s(local.speak((part,), speed=speed)) for speed in ("slow", "normal", "fast")
    )

    assert slow > 1.2 * normal > 1.44 * fast


def test_the_samples_are_as_the_encoder_is_told():
    heard = subprocess.run(
        ["espeak-ng", "--stdin", "--stdout"],
        input=b"Un.",
        capture_output=True,
        check=True,
        timeout=10,
    ).stdout

    with wave.open(io.BytesIO(heard)) as sound:
        told = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
    assert told == (1, 2, local.SAMPLE_RATE_HZ)
    assert heard.index(b"data") + 8 == local.WAV_HEADER_BYTES


@pytest.mark.parametrize("text", ["-v de --help", "$(reboot)", "<speak>x</speak>", "😀", "漢字"])
def test_hostile_text_is_only_spoken(text):
    assert mp3.is_mp3(spoken(text))


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        pytest.param("un \0 deux trois", "un   deux trois", id="NUL would end the text"),
        pytest.param("[[u~]] deux", "  u~]] deux", id="phonemes would be obeyed"),
    ],
)
def test_special_marks_are_only_text(marked, plain):
    said = spoken(marked)

    assert said == spoken(plain)


def test_the_words_are_in_no_argument_list(monkeypatch):
    seen = []
    run = subprocess.run

    def spy(command, **options):
        seen.extend(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", spy)
    spoken("secret")

    assert seen
    assert "secret" not in " ".join(seen)


def fake_espeak(folder, script):
    program = folder / "espeak-ng"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        pytest.param("exit 1", "CalledProcessError", id="it fails"),
        pytest.param("exec sleep 60", "TimeoutExpired", id="it hangs"),
        pytest.param("cat >/dev/null", "nothing to say", id="it says nothing"),
    ],
)
def test_a_broken_voice_is_an_error_that_says_why(monkeypatch, tmp_path, script, problem):
    monkeypatch.setenv("PATH", fake_espeak(tmp_path, script), prepend=":")
    monkeypatch.setattr(local, "TIMEOUT_S", 0.2)

    with pytest.raises(SpeechError, match=problem):
        spoken("Bonjour")


def test_a_machine_without_the_voice_says_so(monkeypatch, tmp_path):
    assert local.problem() is None
    monkeypatch.setenv("PATH", str(tmp_path))

    assert local.problem() == "espeak-ng is not installed"
    with pytest.raises(SpeechError, match="FileNotFoundError"):
        spoken("Bonjour")
