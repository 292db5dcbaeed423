"""The HTTP port: metrics and health, the live page, and the worker's page."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from services.auth import access
from services.host.market_host import MarketHost
from services.http import assets, bodies, failures, methods, viewer
from services.http.connections import Connections, HttpLimits, Phase, entry_of
from services.http.listener import Listener
from services.http.live import decisions
from services.http.live.feed import LiveFeed
from services.http.live.reference import Reference
from services.http.live.seats import Plan, Seats
from services.http.metrics import MeasureText
from services.ports import PortTaken
from services.rpc.methods import Entrance
from services.rpc.services import Service

# Paths that settings may open to everybody, by what they are called there.
GUARDED = {"metrics": "metrics", "live": "live", "healthz": "health", "readyz": "health"}


class HttpServer:
    def __init__(
        self,
        host: MarketHost,
        services: Iterable[Service],
        measures: MeasureText,
        registry: CollectorRegistry,
        entrance: Entrance,
        guarded: frozenset[str],
        limits: HttpLimits,
        seats: Plan,
    ) -> None:
        self._limits = entrance.gate.limits
        self._connections = Connections(limits, self._limits.count_refused)
        self._guarded = guarded
        self._host = host
        self._measures = measures
        self._registry = registry
        self._feed = LiveFeed(host, entrance.audit, Seats(seats, self._limits.count_refused))
        reference = Reference(host)
        app = web.Application(middlewares=[assets.guarded, failures.telling_why, self._admitting])
        app[viewer.GATE] = entrance.gate
        app[bodies.LIMIT_S] = limits.body_s
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
                *methods.routes(services, entrance),
                *assets.routes(),
            ]
        )
        check_pages(app)
        # Stop the work on a request whose client has gone.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        self._listener: Listener | None = None
        self.port = 0

    async def start(self, address: str, tls: ssl.SSLContext | None = None) -> None:
        """Raises PortTaken where the address cannot be listened on."""
        host, _, port = address.rpartition(":")
        await self._runner.setup()
        assert self._runner.server is not None, "set up above"
        self._listener = Listener(self._runner.server, self._connections, tls)
        try:
            self.port = await self._listener.start(host.strip("[]") or None, int(port))
        except OSError as fault:
            raise PortTaken(f"cannot listen on {address} for HTTP: choose another with --http-address") from fault
        self._feed.start()

    async def stop(self) -> None:
        if self._listener is not None:
            await self._listener.stop()
        await self._feed.stop()
        await self._runner.cleanup()

    @web.middleware
    async def _admitting(self, request: web.Request, handler: failures.Handler) -> web.StreamResponse:
        """Charge each request to its caller or its address, and ask for a token where the settings say so.

        Methods of the contract charge their callers themselves.
        """
        path = page_of(request.match_info.route.resource)
        looking, entry = viewer.viewer_of(request), entry_of(request)
        entry.known = looking is not None
        entry.enter(Phase.SERVING)
        if looking is None:
            self._limits.request(request.remote or "")
        elif path in access.PAGES:
            self._limits.call(looking)
        rule = access.PAGES.get(path)
        if rule is not None and GUARDED.get(path.partition("/")[0]) in self._guarded:
            viewer.check_role(request, rule.all)
        return await handler(request)

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


def page_of(resource: web.AbstractResource | None) -> str:
    """Return the path of a route as a key of the access table."""
    return "" if resource is None else resource.canonical[1:]


def check_pages(app: web.Application) -> None:
    """Raise LookupError for a route without a row in the table: the server does not start with it.

    Methods of the contract have rows of their own, and files and pages without data need none.
    """
    for resource in app.router.resources():
        path = page_of(resource)
        if path not in access.PAGES and not path.startswith("api/") and path not in assets.PATHS:
            raise LookupError(f"/{path} has no row in the table of who may read it")
