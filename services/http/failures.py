"""Errors as the pages get them: google.rpc.Status as JSON, with HTTP's code for it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import grpc
from aiohttp import web
from google.protobuf.json_format import MessageToDict
from google.rpc import status_pb2

from dispatcher.complete import complete
from dispatcher.errors import DispatchError, Exhausted
from services.rpc.errors import CODE_OF_NUMBER, CODES, status_of, unforeseen

# As google.rpc.code has them.
HTTP_CODES = complete(
    {
        grpc.StatusCode.INVALID_ARGUMENT: 400,
        grpc.StatusCode.FAILED_PRECONDITION: 400,
        grpc.StatusCode.UNAUTHENTICATED: 401,
        grpc.StatusCode.PERMISSION_DENIED: 403,
        grpc.StatusCode.NOT_FOUND: 404,
        grpc.StatusCode.ALREADY_EXISTS: 409,
        grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
        grpc.StatusCode.INTERNAL: 500,
        grpc.StatusCode.UNAVAILABLE: 503,
    },
    CODES,
    "HTTP codes of gRPC statuses",
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refused(status: status_pb2.Status) -> web.Response:
    return web.json_response(MessageToDict(status), status=HTTP_CODES[CODE_OF_NUMBER[status.code]])


@web.middleware
async def telling_why(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except DispatchError as fault:
        response = refused(status_of(fault))
        if isinstance(fault, Exhausted):
            response.headers["Retry-After"] = str(math.ceil(fault.retry_s))
        return response
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as fault:  # whatever it is, its text stays here
        resource = request.match_info.route.resource
        return refused(unforeseen(resource.canonical if resource is not None else "a page", fault))
