"""A refusal never fails itself: with any text, every client receives code, text and details."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import errors as dispatch_errors
from services.rpc import errors
from services.rpc.errors import CODE_OF_NUMBER, DETAILS_KEY

PATH = "/test.Test/Refuse"
# Any code point, lone surrogates and control characters among them; short, long, and far beyond what metadata holds.
anything = st.text(st.characters(codec=None), max_size=40)
texts = st.builds(lambda text, times: text * times, anything, st.sampled_from([1, 3, 500, 5_000]))


def subclasses(kind: type[Any]) -> list[type[Any]]:
    return [one for direct in kind.__subclasses__() for one in (direct, *subclasses(direct))]


KINDS = subclasses(dispatch_errors.DispatchError)


@st.composite
def refusals(draw: Any) -> status_pb2.Status:
    kind = draw(st.sampled_from([*KINDS, "violations"]))
    if kind == "violations":
        return errors.invalid(draw(st.lists(st.tuples(texts, texts), max_size=30)), draw(texts))
    fault = kind.__new__(kind)
    dispatch_errors.DispatchError.__init__(
        fault, "REASON", draw(texts), **draw(st.dictionaries(st.sampled_from(["job_id", "key"]), texts))
    )
    fault.field, fault.description = draw(texts), draw(texts)
    fault.retry_s = draw(st.floats())
    return errors.status_of(fault)


def test_every_kind_of_error_has_its_code() -> None:
    assert set(KINDS) == set(errors._CODES)


@settings(max_examples=60, deadline=None)
@given(st.lists(refusals(), min_size=1, max_size=5))
def test_a_client_receives_every_refusal_whole(refused: list[status_pb2.Status]) -> None:
    async def exchange() -> None:
        server = grpc.aio.server()
        handlers = {"Refuse": grpc.unary_unary_rpc_method_handler(refuse)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for number, status in enumerate(refused):
                call = channel.unary_unary(PATH)(str(number).encode())
                assert await call.code() is CODE_OF_NUMBER[status.code]
                assert await call.details() == status.message
                packed = dict(await call.trailing_metadata())[DETAILS_KEY]
                received = status_pb2.Status.FromString(packed)
                assert received == status
                assert received.details[0].Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
        await server.stop(None)

    async def refuse(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await errors.abort(context, refused[int(data)])
        raise AssertionError("the call is aborted")

    asyncio.run(exchange())


def test_a_refusal_of_one_very_long_field_still_names_it() -> None:
    status = errors.invalid([("spec.pickup.label", "x" * 100_000)])
    details = error_details_pb2.BadRequest()
    assert any(detail.Unpack(details) for detail in status.details)
    assert details.field_violations[0].field == "spec.pickup.label"


async def test_a_refusal_of_a_call_whose_client_has_gone_is_no_fault_of_the_service(caplog) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def refuse(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        begun.set()
        # The client has gone; a refusal that was on its way comes too late.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await errors.abort(context, errors.status(grpc.StatusCode.RESOURCE_EXHAUSTED, "slowly", []))
        finally:
            ended.set()
        return b""

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(refuse)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Gone", {"Call": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/test.Gone/Call")(b"")
        await begun.wait()
        call.cancel()
        await ended.wait()
    await server.stop(None)
    assert not [record for record in caplog.records if record.levelname == "ERROR"], caplog.text
