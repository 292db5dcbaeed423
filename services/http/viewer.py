"""Who looks at a page: a token that a cookie keeps, checked as a call's metadata is."""

from __future__ import annotations

from aiohttp import web

from dispatcher.errors import DispatchError
from services.rpc.access import OPERATOR, Caller, caller_named

COOKIE = "gig-caller"
LONGEST_TOKEN = 4096


def viewer_of(request: web.Request) -> Caller | None:
    """None for everybody who has not said who they are, or whose token is not valid any more."""
    token = request.cookies.get(COOKIE)
    try:
        return None if token is None else caller_named(token, "token")
    except DispatchError:
        return None


def is_operator(viewer: Caller | None) -> bool:
    return viewer is not None and viewer.role == OPERATOR


def told(viewer: Caller | None) -> web.Response:
    return web.json_response({"role": viewer.role if viewer else "", "person_id": viewer.person_id if viewer else ""})


async def whoami(request: web.Request) -> web.Response:
    return told(viewer_of(request))


async def sign_in(request: web.Request) -> web.Response:
    """The token is the request's body. The cookie is for this site alone, and out of reach for scripts.

    Raises InvalidField where it is no token.
    """
    token = (await request.content.read(LONGEST_TOKEN)).decode("utf-8", "replace").strip()
    response = told(caller_named(token, "token"))
    response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/")
    return response


async def sign_out(_request: web.Request) -> web.Response:
    response = told(None)
    response.del_cookie(COOKIE, path="/")
    return response
