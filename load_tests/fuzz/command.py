"""`gig fuzz`: bad input against the services and the readers of files."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.pretty import pprint

from load_tests.fuzz.readers import READERS, fuzz_reader
from load_tests.fuzz.services import fuzz_services
from services.cli.failures import FAILED, USAGE, fail

fuzz = typer.Typer(
    help="Bad input by the hundred thousand: a clear error, nothing lost, nothing internal.", no_args_is_help=True
)

Seed = Annotated[int, typer.Option(help="Of all that is drawn.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]


@fuzz.command()
def services(
    messages: Annotated[int, typer.Option(min=1, help="Messages for each of the six services.")] = 100_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Generated and mutated messages for every method, against a suite of its own. Exit code 1 where an answer is not
    clear, something acknowledged is lost, or the log is wrong."""
    with Console(stderr=True).status("starting") as status:
        result = asyncio.run(fuzz_services(messages, seed, status.update))
    _show(result, as_json)
    if result["unclear"] or result["log_faults"]:
        fail(f"{len(result['unclear'])} answers were not clear, {len(result['log_faults'])} faults of the log", FAILED)


@fuzz.command()
def files(
    count: Annotated[int, typer.Option(min=1, help="Files for each reader.")] = 100_000,
    reader: Annotated[str, typer.Option(help="Only this one.", show_default="all")] = "",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Mutated files for every reader. Exit code 1 where one ends otherwise than by reading or by its clear error."""
    if reader and reader not in READERS:
        fail(f"--reader: there is no {reader!r}; readers are: {', '.join(READERS)}", USAGE)
    result: dict[str, Any] = {}
    with Console(stderr=True).status("starting") as status:
        for name in [reader] if reader else READERS:
            status.update(f"{name}: {count:,} files")
            result[name] = fuzz_reader(name, count, seed)
    _show(result, as_json)
    unclear = [name for name, found in result.items() if found["unclear"]]
    if unclear:
        fail(f"not clear: {', '.join(unclear)}", FAILED)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
    else:
        pprint(result, expand_all=True)
