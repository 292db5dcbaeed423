"""Of a courier's connections exactly one is open, however many arrive; two phones do not end each other for long."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gig.v1 import courier_service_pb2 as pb
from tests.service.stream import CourierClient, place_request
from tests.signing import caller

CONNECTIONS = 24


async def hello(stub: Any, courier_id: str, token: str = "") -> Any:
    call = stub.Connect(metadata=caller("courier", courier_id))
    await call.write(pb.ConnectRequest(hello=pb.Hello(courier_id=courier_id, resume_token=token)))
    return call


async def ended(call: Any) -> tuple[grpc.StatusCode, str]:
    """Read to the end; the status."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError:
        pass
    return await call.code(), await call.details()


@pytest.mark.parametrize("resumed", [False, True], ids=["new sessions", "one session"])
async def test_of_connects_in_the_same_moment_one_stays_open(
    couriers, connect, name: str, island: tuple[float, float], resumed: bool
) -> None:
    bo: CourierClient = connect(name)
    await bo.online(island)
    token = bo.token if resumed else ""
    calls = await asyncio.gather(*(hello(couriers, name, token) for _ in range(CONNECTIONS)))
    ends = {asyncio.create_task(ended(call)): call for call in (bo.call, *calls)}
    over: set[Any] = set()
    while len(ends) - len(over) > 1:
        done, _ = await asyncio.wait(set(ends) - over, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert done, "more than one connection stays open"
        over |= done
    for task in over:
        code, details = task.result()
        assert code is grpc.StatusCode.FAILED_PRECONDITION, details
        assert "another connection" in details
    (task,) = set(ends) - over
    left = ends[task]
    task.cancel()
    assert not left.done()
    left.cancel()


async def answered(call: Any) -> None:
    """Wait for the first answer: a welcome, or the end."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call.read()


async def test_what_happens_while_connections_replace_each_other_reaches_the_last_one_once_and_in_order(
    jobs, couriers, connect, name: str, island: tuple[float, float]
) -> None:
    bo = connect(name)
    await bo.online(island)
    burst, _ = await asyncio.gather(
        asyncio.gather(*(hello(couriers, name, bo.token) for _ in range(8))),
        jobs.PlaceJob(place_request(name, island)),
    )
    await asyncio.gather(*map(answered, burst))
    welcome = await bo.hello()
    assert welcome.handled_number == bo.number
    offer = await bo.offer()
    seen = await bo.done(answer=pb.OfferAnswer(offer_id=offer.offer_id, answer=pb.ANSWER_ACCEPT))
    numbers = [message.number for message in seen if message.number]
    assert numbers == sorted(set(numbers))
    assert not any(message.HasField("offer") for message in seen)
    assert {code for code, _ in await asyncio.gather(*map(ended, burst))} == {grpc.StatusCode.FAILED_PRECONDITION}


async def refused(call: Any) -> tuple[str, float]:
    """Read to the end of a stream that is refused or ended; the reason, and the seconds until the app may come back."""
    await ended(call)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    details = dict(await call.trailing_metadata())["grpc-status-details-bin"]
    for detail in status_pb2.Status.FromString(details).details:
        detail.Unpack(info)
        detail.Unpack(retry)
    return info.reason, retry.retry_delay.ToNanoseconds() / 1e9


async def test_an_app_that_reconnects_at_once_does_not_end_the_newer_phone(
    couriers, connect, name: str, island: tuple[float, float]
) -> None:
    old, new = connect(name), connect(name)
    await old.online(island)
    await new.hello()
    notice = (await new.read()).notice
    assert notice.device.trouble == pb.DEVICE_TROUBLE_OTHER_PHONE
    reason, wait_s = await refused(old.call)
    assert reason == "TAKEN_OVER"
    assert wait_s >= 10
    for token in (old.token, "") * 50:
        reason, wait_s = await refused(await hello(couriers, name, token))
        assert reason == "TAKEN_OVER"
        assert 0 < wait_s <= 60
    await new.done(locations=pb.LocationBatch(latitudes=[island[0]], longitudes=[island[1]]))


async def test_a_phone_that_was_ended_may_connect_once_the_other_has_gone(
    connect, name: str, island: tuple[float, float]
) -> None:
    old, new = connect(name), connect(name)
    await old.online(island)
    await new.hello()
    await refused(old.call)
    await new.call.done_writing()
    await ended(new.call)
    assert (await old.hello()).courier.courier_id == name
