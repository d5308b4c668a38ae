"""Show events while they happen: a live table on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from provision.model import Event

FINAL = ("ready", "failed", "destroyed")


class Progress:
    """Takes events from any thread, between `with` and its end."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self.began = time.monotonic()
        self.latest: dict[str, tuple[str, float]] = {}
        self.lock = threading.Lock()
        self.live: Live | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def show(self, event: Event) -> None:
        with self.lock:
            if self.latest.get(event.host, ("", 0.0))[0] == event.text:
                return
            now = time.monotonic() - self.began
            self.latest[event.host] = (event.text, now)
            if self.console.is_terminal:
                self._show_live()
            else:
                self.console.print(
                    f"[{now:6.1f} s] {event.host}: {event.text}", markup=False, soft_wrap=True
                )

    def _show_live(self) -> None:
        if self.live is None:
            self.live = Live(console=self.console, get_renderable=self._table, refresh_per_second=8)
            self.live.start()

    def _table(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        now = time.monotonic() - self.began
        for host, (text, since) in list(self.latest.items()):
            is_final = text.startswith(FINAL)
            mark = ("✗" if text.startswith("failed") else "✓") if is_final else Spinner("dots")
            grid.add_row(mark, host, text, "" if is_final else f"{now - since:.0f} s")
        return grid
