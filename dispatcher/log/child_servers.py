"""Servers that run as our children end with us, however we end."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def ending_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return a ``preexec_fn`` by which the child gets a signal when the thread that started it ends, on Linux."""

    parent = os.getpid()

    def ask_for_signal() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        # A parent that has ended before is waited for in vain.
        if os.getppid() != parent:
            os._exit(1)

    return ask_for_signal
