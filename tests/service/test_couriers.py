"""CourierService: the stream, through cuts, and its unary twins."""

from __future__ import annotations

import asyncio
import collections
import threading
from collections.abc import Iterator

import grpc
import pytest

from gig.v1 import courier_service_pb2 as pb
from gig.v1 import courier_service_pb2_grpc as rpc
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from tests.service.stream import go_online, place_request
from tests.signing import caller


def located_at(seconds: int, nanos: int = 0) -> pb.LocationBatch:
    batch = pb.LocationBatch(latitudes=[1.0], longitudes=[1.0])
    batch.start_time.seconds, batch.start_time.nanos = seconds, nanos
    return batch


async def test_a_job_goes_the_whole_way_from_request_to_paid(
    jobs, pay, ratings, transparency, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    placed = (await jobs.PlaceJob(place_request(name, island))).job
    offer = await bo.offer()
    assert [job.job_id for job in offer.jobs] == [placed.job_id]
    assert offer.pay.minor_units > 0
    await bo.accept(offer.offer_id)
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        await bo.report(placed.job_id, step)
    done = (await jobs.GetJob(job_pb.GetJobRequest(job_id=placed.job_id))).job
    assert done.state == job_pb2.JOB_STATE_COMPLETED
    asked = pay_pb.GetStatementRequest(worker_id=bo.courier_id)
    statement = await pay.GetStatement(asked, metadata=caller("courier", bo.courier_id))
    assert statement.total.minor_units == offer.pay.minor_units == done.pay.total.minor_units
    assert [line.minor_units for line in statement.lines] == [line.minor_units for line in done.pay.lines]
    rate = rating_pb.RateJobRequest(
        request_id="r", job_id=placed.job_id, rater=job_pb2.ACTOR_CLIENT, rater_id=name, stars=5
    )
    assert (await ratings.RateJob(rate)).rating.rated_id == bo.courier_id
    score = (await ratings.GetScore(rating_pb.GetScoreRequest(person_id=bo.courier_id))).score
    assert score.ratings == 1
    assert score.score == pytest.approx((10 * score.prior_mean + 5) / 11, abs=0.01)
    asked = transparency_pb.ExplainDecisionRequest(decision_id=offer.offer_id)
    decision = (await transparency.ExplainDecision(asked, metadata=caller("courier", bo.courier_id))).decision
    assert decision.offer.reason.terms == offer.reason.terms
    assert "could take this job" in decision.sentence


async def test_a_cut_stream_resumes_without_a_lost_or_doubled_offer(jobs, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    await jobs.PlaceJob(place_request(name, island))
    first = await bo.offer()
    bo.cut()
    welcome = await bo.hello()
    assert welcome.courier.offer_id == first.offer_id
    seen = await bo.done(answer=pb.OfferAnswer(offer_id=first.offer_id, answer=pb.ANSWER_ACCEPT))
    assert not any(response.HasField("offer") for response in seen)
    bo.cut()
    welcome = await bo.hello()
    assert [job.job_id for job in welcome.jobs] == [job.job_id for job in first.jobs]


async def test_an_offer_made_while_the_stream_was_cut_comes_once_on_resume(jobs, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    bo.cut()
    job = (await jobs.PlaceJob(place_request(name, island))).job
    watch = jobs.WatchJob(job_pb.WatchJobRequest(job_id=job.job_id), timeout=20)
    while (await watch.read()).job.state != job_pb2.JOB_STATE_OFFERED:
        pass
    watch.cancel()
    await bo.hello()
    offer = await bo.offer()
    seen = await bo.done(answer=pb.OfferAnswer(offer_id=offer.offer_id, answer=pb.ANSWER_ACCEPT))
    assert not any(response.HasField("offer") for response in seen)


async def test_a_message_sent_again_after_a_cut_is_carried_out_once(jobs, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    await jobs.PlaceJob(place_request(name, island))
    offer = await bo.offer()
    answer = pb.OfferAnswer(offer_id=offer.offer_id, answer=pb.ANSWER_ACCEPT)
    await bo.done(answer=answer)
    bo.cut()
    welcome = await bo.hello()
    assert welcome.handled_number == bo.number
    bo.number -= 1
    await bo.done(answer=answer)


async def test_an_offer_without_an_answer_times_out_and_goes_to_the_next(jobs, connect, name, island) -> None:
    bo, cy = connect(f"{name}-bo"), connect(f"{name}-cy")
    await bo.online(island)
    job = (await jobs.PlaceJob(place_request(name, island))).job
    first = await bo.offer()
    await cy.online((island[0] + 0.01, island[1]))
    closed = (await bo.until(lambda response: response.HasField("offer_closed")))[-1].offer_closed
    assert closed.outcome == pb.OFFER_OUTCOME_TIMED_OUT
    second = await cy.offer()
    assert [offered.job_id for offered in second.jobs] == [job.job_id]
    assert second.offer_id != first.offer_id
    status = await bo.refused(answer=pb.OfferAnswer(offer_id=first.offer_id, answer=pb.ANSWER_ACCEPT))
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert "time to answer" in status.message


async def test_of_many_accepts_at_once_exactly_one_wins(jobs, couriers, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    await jobs.PlaceJob(place_request(name, island))
    offer = await bo.offer()

    async def accept(number: int) -> str:
        answer = pb.OfferAnswer(offer_id=offer.offer_id, answer=pb.ANSWER_ACCEPT)
        try:
            await couriers.AnswerOffer(
                pb.AnswerOfferRequest(request_id=f"a{number}", courier_id=bo.courier_id, answer=answer)
            )
        except grpc.aio.AioRpcError as fault:
            return fault.details()
        return "won"

    outcomes = await asyncio.gather(*(accept(number) for number in range(8)))
    assert outcomes.count("won") == 1
    assert set(outcomes) == {"won", "the offer is accepted already; the job is yours"}


async def test_going_offline_mid_job_requeues_it_for_another(jobs, connect, name, island) -> None:
    bo, cy = connect(f"{name}-bo"), connect(f"{name}-cy")
    await bo.online(island)
    job = (await jobs.PlaceJob(place_request(name, island))).job
    await bo.accept((await bo.offer()).offer_id)
    await bo.done(go_offline=pb.GoOffline(reason="flat tyre"))
    await cy.online(island)
    assert [offered.job_id for offered in (await cy.offer()).jobs] == [job.job_id]


async def test_a_client_who_cancels_frees_the_courier(jobs, connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = (await jobs.PlaceJob(place_request(name, island))).job
    await bo.accept((await bo.offer()).offer_id)
    await jobs.CancelJob(job_pb.CancelJobRequest(request_id="c", client_id=name, job_id=job.job_id))
    assert (await bo.job("CANCELLED")).job_id == job.job_id
    bo.cut()
    assert (await bo.hello()).courier.state == pb.COURIER_STATE_FREE


async def test_locations_decide_who_is_nearest(jobs, connect, name, island) -> None:
    bo, cy = connect(f"{name}-bo"), connect(f"{name}-cy")
    await bo.online((island[0] + 0.016, island[1]))
    await cy.online((island[0] + 0.008, island[1]))
    track = pb.LocationBatch(latitudes=[island[0] + 0.008, island[0]], longitudes=[island[1]] * 2, offsets_ms=[0, 10])
    await bo.done(locations=track)
    await jobs.PlaceJob(place_request(name, island))
    assert (await bo.offer()).pickup_distance_metres < 10


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        (pb.LocationBatch(), "locations.latitudes"),
        (pb.LocationBatch(latitudes=[1.0], longitudes=[1.0, 2.0]), "locations.longitudes"),
        (pb.LocationBatch(latitudes=[1.0], longitudes=[1.0], offsets_ms=[1, 2]), "locations.offsets_ms"),
        (pb.LocationBatch(latitudes=[float("nan")], longitudes=[1.0]), "locations.latitudes[0]"),
        (pb.LocationBatch(latitudes=[1.0], longitudes=[181.0]), "locations.longitudes[0]"),
        (pb.LocationBatch(latitudes=[1.0] * 1001, longitudes=[1.0] * 1001), "locations.latitudes"),
        (pb.LocationBatch(latitudes=[1.0], longitudes=[1.0], offsets_ms=[86_400_001]), "locations.offsets_ms[0]"),
        (located_at(2**62), "locations.start_time"),
        (located_at(-(2**63)), "locations.start_time"),
        (located_at(9_300_000_000_000), "locations.start_time"),
        (located_at(0), "locations.start_time"),
        (located_at(1_700_000_000, nanos=-1), "locations.start_time"),
        (located_at(1_700_000_000, nanos=2**31 - 1), "locations.start_time"),
        (located_at(1_700_000_000), "locations.start_time"),
        (located_at(7_258_118_399), "locations.start_time"),
    ],
)
async def test_a_faulty_location_batch_is_refused_by_field_and_the_stream_goes_on(
    couriers, connect, name, island, batch, field
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    status = await bo.refused(locations=batch)
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert field in status.message
    await bo.done(locations=pb.LocationBatch(latitudes=[island[0]], longitudes=[island[1]]))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await couriers.ReportLocations(pb.ReportLocationsRequest(courier_id=bo.courier_id, locations=batch))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.value.details()


async def test_a_bad_message_is_refused_and_the_stream_goes_on(connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.hello()
    away = await bo.refused(locations=pb.LocationBatch(latitudes=[1.0], longitudes=[1.0]))
    assert away.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    bad = await bo.refused(answer=pb.OfferAnswer(offer_id="", answer=7))
    assert "answer.offer_id" in bad.message
    assert "answer.answer" in bad.message
    unknown = await bo.refused(progress=pb.Progress(job_id="none", step=pb.PROGRESS_STEP_ARRIVED))
    assert unknown.code == grpc.StatusCode.NOT_FOUND.value[0]
    await bo.done(go_online=go_online(island))


async def test_every_message_of_a_stream_is_checked_and_the_stream_goes_on(connect, name, island) -> None:
    bo = connect(f"{name}-bo")
    await bo.hello()
    for seconds in (2**62, 9_300_000_000_000, 0):
        shift = go_online(island)
        shift.shift_end.seconds = seconds
        refused = await bo.refused(go_online=shift)
        assert refused.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert "go_online.shift_end" in refused.message
    far = go_online(island)
    far.shift_end.GetCurrentTime()
    far.shift_end.seconds += 400 * 86_400
    assert "online.shift_end: must be at most" in (await bo.refused(go_online=far)).message
    for reason in ("\x1b[2J", "a\u202eb", "\x00", "x" * 201):
        assert "go_offline.reason" in (await bo.refused(go_offline=pb.GoOffline(reason=reason))).message
    numbered = bo.number
    for number in (10**12 + 1, 2**63 - 1, 2**64 - 1):
        bo.number = number - 1
        assert "number: must be at most" in (await bo.refused(go_offline=pb.GoOffline())).message
    bo.number = numbered
    await bo.done(go_online=go_online(island))


@pytest.mark.parametrize(
    ("hello", "field"),
    [
        (pb.Hello(courier_id="bo\n"), "hello.courier_id"),
        (pb.Hello(courier_id="bo", resume_token="a\0b"), "hello.resume_token"),
        (pb.Hello(courier_id="bo", last_received=2**64 - 1), "hello.last_received"),
    ],
)
async def test_a_hello_outside_of_its_bounds_ends_the_stream_by_name(couriers, hello, field) -> None:
    call = couriers.Connect(metadata=caller("courier", "bo"))
    await call.write(pb.ConnectRequest(hello=hello))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.value.details()


async def test_a_stream_begins_with_hello(couriers) -> None:
    call = couriers.Connect(metadata=caller("courier", "bo"))
    await call.write(pb.ConnectRequest(number=1, go_offline=pb.GoOffline()))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_newest_stream_of_a_courier_is_the_one_that_counts(jobs, connect, name, island) -> None:
    old = connect(f"{name}-bo")
    await old.online(island)
    new = connect(f"{name}-bo")
    new.token, new.number = old.token, old.number
    await new.hello()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await old.call.read()
    assert ended.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await jobs.PlaceJob(place_request(name, island))
    await new.accept((await new.offer()).offer_id)


def test_a_stream_that_is_not_read_is_ended_and_not_buffered(suite, name) -> None:
    """By the blocking client: it can write without reading, and is told the status all the same."""
    enough, ended = threading.Event(), threading.Event()

    def shout() -> Iterator[pb.ConnectRequest]:
        yield pb.ConnectRequest(hello=pb.Hello(courier_id=name))
        number = 0
        while not enough.is_set():
            number += 1
            yield pb.ConnectRequest(number=number, answer=pb.OfferAnswer(offer_id="x" * 100, answer=7))

    with grpc.insecure_channel(suite.target) as channel:
        call = rpc.CourierServiceStub(channel).Connect(shout(), timeout=60, metadata=caller("courier", name))
        call.add_callback(ended.set)
        ended.wait(4)
        enough.set()
        with pytest.raises(grpc.RpcError) as slow:
            collections.deque(call, maxlen=0)
    assert slow.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "resume token" in slow.value.details()


async def test_the_unary_twins_do_what_the_stream_does(jobs, couriers, name, island) -> None:
    courier_id = f"{name}-bo"
    online = pb.GoOnlineRequest(request_id="on", courier_id=courier_id, online=go_online(island))
    assert (await couriers.GoOnline(online)).courier.state == pb.COURIER_STATE_FREE
    assert (await couriers.GoOnline(online)).courier.state == pb.COURIER_STATE_FREE
    batch = pb.LocationBatch(latitudes=[island[0]], longitudes=[island[1]])
    report = pb.ReportLocationsRequest(courier_id=courier_id, locations=batch)
    assert (await couriers.ReportLocations(report)).accepted == 1
    job = (await jobs.PlaceJob(place_request(name, island))).job
    watch = jobs.WatchJob(job_pb.WatchJobRequest(job_id=job.job_id), timeout=20)
    while (await watch.read()).job.state != job_pb2.JOB_STATE_OFFERED:
        pass
    watch.cancel()
    asked = pb.GetCourierRequest(courier_id=courier_id)
    offer = (await couriers.GetCourier(asked, metadata=caller("courier", courier_id))).offer
    answer = pb.OfferAnswer(offer_id=offer.offer_id, answer=pb.ANSWER_ACCEPT)
    taken = pb.AnswerOfferRequest(request_id="a", courier_id=courier_id, answer=answer)
    assert [held.job_id for held in (await couriers.AnswerOffer(taken)).jobs] == [job.job_id]
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        progress = pb.Progress(job_id=job.job_id, step=f"PROGRESS_STEP_{step}")
        request = pb.ReportProgressRequest(request_id=step, courier_id=courier_id, progress=progress)
        first = await couriers.ReportProgress(request)
        assert (await couriers.ReportProgress(request)).job.state == first.job.state
    gone = await couriers.GoOffline(pb.GoOfflineRequest(request_id="off", courier_id=courier_id))
    assert gone.courier.state == pb.COURIER_STATE_OFFLINE
    assert gone.courier.jobs_completed == 1
