"""Handlers for a service, made from its descriptor: one way in, of decoding, checking, failing and measuring."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from dispatcher.errors import DispatchError, Exhausted, NoCaller
from services.auth import access
from services.auth.bulkheads import BULKHEADS
from services.auth.contract import path_of, python_name
from services.auth.gate import Gate
from services.auth.limits import UNDER_WAY
from services.auth.slow_refusals import SlowRefusals
from services.rpc import errors
from services.rpc.call_metrics import CallMetrics, MethodMetrics
from services.rpc.currency_digits import add_digits
from services.rpc.deadlines import answered_in_time
from services.rpc.decoding import Malformed, decoder
from services.rpc.services import Service

# Refusals of unknown callers that are kept for each method.
KEPT_REFUSALS = 32
RETRY_DELAYS_S = (0.5, 0.9, 1.3, 1.7, 0.7, 1.1, 1.5, 1.9)


class Refused(Exception):
    """A request that breaks the contract's own rules; ``status`` names each field."""

    def __init__(self, status: Any) -> None:
        self.status = status


@dataclass(frozen=True, slots=True)
class Entrance:
    """``note`` puts on the log whose data the caller of a call looked at by privileged access."""

    gate: Gate
    metrics: CallMetrics
    note: Callable[[access.Call], Awaitable[None]]

    async def audit(self, call: access.Call) -> None:
        """Note whose data the answer holds; durable when it returns. Call it before any answer leaves."""
        if call.settle():
            await self.note(call)
            call.looked_at.clear()


class Door(grpc.GenericRpcHandler):
    """All methods of a service.

    Calls without a valid token, and calls beyond the service's capacity, are refused before anything of them is read:
    that costs a tenth of a millisecond and no memory, and the calls under way stay quick.
    """

    def __init__(self, service: Service, entrance: Entrance) -> None:
        name = service.descriptor.full_name
        methods = {method: _Method(method, service.servicer, entrance) for method in service.descriptor.methods}
        self._handlers = {f"/{name}/{method.name}": made.handler() for method, made in methods.items()}
        slow_refusals = entrance.gate.limits.slow_refusals
        self._refusals = {
            f"/{name}/{method.name}": _Refusals(made.metrics, slow_refusals) for method, made in methods.items()
        }
        # Streams are bounded on their own; what is under way is brought to its end first.
        self._unbounded = frozenset(
            f"/{name}/{method.name}"
            for method in methods
            if method.client_streaming or method.server_streaming or path_of(method) in UNDER_WAY
        )
        self._gate = entrance.gate

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            return None
        try:
            caller = self._gate.caller(handler_call_details.invocation_metadata)
        except NoCaller as fault:
            return self._refusals[method].unknown_caller(fault)
        if method not in self._unbounded and self._gate.beyond_capacity(caller):
            return self._refusals[method].overloaded()
        return handler


class _Refusals:
    """Handlers that end a call unread. They are streams, which can answer before the request arrives."""

    def __init__(self, metrics: MethodMetrics, slow_refusals: SlowRefusals) -> None:
        self._metrics, self._slow_refusals = metrics, slow_refusals
        text = "the service has as much to do as it can do well: come back later"
        # The delays differ, so that the clients do not come back all at once.
        statuses = (errors.status_of(Exhausted("OVERLOADED", text, delay_s)) for delay_s in RETRY_DELAYS_S)
        self._overloaded = itertools.cycle([self.of(status) for status in statuses])
        self._unknown_callers: dict[str, grpc.RpcMethodHandler] = {}

    def unknown_caller(self, fault: NoCaller) -> grpc.RpcMethodHandler:
        """Made once for each message: a flood of such calls must cost little."""
        handler = self._unknown_callers.get(fault.message)
        if handler is None:
            handler = self.of(errors.status_of(fault), self._slow_refusals.pause)
            if len(self._unknown_callers) < KEPT_REFUSALS:
                self._unknown_callers[fault.message] = handler
        return handler

    def overloaded(self) -> grpc.RpcMethodHandler:
        return next(self._overloaded)

    def of(
        self, status: status_pb2.Status, pause: Callable[[], Awaitable[None]] | None = None
    ) -> grpc.RpcMethodHandler:
        code, trailing = errors.CODE_OF_NUMBER[status.code], ((errors.DETAILS_KEY, status.SerializeToString()),)

        async def refuse(_requests: Any, context: grpc.aio.ServicerContext) -> None:
            if pause is not None:
                await pause()
            context.set_code(code)
            context.set_details(status.message)
            context.set_trailing_metadata(trailing)
            self._metrics.observe(code, 0.0)

        return grpc.stream_stream_rpc_method_handler(refuse)


def implementation_of(method: MethodDescriptor, servicer: object) -> Callable[[Any], Any]:
    """What carries a method out: of the same name, in Python's spelling."""
    found: Callable[[Any], Any] = getattr(servicer, python_name(method))
    return found


