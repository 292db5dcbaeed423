"""The HTTP port: metrics and health, the live page, and the worker's page."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from services.host.market_host import MarketHost
from services.http import assets, failures, methods, viewer
from services.http.live import decisions
from services.http.live.feed import LiveFeed
from services.http.live.reference import Reference
from services.http.metrics import MeasureText
from services.rpc.server import PortTaken
from services.rpc.services import Service


class HttpServer:
    def __init__(
        self, host: MarketHost, services: Iterable[Service], measures: MeasureText, registry: CollectorRegistry
    ) -> None:
        self._host = host
        self._measures = measures
        self._registry = registry
        self._feed = LiveFeed(host)
        reference = Reference(host)
        app = web.Application(middlewares=[assets.guarded, failures.telling_why])
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/live/feed", self._feed.market),
                web.get("/live/catalogue", reference.catalogue),
                web.get("/live/zones", reference.zones),
                web.get("/live/decisions/{decision_id}", self._decision),
                web.get("/me/feed", self._feed.worker),
                web.get("/session", viewer.whoami),
                web.post("/session", viewer.sign_in),
                web.delete("/session", viewer.sign_out),
                *methods.routes(services),
                *assets.routes(),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        self.port = 0

    async def start(self, address: str) -> None:
        """Raises PortTaken where the address cannot be listened on."""
        host, _, port = address.rpartition(":")
        await self._runner.setup()
        site = web.TCPSite(self._runner, host.strip("[]") or None, int(port))
        try:
            await site.start()
        except OSError as fault:
            raise PortTaken(f"cannot listen on {address} for HTTP: choose another with --http-address") from fault
        self._feed.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._feed.stop()
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        """The measures, then the service's own state, which in OpenMetrics ends with the text's end."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        measures = "".join(self._measures.lines(content_type.startswith("application/openmetrics-text")))
        body = measures.encode() + encode(self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready = self._host.accepting
        return web.Response(text="ready\n" if ready else "not ready\n", status=200 if ready else 503)

    async def _decision(self, request: web.Request) -> web.Response:
        return await decisions.opened(self._host, request.match_info["decision_id"])
