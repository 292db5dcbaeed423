"""`gig`: the commands of this layer, and those that higher layers register as entry points."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

GROUP = "gig.commands"
# The commands of this layer, in the order of the help text, and where each is defined.
COMMANDS = {
    "serve": "services.cli.serve:serve",
    "token": "services.cli.token:token",
    "config": "services.cli.config:config",
    "backup": "services.cli.backup:backup",
    "restore": "services.cli.backup:restore",
    "measures": "services.cli.measures:measures",
    "observe": "services.cli.observe:observe",
    "keys": "services.cli.token:keys_app",
    "log": "services.cli.log:log_app",
    "ledger": "services.cli.ledger:ledger_app",
    "policy": "services.cli.policy:policy_app",
    "travel": "services.cli.travel:travel_app",
    "zones": "services.cli.zones:zones_app",
}
HELP = """Dispatch for on-demand work: requests in, couriers offered jobs, every decision explained.

Start with: gig demo (a city in your terminal), then gig serve (the suite), then gig replay (a recorded day).
"""


class Commands(TyperGroup):
    """Import the module of a command when the command is looked up: most commands need few of the libraries."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(_entries())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in _entries():
            self.commands[cmd_name] = _loaded(_entries()[cmd_name])
        return super().get_command(ctx, cmd_name)


def app() -> typer.Typer:
    cli = typer.Typer(
        cls=Commands, help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    cli.callback()(_warn_of_unknown_variables)
    return cli


def _warn_of_unknown_variables() -> None:
    """Warn of environment variables that look like settings: one that is misspelt has no effect."""
    if any(variable.upper().startswith("GIG_") for variable in os.environ):
        from services.settings import unknown_variables

        for sentence in unknown_variables(os.environ):
            typer.secho(f"gig: {sentence}", err=True, fg=typer.colors.YELLOW)


@cache
def _entries() -> dict[str, EntryPoint]:
    """Return every command by its name; a command of this layer goes before a higher layer's of the same name."""
    found = {name: EntryPoint(name, value, GROUP) for name, value in COMMANDS.items()}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        found.setdefault(entry.name, entry)
    return found


def _loaded(entry: EntryPoint) -> Any:
    """A command, or a group of them, as it would be had it been registered from the start."""
    shell = typer.Typer(add_completion=False)
    shell.callback()(lambda: None)  # a group, also around a single command
    command = entry.load()
    if isinstance(command, typer.Typer):
        shell.add_typer(command, name=entry.name)
    else:
        shell.command(name=entry.name)(command)
    group: Any = typer.main.get_command(shell)
    return group.commands[entry.name]
