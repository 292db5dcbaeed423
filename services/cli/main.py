"""`gig`: the commands of this layer, and those that higher layers register as entry points."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

from services.cli.lazy import LazyCommand, LazyGroup

# Entry points of this group add commands. The top-level package of such a command may hold COMMAND_HELP, a dictionary
# from the command's name to its line in the list of commands.
GROUP = "gig.commands"
# The commands of this layer in the order of the list: where each is defined, and its line.
COMMANDS = {
    "serve": ("services.cli.serve:serve", "Run the server: gRPC, web pages, metrics and PostgreSQL."),
    "token": ("services.cli.token:token", "Issue a token for development, tests or a first operator."),
    "config": ("services.cli.config:config", "Show the settings of `gig serve` and where each comes from."),
    "backup": ("services.cli.backup:backup", "Back up a market, also while it runs."),
    "restore": ("services.cli.backup:restore", "Restore a market from a backup, up to any event."),
    "measures": ("services.cli.measures:measures", "Show the measures of a market, computed from its log."),
    "observe": ("services.cli.observe:observe", "Run Prometheus for the server on this machine."),
    "keys": ("services.cli.token:keys_app", "Make keys that sign tokens, and publish their public parts."),
    "log": ("services.cli.log:log_app", "Export, show, check, audit or repair a market's event log."),
    "ledger": ("services.cli.ledger:ledger_app", "Check that the money in a market's log balances."),
    "policy": ("services.cli.policy:policy_app", "Show, compare or publish policies."),
    "travel": ("services.cli.travel:travel_app", "Fit and evaluate travel times, and prepare road networks."),
    "zones": ("services.cli.zones:zones_app", "Check and repair zone documents."),
}
HELP = """Dispatch for on-demand work: match jobs to couriers, price and pay them, and explain every decision.

Start with `gig demo` (a city in your terminal), then `gig serve` (the server) and `gig replay` (a recorded day).
"""


class Commands(LazyGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(_commands(), **attributes)


def app() -> typer.Typer:
    cli = typer.Typer(
        cls=Commands, help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    cli.callback()(_start)
    return cli


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gig-dispatch {version('gig-dispatch')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]


def _start(_version: Version = False) -> None:
    """Warn of environment variables that look like settings and are not: a misspelt one has no effect."""
    if any(variable.upper().startswith("GIG_") for variable in os.environ):
        from services.settings import unknown_variables

        for sentence in unknown_variables(os.environ):
            typer.secho(f"gig: {sentence}", err=True, fg=typer.colors.YELLOW)


@cache
def _commands() -> tuple[LazyCommand, ...]:
    """Return every command. A command of this layer goes before an entry point of the same name."""
    commands = [LazyCommand(EntryPoint(name, place, GROUP), line) for name, (place, line) in COMMANDS.items()]
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name not in COMMANDS:
            lines = getattr(import_module(entry.module.partition(".")[0]), "COMMAND_HELP", {})
            commands.append(LazyCommand(entry, lines.get(entry.name, "")))
    return tuple(commands)
