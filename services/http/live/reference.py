"""What the live page asks for once: the catalogue's texts, and the zones."""

from __future__ import annotations

from aiohttp import web

from dispatcher.measures.catalogue import CATALOGUE
from services.host.market_host import MarketHost

TEXTS = ("number", "name", "unit", "text", "formula", "source")
NO_ZONES = '{"type": "FeatureCollection", "features": []}'


class Reference:
    def __init__(self, host: MarketHost) -> None:
        self._host = host

    async def catalogue(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [{name: getattr(row, name) for name in TEXTS} | {"family": row.family.value} for row in CATALOGUE]
        )

    async def zones(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._host.market.state.zones_geojson or NO_ZONES, content_type="application/json")
