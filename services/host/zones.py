"""Reading zones beside the event loop: the largest document takes longer than the calls of others may wait."""

from __future__ import annotations

import contextlib
from concurrent.futures import BrokenExecutor

from dispatcher.errors import MarketUnavailable, ZonesInvalid
from geo.geojson import keep_zones, zones_from_geojson
from geo.zones import ZoneError, ZoneSet
from services.host.child import WarmProcess

# Characters of a document that is read at once: a few milliseconds.
SHORT = 20_000


class ZoneReader:
    def __init__(self) -> None:
        self._process = WarmProcess()

    def close(self) -> None:
        self._process.close()

    async def read(self, text: str) -> ZoneSet:
        """Read a GeoJSON document and keep it for the command that sets it.

        A long document is read in a process of its own, and so is one with faults, which may need repairs.

        Raises ZonesInvalid with all faults, MarketUnavailable where the process dies.
        """
        try:
            if len(text) <= SHORT:
                with contextlib.suppress(ZoneError):
                    return zones_from_geojson(text, repair=False)
            zones = await self._process.run(zones_from_geojson, text)
        except ZoneError as fault:
            raise ZonesInvalid(fault.sentences) from fault
        except BrokenExecutor as fault:
            raise MarketUnavailable("ZONES_UNREAD", "the zones could not be read: send the request again") from fault
        keep_zones(text, zones)
        return zones
