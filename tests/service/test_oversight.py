"""Operators see the market, set its policy and draw its zones."""

from __future__ import annotations

import urllib.request

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from dispatcher import policy
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import oversight_service_pb2_grpc as rpc
from load_tests.bench.running import running_suite
from tests.geo.test_zones import CITY, collection
from tests.service.stream import place_request


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


async def test_a_new_policy_and_new_zones_hold_from_the_next_decision_on() -> None:
    async with running_suite() as own, grpc.aio.insecure_channel(own.target) as channel:
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
        dearer.matching.candidates_per_job = 0
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await oversight.SetPolicy(pb.SetPolicyRequest(request_id="q", operator_id="op", policy=dearer))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "candidates_per_job" in refused.value.details()
