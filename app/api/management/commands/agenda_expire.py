"""Run by agenda-expiry.timer."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection
from django.utils import timezone

from agenda import due, erased, spoken
from agenda.forgetting import tasks_forget
from agenda.models import UNDO_WINDOW, grace, removal_grace
from agenda.trusted_time import doubt, rows_until, sounds_until
from api.services import api_expire, tombstones_add
from speech import services as speech


class Command(BaseCommand):
    help = "Erase what is past its time: tasks, audio, sessions. Harmless to repeat, even at once."
    # The checks would load every page for it. `migrate` makes them.
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        now = timezone.now()
        until = sounds_until(at=now)
        # First, and without the database: sounds go also while it does not answer.
        audio = speech.erase_expired(at=until)
        if not settings.IS_WEB:
            # A host of the REST server alone: rows are erased by others, its sounds by nobody else.
            self._tell_doubt(now, until)
            changed = self._changed()
            self._tell(audio=audio + (changed or 0))
            if changed is not None:
                _note()
            return
        at = rows_until(sounds_until=until)
        self._tell_doubt(now, at)
        audio += spoken.erase_changed()
        from accounts.audit import audit_forget  # noqa: PLC0415 - only the web erases rows
        from accounts.reset import resets_forget  # noqa: PLC0415 - only the web has sign-ins
        from accounts.services import sessions_forget  # noqa: PLC0415 - only the web has sign-ins

        tombstones_add(at=at)
        forgotten = tasks_forget(at=at)
        sessions = sessions_forget(at=at)
        resets_forget(at=at)
        audit_forget(at=at)
        api_expire(at=at)
        erased.prune(at=at)
        if forgotten.is_elsewhere:
            self.stdout.write(f"another run erases the tasks; audio {audio}, sessions {sessions}")
            return
        _note()
        self._tell(tasks=forgotten.tasks, audio=audio, sessions=sessions)

    def _tell(self, **counts: int) -> None:
        """Nothing of nothing: it runs often."""
        if any(counts.values()):
            told = ", ".join(f"{name} {count}" for name, count in counts.items())
            self.stdout.write(f"erased: {told}")

    def _changed(self) -> int | None:
        """A database that is away is its own host's failure, and the web's: not this one's too."""
        try:
            return spoken.erase_changed()
        except OperationalError as error:
            self.stderr.write(
                "sounds go at their deadline alone, the database cannot be used:"
                f" {error.args[-1]}\n"
                "  Next: see why in the database's log; the next run asks again"
            )
            return None

    def _tell_doubt(self, at: datetime, until: datetime) -> None:
        if said := doubt(at=at, until=until):
            self.stderr.write(said)


def _note() -> None:
    """For due.py. A full disk keeps nothing from being erased: the next run is made in any case."""
    if not settings.ERASED_JOURNAL:
        return
    asked = ("host", "port", "unix_socket", "user", "database", "connect_timeout", "read_timeout")
    given = connection.get_connection_params()
    with suppress(OSError):
        due.note(
            Path(settings.ERASED_JOURNAL),
            erases_rows=settings.IS_WEB,
            sounds=str(settings.AGENDA_SPEECH_CACHE),
            grace_s=int(grace().total_seconds()),
            removal_grace_s=int(removal_grace().total_seconds()),
            undo_s=int(UNDO_WINDOW.total_seconds()),
            database={name: given[name] for name in (*asked, "ssl", "ssl_mode") if name in given},
        )
