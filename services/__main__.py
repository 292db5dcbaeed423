"""Start the command line. It imports little at first, so that Ctrl-C ends it in order from the first moment."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> None:
    # By default SIGTERM would end the command without its cleaning up: servers of its own would go on.
    signal.signal(signal.SIGTERM, exit_by_signal)
    try:
        from services.cli.main import app

        sys.exit(app()())
    except KeyboardInterrupt:
        sys.exit(130)


def exit_by_signal(number: int, _frame: FrameType | None) -> NoReturn:
    """Exit with the code that shells give to a command ended by this signal, after it has cleaned up."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
