"""Methods of the contract that the pages call: JSON in, JSON out, by the same gate and checks as a gRPC call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message_factory import GetMessageClass

from dispatcher.complete import known
from services.auth import access
from services.auth.contract import METHODS, path_of
from services.http import json_requests
from services.http.bodies import body_of
from services.http.failures import refused
from services.http.viewer import caller_of
from services.rpc import errors
from services.rpc.currency_digits import add_digits
from services.rpc.methods import Entrance, implementation_of
from services.rpc.services import Service

LONGEST_REASON = 200
# Bytes of a request as JSON: ids, times and a statement.
LARGEST_BODY = 64 * 1024
FOR_PAGES = known(
    (
        "PayService/GetStatement",
        "RatingService/GetStanding",
        "TransparencyService/ListDecisions",
        "TransparencyService/ExplainDecision",
        "TransparencyService/ContestDecision",
        "TransparencyService/GetMyMeasures",
    ),
    METHODS,
    "methods that the pages call",
)


def routes(services: Iterable[Service], entrance: Entrance) -> list[web.RouteDef]:
    """POST /api/Service/Method with a request as protobuf's JSON."""
    return [
        web.post(f"/api/{path_of(method)}", _handler(method, implementation_of(method, service.servicer), entrance))
        for service in services
        for method in service.descriptor.methods
        if path_of(method) in FOR_PAGES
    ]


def _handler(
    method: MethodDescriptor, implementation: Callable[[Any], Awaitable[Any]], entrance: Entrance
) -> Callable[[web.Request], Awaitable[web.Response]]:
    request_class, path, gate = GetMessageClass(method.input_type), path_of(method), entrance.gate
    name = method.input_type.full_name

    async def handle(request: web.Request) -> web.Response:
        call = gate.admit(path, caller_of(request))
        async with gate.limits.carrying_out(path, call.caller):
            return await answered(request, call)

    async def answered(request: web.Request, call: access.Call) -> web.Response:
        if request.content_type != "application/json":
            return refused(errors.invalid([("content-type", "must be application/json")]))
        body = await body_of(request, LARGEST_BODY)
        asked = request_class()
        try:
            faults = json_requests.parse(body.decode("utf-8"), asked)
        except (json_requests.NotJson, UnicodeDecodeError) as fault:
            return refused(errors.invalid([], f"the request is not JSON of {name}: {_reason(fault)}"))
        violations = errors.invalid(faults) if faults else errors.violations_of(asked)
        if violations is not None:
            return refused(violations)
        access.check(call, asked)
        answer = await implementation(asked)
        await entrance.audit(call)
        add_digits(answer)
        return web.Response(text=MessageToJson(answer, indent=None), content_type="application/json")

    return handle


def _reason(fault: Exception) -> str:
    """Return the parser's message in printable ASCII, at most LONGEST_REASON characters."""
    return str(fault).encode("ascii", "backslashreplace").decode("ascii")[:LONGEST_REASON]
