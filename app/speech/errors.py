"""What can go wrong when something is to be said."""

from __future__ import annotations


class SpeechError(Exception):
    """No voice of this machine can speak now. The page shows the text; the browser may speak it."""


class GoogleError(Exception):
    """Google gave no usable audio; `is_refusal` when it asked us to stay away (429)."""

    def __init__(self, reason: str, *, is_refusal: bool = False) -> None:
        super().__init__(reason)
        self.is_refusal = is_refusal