class _Method:
    def __init__(self, method: MethodDescriptor, servicer: object, entrance: Entrance) -> None:
        self._method, self._path = method, path_of(method)
        self._implementation = implementation_of(method, servicer)
        self._gate, self._audit = entrance.gate, entrance.audit
        self.metrics = entrance.metrics.method(self._path)
        self._decode = decoder(GetMessageClass(method.input_type))

    def handler(self) -> grpc.RpcMethodHandler:
        """Requests of calls come as bytes: who may not call has nothing decoded."""
        encode = GetMessageClass(self._method.output_type).SerializeToString
        if self._method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(self._streams, None, encode)
        if self._method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._unary_stream, None, encode)
        return grpc.unary_unary_rpc_method_handler(self._unary, None, encode)

    async def _unary(self, data: bytes, context: grpc.aio.ServicerContext) -> Message:
        async with self._told(context), answered_in_time(self._left_s(context)):
            call = self._admitted(context)
            async with self._gate.limits.carrying_out(self._path, call.caller):
                answer: Message = await self._implementation(self._checked(call, data))
                await self._audit(call)
                add_digits(answer)
                return answer
        raise AssertionError("a call that fails is aborted")

    async def _unary_stream(self, data: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[Message]:
        async with self._told(context):
            call = self._admitted(context)
            limits = self._gate.limits
            with limits.stream(call.caller):
                async with AsyncExitStack() as held:
                    async with answered_in_time(self._left_s(context)):
                        slot = await held.enter_async_context(limits.carrying_out(self._path, call.caller))
                        answers = self._implementation(self._checked(call, data))
                        answer = await self._next(answers, call)
                    if slot is not None:
                        # The expensive part is done: a slow reader must not hold the slot.
                        slot.release()
                    while answer is not None:
                        yield answer
                        answer = await self._next(answers, call)

    async def _next(self, answers: AsyncIterator[Message], call: access.Call) -> Message | None:
        """Raises NoCaller where the caller's token expires meanwhile."""
        try:
            async with asyncio.timeout(_finite(call.caller.seconds_left())) as limit:
                answer = await anext(answers, None)
        except TimeoutError as fault:
            raise _expired() if limit.expired() else fault from None
        if answer is not None:
            await self._audit(call)
            add_digits(answer)
        return answer

    async def _streams(self, _requests: Any, context: grpc.aio.ServicerContext) -> None:
        """Bidirectional streams decode, charge and check each message themselves: a bad one must not end a shift."""
        async with self._told(context):
            call = self._admitted(context)
            with self._gate.limits.stream(call.caller):
                try:
                    async with asyncio.timeout(_finite(call.caller.seconds_left())) as limit:
                        await self._implementation(context)
                except TimeoutError as fault:
                    raise _expired() if limit.expired() else fault from None

    def _left_s(self, context: grpc.aio.ServicerContext) -> float | None:
        """Return the wall seconds until the caller's deadline for a method that may take long; None for the others."""
        left_s: float | None = context.time_remaining() if self._path in BULKHEADS else None
        return left_s

    def _admitted(self, context: grpc.aio.ServicerContext) -> access.Call:
        return self._gate.admit(self._path, self._gate.caller(context.invocation_metadata()))

    def _checked(self, call: access.Call, data: bytes) -> Message:
        """The request. Raises Refused, Exhausted, or NotAllowed where it is about somebody else."""
        self._gate.limits.size(call.caller, data)
        request = self._decode(data)
        if isinstance(request, Malformed):
            raise Refused(errors.invalid([], "the request is not a message of this method's type"))
        violations = errors.violations_of(request)
        if violations is not None:
            raise Refused(violations)
        access.check(call, request)
        return request

    @asynccontextmanager
    async def _told(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        """Ends a call that fails with its status, and measures each."""
        began, paused_s = time.perf_counter(), 0.0
        try:
            yield
        except Refused as fault:
            await errors.abort(context, fault.status)
        except DispatchError as fault:
            if isinstance(fault, Exhausted):
                refused_at = time.perf_counter()
                await self._gate.limits.slow_refusals.pause()
                paused_s = time.perf_counter() - refused_at
            await errors.abort(context, errors.status_of(fault))
        except grpc.aio.BaseError:
            raise  # ended already, or its client has gone
        except Exception as fault:  # whatever it is, neither its text nor silence reaches the caller
            await errors.abort(context, errors.unforeseen(self._path, fault))
        finally:
            self.metrics.observe(context.code(), time.perf_counter() - began - paused_s)


def _finite(seconds: float) -> float | None:
    return None if seconds == float("inf") else max(seconds, 0.0)


def _expired() -> NoCaller:
    return NoCaller("TOKEN_EXPIRED", "the token has expired: connect again with a new one")
