"""Methods of the contract that the pages call: JSON in, JSON out, with the checks of a gRPC call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.http.failures import refused
from services.http.viewer import viewer_of
from services.rpc import access, errors
from services.rpc.methods import implementation_of
from services.rpc.services import Service

# Each has its row in the table of who may call it.
FOR_PAGES = (
    "PayService/GetStatement",
    "RatingService/GetStanding",
    "TransparencyService/ListDecisions",
    "TransparencyService/ExplainDecision",
    "TransparencyService/ContestDecision",
    "TransparencyService/GetMyMeasures",
)


def routes(services: Iterable[Service]) -> list[web.RouteDef]:
    """POST /api/Service/Method with a request as protobuf's JSON."""
    made = []
    for service in services:
        for method in service.descriptor.methods:
            path = f"{service.descriptor.name}/{method.name}"
            if path in FOR_PAGES:
                made.append(
                    web.post(f"/api/{path}", _handler(path, method, implementation_of(method, service.servicer)))
                )
    return made


def _handler(
    path: str, method: MethodDescriptor, implementation: Callable[[Any], Awaitable[Message]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    request_class = GetMessageClass(method.input_type)

    async def handle(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return refused(errors.invalid([("content-type", "must be application/json")]))
        try:
            call = Parse(await request.text(), request_class())
        except (ParseError, UnicodeDecodeError) as fault:
            return refused(errors.invalid([], f"the request is not JSON of {method.input_type.full_name}: {fault}"))
        violations = errors.violations_of(call)
        if violations is not None:
            return refused(violations)
        access.check(path, call, viewer_of(request))
        answer = await implementation(call)
        return web.Response(text=MessageToJson(answer, indent=None), content_type="application/json")

    return handle
