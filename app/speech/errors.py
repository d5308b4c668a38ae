"""What can go wrong when something is to be said."""

from __future__ import annotations


class SpeechError(Exception):
    """No voice of this machine can speak now. The page shows the text; the browser may speak it."""


class GoogleError(Exception):
    """Google gave no usable audio. `again` says whether asking once more soon makes sense."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again
