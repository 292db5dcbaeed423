"""Read the bodies of requests within a limit of time and size, without unpacking them."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web

LIMIT_S = web.AppKey("body_limit_s", float)


async def body_of(request: web.Request, largest: int) -> bytes:
    """Return the whole body.

    Raises HTTPRequestTimeout where it does not come in time, HTTPRequestEntityTooLarge beyond ``largest`` bytes,
    HTTPUnsupportedMediaType where it is compressed, HTTPBadRequest where it breaks off.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text="send the body without a content encoding\n")
    if request.content_length is not None and request.content_length > largest:
        raise _too_large(largest, request.content_length)
    body = bytearray()
    try:
        async with asyncio.timeout(request.app[LIMIT_S]):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > largest:
                    raise _too_large(largest, len(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body was not complete in time: send the request again\n") from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest(text="the body is not complete: send the request again\n") from None
    return bytes(body)


def _too_large(largest: int, size: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(largest, size, text=f"a body has at most {largest} bytes here\n")
