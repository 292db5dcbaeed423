"""A courier's report of progress as a command, with the positions that its time is compared with."""

from __future__ import annotations

from dispatcher import commands
from geo.sightings import Sightings
from gig.v1 import courier_service_pb2 as pb
from services.host.market_host import MarketHost


def progress_command(
    host: MarketHost, request: commands.Request, courier_id: str, progress: pb.Progress
) -> commands.ReportProgress:
    """Return the command. Earlier positions are looked up only for a report that says when the step happened."""
    late = progress.HasField("occurred_time")
    sightings = host.positions.sightings(courier_id) if late else Sightings.none()
    return commands.ReportProgress(
        request=request,
        courier_id=courier_id,
        progress=progress,
        seen=host.positions.seen(courier_id),
        sightings=sightings,
    )
