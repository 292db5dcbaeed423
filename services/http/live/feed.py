"""The live page's server-sent events: one picture of the market a second, drawn once for all viewers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter
from typing import Any

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from geo.cells import outline_of
from services.auth.access import Call
from services.auth.caller import Caller
from services.host.log_writer import STORE_FAULTS
from services.host.market_host import MarketHost
from services.http.connections import Phase, entry_of
from services.http.live import decisions, picture
from services.http.live.seats import Seats
from services.http.viewer import caller_of, is_operator, viewer_of
from services.telling import where

EVERY_S = 1.0
# Of the event loop's time, drawing takes a twentieth at most: pictures of a large market come more rarely.
LARGEST_SHARE = 1 / 20
# Seconds that sending a picture may take; the feed of a viewer who does not read ends.
SEND_LIMIT_S = 10.0
# A worker's page asks again at the latest after this many seconds.
WORKER_EVERY_S = 5.0
# Viewers that get a picture in the same moment; calls of others go on between two groups.
GROUP, GROUP_PAUSE_S = 4, 0.01
# Of the time between two pictures, the part in which all viewers get the newest.
SENDING_SHARE = 0.5

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Frame:
    """The latest picture. ``cells``: those that it names. ``messages``: made when the first viewer needs one."""

    shown: dict[str, Any] = field(default_factory=dict)
    points: picture.Points = field(default_factory=dict)
    recent: decisions.Recent = field(default_factory=list)
    cells: frozenset[str] = frozenset()
    messages: dict[tuple[bool, bool], bytes] = field(default_factory=dict)


class LiveFeed:
    """Whoever reads slowly misses pictures, never the newest; nothing is queued for anybody."""

    def __init__(self, host: MarketHost, audit: Callable[[Call], Awaitable[None]], seats: Seats) -> None:
        self._host, self._audit, self._seats = host, audit, seats
        self._frame = Frame()
        self._drawn = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._draw())

    async def stop(self) -> None:
        """Ends all streams; browsers come back by themselves."""
        self._stopping.set()
        self._wanted.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def market(self, request: web.Request) -> web.StreamResponse:
        """GET /live/feed: ``shapes`` of cells that this viewer has not had, then the ``picture``."""
        viewer, known = viewer_of(request), set[str]()

        async def send(stream: EventSourceResponse, frame: Frame) -> None:
            if new := frame.cells - known:
                known.update(new)
                shapes = ",".join(map(_shape, new))
                await stream.write(_message("shapes", f"{{{shapes}}}"))
            valid = viewer is not None and viewer.seconds_left() > 0
            await stream.write(self._message(frame, viewer if valid else None))

        call = None if viewer is None else Call("live/feed", viewer)
        return await self._stream(request, viewer, send, call)

    async def worker(self, request: web.Request) -> web.StreamResponse:
        """GET /me/feed: ``changed`` when something about the worker has, and now and then, for the page to ask what."""
        viewer = caller_of(request)
        told: tuple[Hashable, float] = None, 0.0

        async def send(stream: EventSourceResponse, frame: Frame) -> None:
            nonlocal told
            if viewer.seconds_left() <= 0:
                raise ConnectionError("the token has expired")
            state, now_s = self._state_of(viewer), perf_counter()
            if state != told[0] or now_s >= told[1] + WORKER_EVERY_S:
                told = state, now_s
                await stream.write(_message("changed", json.dumps({"time": frame.shown["time"]})))

        return await self._stream(request, viewer, send)

    async def _stream(
        self,
        request: web.Request,
        viewer: Caller | None,
        send: Callable[[EventSourceResponse, Frame], Awaitable[None]],
        call: Call | None = None,
    ) -> web.StreamResponse:
        """Each newest frame until the server stops or the viewer goes. A privileged ``call`` is noted first."""
        if self._stopping.is_set():
            raise web.HTTPServiceUnavailable(text="the server is stopping\n", headers={"Retry-After": "5"})
        with self._seats.taken(viewer, request.remote or ""):
            if call is not None:
                await self._audit(call)
            entry_of(request).enter(Phase.FEED)
            self._wanted.set()
            try:
                async with sse_response(request) as stream:
                    async for frame in self._frames():
                        async with asyncio.timeout(SEND_LIMIT_S):
                            await send(stream, frame)
            except (ConnectionError, TimeoutError):
                log.debug("a viewer went, or does not read")
                entry_of(request).end()
        return stream

    async def _frames(self) -> AsyncIterator[Frame]:
        seen = self._frame
        while True:
            async with self._drawn:
                while self._frame is seen and not self._stopping.is_set():
                    await self._drawn.wait()
                seen = self._frame
            if self._stopping.is_set():
                return
            yield seen

    async def _draw(self) -> None:
        while not self._stopping.is_set():
            await self._wanted.wait()
            began = perf_counter()
            if len(self._seats):
                try:
                    await self._draw_once()
                except Exception as fault:  # a page that cannot be drawn must not stop the market
                    log.error("the live page could not be drawn: %s", where(fault))
            else:
                self._wanted.clear()
            drawn = perf_counter()
            await self._send_in_groups()
            left = max(EVERY_S, (drawn - began) / LARGEST_SHARE) - (perf_counter() - drawn)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), left)
        async with self._drawn:
            self._drawn.notify_all()

    async def _draw_once(self) -> None:
        host = self._host
        recent = self._frame.recent
        with contextlib.suppress(*STORE_FAULTS):
            recent = await decisions.recent(host)
        points = picture.points_of(host)
        shown = picture.picture(host, points) | {"zones": zlib.crc32(host.market.state.zones_geojson.encode())}
        cells = frozenset([row["cell"] for row in shown["cells"]] + [cell for cell, _ in shown["surge"]])
        self._frame = Frame(shown, points, recent, cells)

    async def _send_in_groups(self) -> None:
        """Wake the viewers that wait, a few at a time."""
        groups = -(-len(self._seats) // GROUP)
        for _ in range(groups):
            if self._stopping.is_set():
                return
            async with self._drawn:
                self._drawn.notify(GROUP)
            await asyncio.sleep(min(GROUP_PAUSE_S, SENDING_SHARE * EVERY_S / groups))

    def _message(self, frame: Frame, viewer: Caller | None) -> bytes:
        exact, all_kinds = is_operator(viewer), decisions.sees_all(viewer)
        key = exact, all_kinds
        if key not in frame.messages:
            standing = self._host.market.state.policy.standing
            added: dict[str, Any] = {"decisions": decisions.listed(frame.recent, all_kinds, standing)}
            if exact:
                added["points"] = frame.points
            frame.messages[key] = _message("picture", json.dumps(frame.shown | added, separators=(",", ":")))
        return frame.messages[key]

    def _state_of(self, viewer: Caller) -> Hashable:
        record = self._host.measures.couriers.get(viewer.person_id)
        if record is None:
            return None
        work = record.phase, tuple(record.jobs), record.offers_made, record.open_offers
        return *work, sum(record.pay.values()), record.ratings


def _message(event: str, text: str) -> bytes:
    """A server-sent event. ``text``: JSON, which has no line breaks."""
    return f"event: {event}\r\ndata: {text}\r\n\r\n".encode()


@lru_cache(maxsize=10_000)
def _shape(cell: str) -> str:
    """The outline of a cell as a member of a JSON object."""
    return f"{json.dumps(cell)}:{json.dumps(outline_of(cell))}"
