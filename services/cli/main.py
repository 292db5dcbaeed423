"""`gig`: the commands of this floor, and those that higher floors register as entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

from services.cli.backup import backup, restore
from services.cli.config import config
from services.cli.ledger import ledger_app
from services.cli.log import log_app
from services.cli.measures import measures
from services.cli.observe import observe
from services.cli.policy import policy_app
from services.cli.serve import serve
from services.cli.token import keys_app, token
from services.cli.travel import travel_app
from services.cli.zones import zones_app

HELP = """Dispatch for on-demand work: requests in, couriers offered jobs, every decision explained.

Start with: gig demo (a city in your terminal), then gig serve (the suite), then gig replay (a recorded day).
"""


class Commands(TyperGroup):
    """Those of higher floors are imported when they are asked for: they bring libraries that serving has no use for."""

    def list_commands(self, ctx: Any) -> list[str]:
        here = super().list_commands(ctx)
        return [*here, *(name for name in _higher() if name not in here)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in _higher():
            self.commands[cmd_name] = _loaded(_higher()[cmd_name])
        return super().get_command(ctx, cmd_name)


def app() -> typer.Typer:
    cli = typer.Typer(
        cls=Commands, help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    cli.command()(serve)
    cli.command()(token)
    cli.add_typer(keys_app, name="keys")
    cli.command()(config)
    cli.command()(backup)
    cli.command()(restore)
    cli.command()(measures)
    cli.command()(observe)
    cli.add_typer(log_app, name="log")
    cli.add_typer(ledger_app, name="ledger")
    cli.add_typer(policy_app, name="policy")
    cli.add_typer(travel_app, name="travel")
    cli.add_typer(zones_app, name="zones")
    return cli


@cache
def _higher() -> dict[str, EntryPoint]:
    """By name."""
    return {entry.name: entry for entry in sorted(entry_points(group="gig.commands"), key=lambda found: found.name)}


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
