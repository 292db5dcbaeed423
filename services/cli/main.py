"""`gig`: the commands of this floor, and those that higher floors register as entry points."""

from __future__ import annotations

from importlib.metadata import entry_points

import typer

from services.cli.config import config
from services.cli.ledger import ledger_app
from services.cli.log import log_app
from services.cli.measures import measures
from services.cli.observe import observe
from services.cli.policy import policy_app
from services.cli.serve import serve
from services.cli.travel import travel_app

HELP = """Dispatch for on-demand work: requests in, couriers offered jobs, every decision explained.

Start with: gig demo (a city in your terminal), then gig serve (the suite), then gig replay (a recorded day).
"""


def app() -> typer.Typer:
    cli = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    cli.command()(serve)
    cli.command()(config)
    cli.command()(measures)
    cli.command()(observe)
    cli.add_typer(log_app, name="log")
    cli.add_typer(ledger_app, name="ledger")
    cli.add_typer(policy_app, name="policy")
    cli.add_typer(travel_app, name="travel")
    for entry in sorted(entry_points(group="gig.commands"), key=lambda found: found.name):
        command = entry.load()
        if isinstance(command, typer.Typer):
            cli.add_typer(command, name=entry.name)
        else:
            cli.command(name=entry.name)(command)
    return cli
