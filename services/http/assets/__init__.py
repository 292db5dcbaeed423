"""The pages' files, as they are; nothing is built, and nothing is fetched from elsewhere."""

from __future__ import annotations

import asyncio
import gzip
from functools import cache
from importlib import resources
from pathlib import Path

from aiohttp import web

from services.http.failures import Handler

HERE = Path(str(resources.files(__package__)))
PLOTLY = "plotly.min.js"
# Plotly sets styles on what it draws.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
# The paths of all routes of this module, without the first slash.
PATHS = frozenset({"", "me", f"assets/{PLOTLY}", "assets"})
A_DAY = "public, max-age=86400"


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/", _page("live.html")),
        web.get("/me", _page("worker.html")),
        web.get(f"/assets/{PLOTLY}", _plotly),
        web.static("/assets", HERE / "files"),
    ]


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pages load from here alone, and stand in nobody's frame."""
    response = await handler(request)
    if not response.prepared:
        response.headers.update(HEADERS)
    return response


def _page(name: str) -> Handler:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(HERE / name, headers={"Cache-Control": "no-cache"})

    return page


async def _plotly(request: web.Request) -> web.StreamResponse:
    """Of the package, 4.8 MB; 1.4 MB for browsers that take gzip, which is all of them."""
    headers = {"Cache-Control": A_DAY, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        packed = await asyncio.to_thread(_packed)
        return web.Response(body=packed, content_type="text/javascript", headers=headers)
    return web.FileResponse(_path(), headers=headers)


def _path() -> Path:
    return Path(str(resources.files("plotly"))) / "package_data" / PLOTLY


@cache
def _packed() -> bytes:
    return gzip.compress(_path().read_bytes(), 6)
