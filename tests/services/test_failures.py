"""Commands end with a sentence and an exit code where a user can mend the failure, and with a traceback elsewhere."""

from __future__ import annotations

import asyncpg
import pytest
import typer

from dispatcher.errors import PolicyError
from dispatcher.log.backup import BackupError
from dispatcher.log.embedded_postgres import EmbeddedPostgresError
from dispatcher.log.files import LogFileError
from geo.roads import RoadsError
from services.auth.keys import KeysError
from services.cli.extras import missing_extra_reported
from services.cli.failures import FAILED, INTERRUPTED, USAGE, reported
from services.ports import PortTaken
from services.settings import SettingsError

ENDED = {
    **dict.fromkeys((SettingsError, PolicyError, KeysError), USAGE),
    **dict.fromkeys((BackupError, EmbeddedPostgresError, LogFileError, RoadsError, PortTaken), FAILED),
    **dict.fromkeys((ConnectionRefusedError, PermissionError, asyncpg.PostgresError), FAILED),
}


@pytest.mark.parametrize("error", ENDED, ids=lambda error: error.__name__)
def test_a_failure_that_a_user_can_mend_ends_in_a_sentence(
    error: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as end, reported():
        raise error("this is the cause")
    assert end.value.exit_code == ENDED[error]
    said = capsys.readouterr().err
    assert said.startswith("gig: ")
    assert "this is the cause" in said


def test_an_interruption_has_an_exit_code_of_its_own() -> None:
    with pytest.raises(typer.Exit) as end, reported():
        raise KeyboardInterrupt
    assert end.value.exit_code == INTERRUPTED


def test_an_exit_keeps_its_code() -> None:
    with pytest.raises(typer.Exit) as end, reported():
        raise typer.Exit(7)
    assert end.value.exit_code == 7


@pytest.mark.parametrize("error", [ValueError("x"), ModuleNotFoundError("x", name="polars.missing"), AssertionError()])
def test_any_other_error_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, missing_extra_reported(), reported():
        raise error
    assert raised.value is error
