"""Who wants to know how long calls take."""

from __future__ import annotations

from typing import Protocol


class Timing(Protocol):
    """Told of each call or message: what it is, when it was due and when it was sent, monotonic seconds."""

    def answered(self, method: str, due: float, made: float) -> None: ...

    def failed(self, method: str, code: str) -> None: ...
