"""Who looks at a page: a token that a cookie keeps, or that a program sends, checked as a call's metadata is."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

from dispatcher.errors import DispatchError, NoCaller, NotAllowed
from services.auth.caller import OPERATOR, Caller
from services.auth.gate import KEY, Gate
from services.auth.tokens import LONGEST_TOKEN
from services.http.bodies import body_of

COOKIE = "gig-token"
GATE = web.AppKey("gate", Gate)


def caller_of(request: web.Request) -> Caller:
    """Raises NoCaller for everybody who has not said who they are, or whose token is not valid any more."""
    gate = request.app[GATE]
    if KEY in request.headers:
        return gate.caller([(KEY, value) for value in request.headers.getall(KEY)])
    token = request.cookies.get(COOKIE)
    if token is None:
        raise NoCaller("NO_TOKEN", "sign in with a token")
    return gate.tokens.caller(token)


def viewer_of(request: web.Request) -> Caller | None:
    """For what everybody may see, and some more of."""
    try:
        return caller_of(request)
    except DispatchError:
        return None


def check_role(request: web.Request, roles: Collection[str]) -> None:
    """Raises NoCaller or NotAllowed."""
    if caller_of(request).role not in roles:
        raise NotAllowed("NOT_YOUR_ROLE", f"{request.path} is for these roles: {', '.join(sorted(roles))}")


def is_operator(viewer: Caller | None) -> bool:
    return viewer is not None and viewer.role == OPERATOR


def told(viewer: Caller | None) -> web.Response:
    return web.json_response({"role": viewer.role if viewer else "", "person_id": viewer.person_id if viewer else ""})


async def whoami(request: web.Request) -> web.Response:
    return told(viewer_of(request))


async def sign_in(request: web.Request) -> web.Response:
    """The token is the request's body. The cookie is for this site alone, and out of reach for scripts.

    Raises NoCaller where it is no valid token.
    """
    token = (await body_of(request, LONGEST_TOKEN + 2)).decode("utf-8", "replace").strip()
    viewer = request.app[GATE].tokens.caller(token)
    response = told(viewer)
    response.set_cookie(
        COOKIE,
        token,
        max_age=max(int(viewer.seconds_left()), 0),
        httponly=True,
        samesite="Strict",
        secure=request.secure,
        path="/",
    )
    return response


async def sign_out(_request: web.Request) -> web.Response:
    response = told(None)
    response.del_cookie(COOKIE, path="/")
    return response
