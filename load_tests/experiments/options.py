"""Options that the commands of experiments share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TracePath = Annotated[
    Path, typer.Argument(metavar="TRACE", help="The recorded day: any format of `gig trace formats`, or cargo.")
]
BehaviourName = Annotated[
    str | None,
    typer.Option(
        "--behaviour",
        help="How people act: a preset (fixed, lively) or a TOML file.",
        show_default="fixed for instances, fitted where the trace holds offers, else lively",
    ),
]
Processes = Annotated[int | None, typer.Option(min=1, help="Replays at a time.", show_default="one a core")]
Out = Annotated[Path, typer.Option(help="Folder for results; made if missing. Finished replays in it are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, alone, on standard output.")]
MarketZones = Annotated[
    Path | None,
    typer.Option(
        "--market-zones",
        help="The market's zones, a GeoJSON document as `gig serve --zones` takes it: service area, queues, surge.",
        show_default="none",
    ),
]
