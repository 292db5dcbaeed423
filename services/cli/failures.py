"""How commands end when they cannot go on: one line on standard error, and an exit code to trust.

0 done, 1 the work failed, 2 the arguments or settings are wrong, 130 interrupted.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import asyncpg
import typer

from dispatcher.errors import DispatchError, PolicyError
from dispatcher.log.backup import BackupError
from dispatcher.log.embedded_postgres import EmbeddedPostgresError
from dispatcher.log.files import LogFileError
from geo.roads import RoadsError
from services.auth.keys import KeysError
from services.ports import PortTaken
from services.settings import SettingsError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


@contextmanager
def reported() -> Iterator[None]:
    """Turns the failures that users can mend into a line and an exit code."""
    try:
        yield
    except (SettingsError, PolicyError, KeysError) as fault:
        fail(str(fault), USAGE)
    except (BackupError, EmbeddedPostgresError, PortTaken, LogFileError, DispatchError, RoadsError) as fault:
        fail(str(fault), FAILED)
    except (ConnectionError, socket.gaierror) as fault:
        fail(f"cannot reach the database ({fault}): see that it runs, and check GIG_DATABASE_URL", FAILED)
    except (asyncpg.PostgresError, OSError) as fault:
        fail(f"{type(fault).__name__}: {fault}", FAILED)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def tell_faults(first: Iterable[str], count: int, what: str) -> None:
    """Of what a check found wrong the first ones; and where there is any, the end."""
    for sentence in first:
        typer.secho(sentence, err=True, fg=typer.colors.RED)
    if count:
        fail(f"{count} {what}", FAILED)


def fail(text: str, code: int) -> NoReturn:
    typer.secho(f"gig: {text}", err=True, fg=typer.colors.RED)
    raise typer.Exit(code)
