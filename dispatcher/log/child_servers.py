"""Servers that run as our children end with us, however we end."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def ending_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a ``preexec_fn`` by which the child gets a signal when the thread that started it ends, on Linux."""

    def ask_for_signal() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)

    return ask_for_signal
