"""The door of the command line: so light that Ctrl-C is answered in order from the first moment."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from services.cli.main import app

        sys.exit(app()())
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
