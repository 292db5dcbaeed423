"""A live market and an offline driver that is given the same commands, positions and solver answers are the same."""

from __future__ import annotations

import asyncio
from collections import Counter

import grpc
import numpy as np

from dispatcher import policy
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_service_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import policy_pb2 as policy_pb
from tests.geo.test_zones import collection, square
from tests.kit import spec
from tests.service.hand_market import HandMarket, hand_market
from tests.service.recorder import events_offline, record
from tests.service.stream import CourierClient
from tests.signing import caller

WEST, SOUTH, WIDE = -74.0, 40.70, 0.06
ZONES = collection(
    square(WEST, SOUTH, WIDE, name="city", rule="service_area"),
    square(WEST, SOUTH, WIDE / 3, name="station", rule="queue"),
    square(WEST + WIDE / 2, SOUTH + WIDE / 2, WIDE / 6, name="park", rule="no_pickup"),
)
COURIERS, CYCLES, JOBS_A_CYCLE, CYCLE_S = 24, 40, 8, 8.0
# Those whose phones die a third into the day, and those who wait in the queue zone.
SILENT, QUEUEING = 4, 6


def eventful_policy() -> policy_pb.Policy:
    """As the city's, with short times: much happens within minutes."""
    chosen = policy.load("city")
    chosen.ClearField("notice_period")
    chosen.couriers.silence_limit.FromSeconds(60)
    chosen.surge.tick.FromSeconds(20)
    chosen.jobs.max_wait.FromSeconds(120)
    chosen.offers.time_to_answer.FromSeconds(15)
    return chosen


class Day:
    """A few minutes with much going on; calls go over gRPC, one person after the other."""

    def __init__(self, market: HandMarket, seed: int) -> None:
        self._market, self._rng = market, np.random.default_rng(seed)
        self._couriers = [CourierClient(market.couriers, f"courier-{number}") for number in range(COURIERS)]
        self._placed = 0
        self.codes: Counter[str] = Counter()

    async def run(self) -> None:
        operator = caller("operator", "olu")
        zones = oversight_pb.SetZonesRequest(request_id="zones", operator_id="olu", geojson=ZONES)
        await self._market.oversight.SetZones(zones, metadata=operator)
        for courier in self._couriers:
            await courier.online(self._spot(self._number(courier) < QUEUEING))
        for cycle in range(CYCLES):
            if cycle == CYCLES // 3:
                for courier in self._couriers[-SILENT:]:
                    courier.cut()
                del self._couriers[-SILENT:]
            await self._place_and_cancel()
            await self._market.round()
            await self._answer()
            for courier in self._couriers:
                await self._work(courier)
            await self._market.pass_(CYCLE_S)
        for courier in self._couriers:
            courier.cut()

    def _number(self, courier: CourierClient) -> int:
        return int(courier.courier_id.rpartition("-")[2])

    def _spot(self, queueing: bool) -> tuple[float, float]:
        width = WIDE / 3 if queueing else WIDE
        south, west = SOUTH + self._rng.random() * width, WEST + self._rng.random() * width
        return float(south), float(west)

    async def _place_and_cancel(self) -> None:
        for _ in range(JOBS_A_CYCLE):
            self._placed += 1
            client = f"client-{self._placed % 30}"
            wanted = spec(self._spot(bool(self._rng.random() < 0.3)), self._spot(queueing=False))
            request = job_service_pb.PlaceJobRequest(request_id=f"place-{self._placed}", client_id=client, spec=wanted)
            try:
                placed = await self._market.jobs.PlaceJob(request, metadata=caller("client", client))
            except grpc.aio.AioRpcError as refusal:
                self.codes[refusal.code().name] += 1
                continue
            if self._rng.random() < 0.1:
                cancel = job_service_pb.CancelJobRequest(
                    request_id=f"cancel-{self._placed}", client_id=client, job_id=placed.job.job_id
                )
                await self._market.jobs.CancelJob(cancel, metadata=caller("client", client))
                self.codes["cancelled"] += 1

    async def _answer(self) -> None:
        """Most offers are accepted, some declined, and some not answered."""
        known = {courier.courier_id: courier for courier in self._couriers}
        for offer in list(self._market.host.market.state.offers.values()):
            courier, chance = known.get(offer.courier_id), self._rng.random()
            if courier is None or chance > 0.9:
                continue
            answer = courier_pb.ANSWER_ACCEPT if chance < 0.75 else courier_pb.ANSWER_DECLINE
            await courier.done(answer=courier_pb.OfferAnswer(offer_id=offer.offer_id, answer=answer))

    async def _work(self, courier: CourierClient) -> None:
        """Report the next step of the first job, and where the courier is."""
        state = self._market.host.market.state
        jobs = [state.jobs[job_id] for job_id in state.couriers[courier.courier_id].job_ids]
        steps = {
            job_pb2.JOB_STATE_ASSIGNED: "ARRIVED",
            job_pb2.JOB_STATE_AT_PICKUP: "PICKED_UP",
            job_pb2.JOB_STATE_PICKED_UP: "COMPLETED",
        }
        if jobs and jobs[0].state in steps:
            await courier.report(jobs[0].job_id, steps[jobs[0].state])
        latitude, longitude = self._spot(self._number(courier) < QUEUEING)
        await courier.done(locations=courier_pb.LocationBatch(latitudes=[latitude], longitudes=[longitude]))


async def test_offline_and_live_make_the_same_events_byte_for_byte(pool, postgres, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("keys")
    async with hand_market(pool, postgres, folder, eventful_policy()) as market:
        opening = await market.log()
        kept = record(market.host, opening, market.clock.now())
        day = Day(market, seed=7)
        await day.run()
        live = (await market.log())[len(opening) :]
    offline = await asyncio.to_thread(events_offline, kept)
    assert [one.WhichOneof("body") for one in offline] == [one.WhichOneof("body") for one in live]
    assert [one.SerializeToString(deterministic=True) for one in offline] == [
        one.SerializeToString(deterministic=True) for one in live
    ]
    assert not kept.positions
    made = Counter(one.WhichOneof("body") for one in live)
    needed = {
        *("job_placed", "job_cancelled", "offer_made", "offer_answered", "job_completed", "round_settled"),
        *("surge_updated", "courier_offline", "queue_joined", "queue_left", "zones_set", "job_expired"),
    }
    assert needed <= made.keys(), made
    assert made["job_placed"] > 200
