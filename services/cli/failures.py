"""How commands end when they cannot go on: one line on standard error, and an exit code to trust.

0 done, 1 the work failed, 2 the arguments or settings are wrong, 130 interrupted.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

FAILED, USAGE, INTERRUPTED = 1, 2, 130


@contextmanager
def reported() -> Iterator[None]:
    """End the command with a sentence and an exit code at a failure that users can mend."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        found = _explained(error)
        if found is None:
            raise
        fail(*found)


def _explained(error: Exception) -> tuple[str, int] | None:
    """Return a sentence and an exit code, None for an error that users cannot mend.

    The modules that define the errors are imported here, after a failure, for they import most of the libraries.
    """
    import asyncpg

    from dispatcher.errors import DispatchError, PolicyError
    from dispatcher.log.backup import BackupError
    from dispatcher.log.embedded_postgres import EmbeddedPostgresError
    from dispatcher.log.files import LogFileError
    from geo.roads import RoadsError
    from services.auth.keys import KeysError
    from services.ports import PortTaken
    from services.settings import SettingsError

    if isinstance(error, (SettingsError, PolicyError, KeysError)):
        return str(error), USAGE
    if isinstance(error, (BackupError, EmbeddedPostgresError, PortTaken, LogFileError, DispatchError, RoadsError)):
        return str(error), FAILED
    if isinstance(error, (ConnectionError, socket.gaierror)):
        return f"cannot reach the database ({error}): see that it runs, and check GIG_DATABASE_URL", FAILED
    if isinstance(error, (asyncpg.PostgresError, OSError)):
        return f"{type(error).__name__}: {error}", FAILED
    return None


def tell_faults(first: Iterable[str], count: int, what: str) -> None:
    """Of what a check found wrong the first ones; and where there is any, the end."""
    for sentence in first:
        typer.secho(sentence, err=True, fg=typer.colors.RED)
    if count:
        fail(f"{count} {what}", FAILED)


def fail(text: str, code: int) -> NoReturn:
    typer.secho(f"gig: {text}", err=True, fg=typer.colors.RED)
    raise typer.Exit(code)
