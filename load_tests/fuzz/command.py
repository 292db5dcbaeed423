"""`gig fuzz`: bad input against the services and the readers of files."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.pretty import pprint

from load_tests.fuzz.files import LEAST_READ, fuzz_reader
from load_tests.fuzz.readers import READERS
from load_tests.fuzz.services import Plan, fuzz_services, wrong_with
from services.cli.failures import FAILED, USAGE, fail
from services.rpc.services import SERVICERS

fuzz = typer.Typer(
    help="Bad input by the hundred thousand: a clear error, nothing lost, nothing internal.", no_args_is_help=True
)

Seed = Annotated[int, typer.Option(help="Of all that is drawn.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]


@fuzz.command()
def services(
    messages: Annotated[int, typer.Option(min=1, help="Messages for each service.")] = 100_000,
    restarts: Annotated[
        int, typer.Option(min=0, help="Restarts of the server from its log, alternately by kill -9 and by a drain.")
    ] = 24,
    service: Annotated[str, typer.Option(help="Only this service.", show_default="all")] = "",
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Send sound and wrong messages for every method to a server of its own that serves rounds and is restarted.

    Couriers work and jobs are placed meanwhile; policies and zones change. Exit code 1 where an answer is INTERNAL,
    UNKNOWN or UNIMPLEMENTED or does not come, the server exits or does not serve after a restart, something
    acknowledged is lost, the log is wrong, or less than 20 % of a service's messages are answered OK.
    """
    known = [descriptor.name for descriptor, _ in SERVICERS]
    if service and service not in known:
        fail(f"--service: there is no {service!r}; services are: {', '.join(known)}", USAGE)
    plan = Plan(messages, seed, restarts, (service,) if service else tuple(known))
    with Console(stderr=True).status("starting") as status:
        result = asyncio.run(fuzz_services(plan, status.update))
    _show(result, as_json)
    wrong = wrong_with(result)
    if wrong:
        fail("; ".join(wrong), FAILED)


@fuzz.command()
def files(
    count: Annotated[int, typer.Option(min=1, help="Files for each reader.")] = 100_000,
    reader: Annotated[str, typer.Option(help="Only this one.", show_default="all")] = "",
    seed: Seed = 1,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one for each core")] = None,
    as_json: AsJson = False,
) -> None:
    """Read changed files with every reader: sound files with other values, other types and other bytes in them.

    Exit code 1 where a reader ends otherwise than by reading or by its clear error, does not end, or reads less than
    20 % of its files.
    """
    if reader and reader not in READERS:
        fail(f"--reader: there is no {reader!r}; readers are: {', '.join(READERS)}", USAGE)
    result: dict[str, Any] = {}
    with Console(stderr=True).status("starting") as status:
        for name in [reader] if reader else READERS:
            status.update(f"{name}: {count:,} files")
            result[name] = fuzz_reader(
                name,
                count,
                seed,
                jobs or os.cpu_count() or 1,
                lambda done, name=name: status.update(f"{name}: {done:,} of {count:,} files"),  # type: ignore[misc]
            )
    _show(result, as_json)
    unclear = [name for name, found in result.items() if found["unclear"]]
    unread = [
        f"{name} ({found['read_share']:.0%})" for name, found in result.items() if found["read_share"] < LEAST_READ
    ]
    wrong = [f"not clear: {', '.join(unclear)}"] * bool(unclear)
    wrong += [f"read less than {LEAST_READ:.0%}: {', '.join(unread)}"] * bool(unread)
    if wrong:
        fail("; ".join(wrong), FAILED)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
    else:
        pprint(result, expand_all=True)
