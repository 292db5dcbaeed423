"""Operators see the market, set its policy and draw its zones."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dispatcher import policy
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_pb2, offer_pb2
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import oversight_service_pb2_grpc as rpc
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from load_tests.bench.running import UNLIMITED, running_suite
from load_tests.live.suite_process import SuiteProcess
from tests.geo.test_geojson import grid
from tests.geo.test_zones import CITY, collection, square
from tests.service.stream import CourierClient, place_request
from tests.signing import signed_channel


async def test_the_market_view_adds_up(oversight, jobs, name, island) -> None:
    await jobs.PlaceJob(place_request(name, island))
    market = (await oversight.GetMarket(pb.GetMarketRequest())).market
    states = {entry.state: entry.count for entry in market.jobs}
    never_placed = sum(states.get(state, 0) for state in ("quoted", "quote_expired", "quote_cancelled"))
    assert sum(states.values()) - never_placed == market.jobs_placed > 0
    assert market.clock_speed == 30


def test_metrics_are_readable_and_name_nobody(suite, name) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{suite.http_port}/metrics") as answer:
        text = answer.read().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {"gig_jobs", "gig_couriers", "gig_offers", "gig_grpc_calls", "gig_wait_for_pickup_seconds"} <= set(families)
    assert f"{name}-bo" not in text
    for path, body in (("healthz", b"alive\n"), ("readyz", b"ready\n")):
        with urllib.request.urlopen(f"http://127.0.0.1:{suite.http_port}/{path}") as answer:
            assert answer.read() == body


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[SuiteProcess]:
    """A server whose policy and zones these tests may change. Its queues are looked at every five market seconds."""
    async with running_suite(*UNLIMITED, "--clock-speed", "5") as own:
        yield own


async def test_a_new_policy_and_new_zones_hold_from_the_next_decision_on(own: SuiteProcess) -> None:
    async with signed_channel(own.target, own.wallet) as channel:
        oversight = rpc.OversightServiceStub(channel)
        jobs = job_rpc.JobServiceStub(channel)
        dearer = policy.load("plain")
        dearer.fares[0].minimum = 99_900
        ask = pb.SetPolicyRequest(request_id="p", operator_id="op", policy=dearer)
        assert (await oversight.SetPolicy(ask)).policy.version == 2
        assert (await jobs.PlaceJob(place_request("ann", (1.0, 1.0)))).job.fare.total.minor_units == 99_900
        draw = pb.SetZonesRequest(request_id="z", operator_id="op", geojson=collection(CITY))
        assert (await oversight.SetZones(draw)).zones == 1
        with pytest.raises(grpc.aio.AioRpcError, match="outside the service area"):
            await jobs.PlaceJob(place_request("ann", (-5.0, -5.0), 2))
        # A long document is read by a process of its own.
        long = collection(CITY, *grid(200, rule="queue"))
        with pytest.raises(
            grpc.aio.AioRpcError, match=r"geojson: feature 200 .*: the name .* must not hold the character U\+D800"
        ):
            await oversight.SetZones(
                pb.SetZonesRequest(request_id="y", operator_id="op", geojson=long.replace("z199", r"z\ud800"))
            )
        draw.request_id, draw.geojson = "x", long
        assert [(await oversight.SetZones(draw)).zones for _ in range(2)] == [201, 201]
        assert not (await oversight.GetQueue(pb.GetQueueRequest(zone="z199"))).places
        bows = [square(0, 0, 1, name=f"bow{number}") for number in range(25)]
        for bow in bows:
            bow["geometry"]["coordinates"] = [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]
        with pytest.raises(grpc.aio.AioRpcError) as faulty:
            await oversight.SetZones(pb.SetZonesRequest(request_id="b", operator_id="op", geojson=collection(*bows)))
        assert faulty.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        said = faulty.value.details()
        assert all(f"feature {number} (bow{number}): invalid: Self-inter" in said for number in range(20)), said
        assert "and 5 more faults" in said
        touching = square(0, 0, 1, name="touching")
        touching["geometry"]["coordinates"].append([[0.2, 0.2], [0.4, 0.4], [0.2, 0.2], [0.2, 0.2]])
        mend = pb.SetZonesRequest(request_id="m", operator_id="op", geojson=collection(touching))
        mended = [await oversight.SetZones(mend) for _ in range(2)]
        assert mended[0] == mended[1]
        assert [repair.partition(":")[0] for repair in mended[0].repairs] == ["feature 0 (touching)"]
        (kept,) = json.loads((await oversight.GetZones(pb.GetZonesRequest())).geojson)["features"]
        assert len(kept["geometry"]["coordinates"]) == 1
        dearer.matching.candidates_per_job = 0
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await oversight.SetPolicy(pb.SetPolicyRequest(request_id="q", operator_id="op", policy=dearer))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "candidates_per_job" in refused.value.details()


async def test_queue_blocks_and_plan_check_answer_over_grpc(own: SuiteProcess) -> None:
    async with signed_channel(own.target, own.wallet) as channel:
        oversight, jobs = rpc.OversightServiceStub(channel), job_rpc.JobServiceStub(channel)
        queueing = policy.load("plain")
        queueing.queues.no_shows = 2
        await oversight.SetPolicy(pb.SetPolicyRequest(request_id="queueing", operator_id="op", policy=queueing))
        airport = square(0, 0, 1, name="airport", rule="queue")
        await oversight.SetZones(
            pb.SetZonesRequest(request_id="airport", operator_id="op", geojson=collection(airport))
        )
        bo = CourierClient(courier_rpc.CourierServiceStub(channel), "bo", own.wallet)
        await bo.online((0.5, 0.5))
        places: list[courier_pb.QueuePlace] = []
        while not places:  # the watch over the zones looks every few seconds
            places = list((await oversight.GetQueue(pb.GetQueueRequest(zone="airport"))).places)
        assert (places[0].courier_id, [rank.ahead for rank in places[0].ranks]) == ("bo", [0])
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await oversight.GetQueue(pb.GetQueueRequest(zone="harbour"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        block = pb.SetBlockRequest(
            request_id="block", operator_id="op", client_id="ann", courier_id="bo", blocked=True, reason="asked for it"
        )
        await oversight.SetBlock(block)
        job = (await jobs.PlaceJob(place_request("ann", (0.5, 0.5), 3))).job
        stops = [job_pb2.PlanStop(job_id=job.job_id, kind=kind) for kind in (1, 2)]
        waits = transparency_rpc.TransparencyServiceStub(channel)
        why = await waits.ExplainWait(transparency_pb.ExplainWaitRequest(job_id=job.job_id))
        assert [(gate.gate, gate.removed) for gate in why.gates] == [(offer_pb2.GATE_BLOCKED, 1)]
        shown: set[str] = set()
        while job.job_id not in shown:  # until the next round has looked
            stranded = (await oversight.GetMarket(pb.GetMarketRequest())).market.last_round.stranded
            shown = {one.job_id for one in stranded}
        checked = await oversight.CheckPlan(pb.CheckPlanRequest(courier_id="bo", stops=stops))
        assert [violation.constraint for violation in checked.violations] == ["excluded"]
        assert "kept apart" in checked.violations[0].sentence
        assert checked.stops[0].expected_time.seconds < checked.stops[1].expected_time.seconds
        bo.cut()
