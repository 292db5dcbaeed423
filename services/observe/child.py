"""A child process that ends in order when this process is asked to end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class EndedWithUs:
    """Passes SIGTERM, SIGINT and SIGHUP on to a child as SIGTERM, also those that come before the child is there.

    A second signal kills the child. Use it as a context, in the main thread.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._before: dict[signal.Signals, Any] = {}
        self.asked = False

    def __enter__(self) -> EndedWithUs:
        self._before = {number: signal.signal(number, self._ask) for number in ENDING}
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _at: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, start: Callable[[], subprocess.Popen[bytes]]) -> int:
        """Start the child and wait for its end; return its code."""
        self._child = start()
        if self.asked:
            self._child.terminate()
        return self._child.wait()

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._child is not None:
            (self._child.kill if self.asked else self._child.terminate)()
        self.asked = True
