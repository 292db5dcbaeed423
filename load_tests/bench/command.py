"""`gig bench`."""

from __future__ import annotations

import typer

bench = typer.Typer(help="Benchmarks that a reader can run.", no_args_is_help=True)


@bench.callback()
def _callback() -> None:
    pass
