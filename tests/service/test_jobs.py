"""JobService, by a plain client."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as pb
from tests.service.stream import place_request


def details(fault: grpc.aio.AioRpcError) -> dict[str, object]:
    """The google.rpc details of an error, by their names."""
    status = rpc_status.from_call(fault)
    found = {}
    for packed in status.details:
        message = getattr(error_details_pb2, packed.TypeName().split(".")[-1])()
        packed.Unpack(message)
        found[type(message).__name__] = message
    return found


async def test_a_placed_job_is_found_by_id_and_in_the_clients_list(jobs, name, island) -> None:
    job = (await jobs.PlaceJob(place_request(name, island))).job
    assert job.state == job_pb2.JOB_STATE_QUEUED
    assert job.fare.total.minor_units == sum(line.minor_units for line in job.fare.lines)
    assert (await jobs.GetJob(pb.GetJobRequest(job_id=job.job_id))).job.job_id == job.job_id
    listed = (await jobs.ListJobs(pb.ListJobsRequest(client_id=name))).jobs
    assert [entry.job_id for entry in listed] == [job.job_id]


async def test_a_repeated_request_returns_the_same_job_and_a_reused_id_is_refused(jobs, name, island) -> None:
    request = place_request(name, island)
    first, *again = await asyncio.gather(*(jobs.PlaceJob(request) for _ in range(5)))
    assert {answer.job.job_id for answer in again} == {first.job.job_id}
    request.spec.pickup.label = "another door"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.PlaceJob(request)
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert details(refused.value)["ErrorInfo"].reason == "REQUEST_ID_REUSED"


async def test_a_request_id_of_another_method_is_another_request(jobs, name, island) -> None:
    ask = pb.QuoteJobRequest(request_id="1", client_id=name, spec=place_request(name, island).spec)
    quote = (await jobs.QuoteJob(ask)).quote
    place = pb.PlaceJobRequest(request_id="1", client_id=name, quote_id=quote.quote_id)
    cancel = pb.CancelJobRequest(request_id="1", client_id=name, job_id=quote.quote_id)
    assert place.SerializeToString() == cancel.SerializeToString()
    assert (await jobs.PlaceJob(place)).job.state == job_pb2.JOB_STATE_QUEUED
    assert (await jobs.CancelJob(cancel)).job.state == job_pb2.JOB_STATE_CANCELLED
    assert (await jobs.CancelJob(cancel)).job.state == job_pb2.JOB_STATE_CANCELLED


async def test_nobody_repeats_the_request_of_somebody_else(jobs, name, island) -> None:
    """Caller and request_id, joined by any sign that both may hold, are the same text for both."""
    wanted = place_request(name, island).spec
    for sign in ":.@-_":
        one = pb.PlaceJobRequest(request_id=f"b{sign}1", client_id=name, spec=wanted)
        other = pb.PlaceJobRequest(request_id="1", client_id=f"{name}{sign}b", spec=wanted)
        placed = [(await jobs.PlaceJob(request)).job for request in (one, other)]
        assert [job.client_id for job in placed] == [one.client_id, other.client_id]
        assert placed[0].job_id != placed[1].job_id


async def test_a_quote_is_placed_at_its_price(jobs, name, island) -> None:
    wanted = place_request(name, island).spec
    ask = pb.QuoteJobRequest(request_id="q", client_id=name, spec=wanted)
    quote = (await jobs.QuoteJob(ask)).quote
    taken = pb.PlaceJobRequest(request_id="p", client_id=name, quote_id=quote.quote_id)
    job = (await jobs.PlaceJob(taken)).job
    assert job.job_id == quote.quote_id
    assert job.fare == quote.fare


async def test_a_list_comes_in_pages_newest_first(jobs, name, island) -> None:
    placed = [(await jobs.PlaceJob(place_request(name, island, number))).job.job_id for number in range(7)]
    found, token = [], ""
    while True:
        page = await jobs.ListJobs(pb.ListJobsRequest(client_id=name, page_size=3, page_token=token))
        found += [job.job_id for job in page.jobs]
        token = page.next_page_token
        if not token:
            break
    assert found == placed[::-1]
    nothing = pb.ListJobsRequest(client_id=name, states=[job_pb2.JOB_STATE_COMPLETED])
    assert not (await jobs.ListJobs(nothing)).jobs


async def test_a_scheduled_job_joins_the_queue_in_time(jobs, oversight, name, island) -> None:
    from gig.v1 import oversight_service_pb2 as oversight_pb

    now = (await oversight.GetMarket(oversight_pb.GetMarketRequest())).market.time
    request = place_request(name, island)
    request.spec.pickup_after.FromSeconds(now.seconds + 630)
    job = (await jobs.PlaceJob(request)).job
    assert job.state == job_pb2.JOB_STATE_SCHEDULED
    watch = jobs.WatchJob(pb.WatchJobRequest(job_id=job.job_id), timeout=30)
    states = []
    async for update in watch:
        states.append(update.job.state)
        if update.job.state == job_pb2.JOB_STATE_QUEUED:
            break
    assert states == [job_pb2.JOB_STATE_SCHEDULED, job_pb2.JOB_STATE_QUEUED]


async def test_a_watch_shows_each_change_and_ends_with_the_job(jobs, name, island) -> None:
    job = (await jobs.PlaceJob(place_request(name, island))).job
    watch = jobs.WatchJob(pb.WatchJobRequest(job_id=job.job_id), timeout=30)
    assert (await watch.read()).job.state == job_pb2.JOB_STATE_QUEUED
    cancel = pb.CancelJobRequest(request_id="c", client_id=name, job_id=job.job_id, reason="rain")
    assert (await jobs.CancelJob(cancel)).job.end_reason == "rain"
    assert (await watch.read()).job.state == job_pb2.JOB_STATE_CANCELLED
    assert await watch.read() is grpc.aio.EOF
    assert (await jobs.CancelJob(cancel)).job.state == job_pb2.JOB_STATE_CANCELLED


async def test_cancelling_twice_with_new_ids_is_a_wrong_state(jobs, name, island) -> None:
    job = (await jobs.PlaceJob(place_request(name, island))).job
    await jobs.CancelJob(pb.CancelJobRequest(request_id="c1", client_id=name, job_id=job.job_id))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.CancelJob(pb.CancelJobRequest(request_id="c2", client_id=name, job_id=job.job_id))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert details(refused.value)["ErrorInfo"].metadata["state"] == "cancelled"


async def test_a_call_past_its_deadline_can_be_repeated_without_a_second_job(jobs, name, island) -> None:
    """Whether the deadline passed before, during or after the work: the answer is lost, never the promise."""
    for number, timeout in enumerate((0.0, 0.0005, 0.001, 0.002, 0.004, 0.008)):
        request = place_request(name, island, number)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await jobs.PlaceJob(request, timeout=timeout)
        await jobs.PlaceJob(request)
    listed = (await jobs.ListJobs(pb.ListJobsRequest(client_id=name))).jobs
    assert len(listed) == 6


async def test_a_watch_ends_at_its_deadline(jobs, name, island) -> None:
    job = (await jobs.PlaceJob(place_request(name, island))).job
    watch = jobs.WatchJob(pb.WatchJobRequest(job_id=job.job_id), timeout=0.5)
    await watch.read()
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await watch.read()
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: r.ClearField("client_id"), "client_id"),
        (lambda r: r.ClearField("request_id"), "request_id"),
        (lambda r: r.ClearField("spec"), "what"),
        (lambda r: setattr(r.spec, "kind", 0), "spec.kind"),
        (lambda r: setattr(r.spec, "kind", 77), "spec.kind"),
        (lambda r: r.spec.ClearField("pickup"), "spec.pickup"),
        (lambda r: setattr(r.spec.pickup.position, "latitude", float("nan")), "spec.pickup.position.latitude"),
        (lambda r: setattr(r.spec.pickup.position, "latitude", 90.1), "spec.pickup.position.latitude"),
        (lambda r: setattr(r.spec.dropoff.position, "longitude", float("inf")), "spec.dropoff.position.longitude"),
        (lambda r: r.spec.pickup_after.FromSeconds(1), "spec.pickup_after"),
        (lambda r: r.spec.pickup_after.FromSeconds(253402300799), "spec.pickup_after"),
        (lambda r: r.spec.skills.append("Not A Skill"), "spec.skills[0]"),
        (lambda r: setattr(r, "client_id", "a\x00b"), "client_id"),
    ],
)
async def test_a_bad_field_is_named(jobs, name, island, change, field) -> None:
    request = place_request(name, island)
    change(request)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.PlaceJob(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = details(refused.value)["BadRequest"].field_violations
    assert field in {violation.field for violation in violations} or (
        field == "what" and "oneof" in refused.value.details()
    )


async def test_unknown_jobs_and_tokens_are_refused(jobs, name) -> None:
    for call, request, code in (
        (jobs.GetJob, pb.GetJobRequest(job_id="nope"), grpc.StatusCode.NOT_FOUND),
        (jobs.ListJobs, pb.ListJobsRequest(client_id=name, page_token="??"), grpc.StatusCode.INVALID_ARGUMENT),
        (jobs.ListJobs, pb.ListJobsRequest(client_id=name, page_size=501), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request)
        assert refused.value.code() is code
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.WatchJob(pb.WatchJobRequest(job_id="nope")).read()
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
