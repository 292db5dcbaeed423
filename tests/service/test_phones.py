"""Phones as they are: clocks that are wrong, batches with bad positions or out of order."""

from __future__ import annotations

import grpc
import pytest

from dispatcher.times import SECOND, micros, span, timestamp
from gig.v1 import courier_service_pb2 as pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from tests.service.stream import CourierClient, go_online, place_request
from tests.signing import caller

# Market seconds that may pass while a test reads the market's time: its clock runs fast.
SLACK_S = 60


async def market_us(oversight) -> int:
    return micros((await oversight.GetMarket(oversight_pb.GetMarketRequest())).market.time)


def step(at: tuple[float, float], metres: float) -> tuple[float, float]:
    """A place so far north."""
    return at[0] + metres / 111_195, at[1]


async def online_with_clock(phone: CourierClient, at: tuple[float, float], shown_us: int) -> None:
    await phone.hello(client_time=timestamp(shown_us))
    await phone.done(go_online=go_online(at, client_time=timestamp(shown_us)))


@pytest.mark.parametrize("behind_s", [120, 600, -120, -600])
async def test_a_phone_with_a_wrong_clock_is_matched_where_it_is(
    jobs, couriers, oversight, connect, name, island, behind_s
) -> None:
    bo, cy = connect(f"{name}-bo"), connect(f"{name}-cy")
    await cy.online(step(island, 600))
    now = await market_us(oversight)
    await online_with_clock(bo, step(island, 1500), now - behind_s * SECOND)
    batch = pb.LocationBatch(latitudes=[island[0]] * 2, longitudes=[island[1]] * 2, offsets_ms=[0, 500])
    batch.start_time.CopyFrom(timestamp(await market_us(oversight) - behind_s * SECOND))
    await bo.done(locations=batch)
    await jobs.PlaceJob(place_request(name, island))
    assert (await bo.offer()).pickup_distance_metres < 10
    asked = pb.GetCourierRequest(courier_id=bo.courier_id)
    while not (known := (await couriers.GetCourier(asked)).courier).HasField("clock_offset"):
        pass
    assert abs(span(known.clock_offset) / SECOND - behind_s) < SLACK_S


async def test_going_online_again_with_another_reading_is_the_same_request(couriers, oversight, name, island) -> None:
    now = await market_us(oversight)
    for shown in (now, now - 5 * SECOND):
        online = go_online(island, client_time=timestamp(shown))
        request = pb.GoOnlineRequest(request_id="on", courier_id=f"{name}-bo", online=online)
        answer = await couriers.GoOnline(request)
        assert answer.courier.state == pb.COURIER_STATE_FREE


async def test_the_good_positions_of_a_batch_are_taken_and_the_bad_ones_refused_by_index(
    jobs, couriers, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(step(island, 900))
    north, east = island
    latitudes, longitudes = [float("nan"), north, 91.0, north], [east, east, east, 181.0]
    bad = pb.LocationBatch(latitudes=latitudes, longitudes=longitudes)
    number = await bo.send(locations=bad)
    refusal = (await bo.until(lambda response: response.refusal.number == number))[-1].refusal
    assert refusal.status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    for field in ("locations.latitudes[0]", "locations.latitudes[2]", "locations.longitudes[3]"):
        assert field in refusal.status.message
    impossible = pb.RefusedPositions(fault=pb.POSITION_FAULT_IMPOSSIBLE, indices=[0, 2, 3])
    assert (list(refusal.refused), refusal.accepted) == ([impossible], 1)
    report = pb.ReportLocationsRequest(courier_id=bo.courier_id, locations=bad)
    assert await couriers.ReportLocations(report) == pb.ReportLocationsResponse(accepted=1, refused=[impossible])
    await jobs.PlaceJob(place_request(name, island))
    assert (await bo.offer()).pickup_distance_metres < 10


async def test_positions_out_of_order_are_sorted(jobs, oversight, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(step(island, 900))
    track = [step(island, 900 - 9 * at) for at in range(101)]
    order = [*range(50), 51, 50, *range(52, 99), 100, 99]
    batch = pb.LocationBatch(
        latitudes=[track[at][0] for at in order],
        longitudes=[track[at][1] for at in order],
        offsets_ms=[100 * at for at in order],
    )
    batch.start_time.CopyFrom(timestamp(await market_us(oversight)))
    await bo.done(locations=batch)
    await jobs.PlaceJob(place_request(name, island))
    assert (await bo.offer()).pickup_distance_metres < 10


async def test_a_courier_is_notified_when_batch_after_batch_is_refused(oversight, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    batch = pb.LocationBatch(latitudes=[island[0]], longitudes=[island[1]])
    # Two days ahead: more than is corrected.
    batch.start_time.CopyFrom(timestamp(await market_us(oversight) + 2 * 86_400 * SECOND))
    for _ in range(3):
        await bo.send(locations=batch)
    seen = await bo.until(lambda response: response.refusal.number == bo.number)
    assert all("set the device's clock" in one.refusal.status.message for one in seen if one.HasField("refusal"))
    notice = next(one for one in seen if one.HasField("notice"))
    assert notice.number == 0
    assert notice.notice.device.trouble == pb.DEVICE_TROUBLE_POSITIONS_REFUSED
    assert [(one.reason, one.count) for one in notice.notice.device.unused] == [("future", 3)]
    await bo.done(locations=pb.LocationBatch(latitudes=[island[0]], longitudes=[island[1]]))


async def test_a_reading_outside_of_its_bounds_is_refused_by_name(couriers, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    batch = pb.LocationBatch(latitudes=[island[0]], longitudes=[island[1]])
    for seconds in (0, -1, 7_258_118_400, 2**62):
        batch.client_time.seconds = seconds
        assert "locations.client_time" in (await bo.refused(locations=batch)).message
    request = pb.GoOnlineRequest(request_id="on", courier_id=f"{name}-cy", online=go_online(island))
    request.online.client_time.seconds = -1
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await couriers.GoOnline(request, metadata=caller("courier", f"{name}-cy"))
    assert "online.client_time" in refused.value.details()
