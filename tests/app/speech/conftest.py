from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from speech import google as google_client
from speech import services
from speech.google_line import Caller
from speech.sentences import Part
from speech.services import Speech, Utterance
from tests.app.speech.google_stand_in import StandIn


@pytest.fixture
def google() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cache"
    made.mkdir()
    return made


@dataclass
class Site:
    """A site that speaks with the stand-in, and waits a fraction of the real patience for it."""

    settings: Any
    google: StandIn
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    # Now: the calls behind a request look at the real clock.
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def words(self, **changes: Any) -> Utterance:
        fields: dict[str, Any] = {
            "subject": "a-task",
            "parts": (Part("fr", "Rendre le TP trois, demain à midi."),),
            "expires_at": self.at + timedelta(hours=1),
            "private": False,
        }
        if text := changes.pop("text", ""):
            fields["parts"] = (Part("fr", text),)
        return Utterance(**fields | changes)

    def speak(self, **changes: Any) -> Speech:
        return services.speak(self.words(**changes), at=self.at)

    def wait_for_google(self, seconds: float) -> None:
        self.monkeypatch.setattr(services, "PATIENCE_S", seconds)

    def hold_google(self) -> threading.Event:
        """Google's answers come once the returned event is set."""
        may_arrive, fetch = threading.Event(), google_client.fetch

        def late(*args: Any, **options: Any) -> bytes:
            assert may_arrive.wait(5.0)
            return fetch(*args, **options)

        self.monkeypatch.setattr(google_client, "fetch", late)
        return may_arrive

    def drain(self) -> None:
        """Wait until the thread behind the requests has nothing left to do."""
        future = services.CALLER.ask("drained", lambda: b"")
        assert future is not None
        future.result(5.0)

    def kept(self) -> list[str]:
        """The voices on disk."""
        return sorted(path.name.split(".")[2] for path in self.folder.glob("*.mp3"))


@pytest.fixture
def site(settings: Any, folder: Path, google: StandIn, monkeypatch: pytest.MonkeyPatch) -> Site:
    settings.AGENDA_SPEECH = "google"
    settings.AGENDA_GOOGLE_URL, settings.AGENDA_GOOGLE_PROXY = google.url, ""
    settings.AGENDA_SPEECH_CACHE = folder
    settings.AGENDA_SPEECH_CACHE_MIB = 10
    monkeypatch.setattr(services, "CALLER", Caller())
    made = Site(settings=settings, google=google, folder=folder, monkeypatch=monkeypatch)
    made.wait_for_google(0.5)
    return made
