"""Events of rounds and offers."""

from __future__ import annotations

import numpy as np

from dispatcher.market import lifecycle, plans
from dispatcher.market.apply.people import note_conduct
from dispatcher.market.apply.records import back_in_queue, changed, exclude, open_period, refresh, replan
from dispatcher.market.state import ClosedOffer, Due, MarketState
from dispatcher.times import micros
from geo.units import from_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import types_pb2 as types_pb

Event = events_pb.Event


def round_settled(state: MarketState, event: Event) -> None:
    body = event.round_settled
    numbers = np.cumsum(np.array(body.moved_number_deltas, np.int64))
    if numbers.size:
        # Also of couriers whose first event a repair of the log skipped: the positions of the others count.
        state.columns.cover(int(numbers[-1]))
    state.columns.latitude_e7[numbers] += np.array(body.moved_latitude_e7_deltas, np.int64)
    state.columns.longitude_e7[numbers] += np.array(body.moved_longitude_e7_deltas, np.int64)
    in_ms = np.array(body.moved_in_ms, np.int64) if body.moved_in_ms else 0
    state.columns.position_us[numbers] = micros(body.as_of) + in_ms * 1000
    state.truncated = tuple(body.truncated_job_ids)


def offer_made(state: MarketState, event: Event) -> None:
    offer = event.offer_made.offer
    state.offers[offer.offer_id] = offer
    state.push_due(micros(offer.expire_time), Due.OFFER, offer.offer_id)
    for offered in offer.jobs:
        job = changed(state, offered.job_id, event)
        job.state = lifecycle.OFFERED
        job.courier_id, job.offer_id = offer.courier_id, offer.offer_id
        job.offers_made += 1
        state.queue.pop(job.job_id)
    courier = state.couriers[offer.courier_id]
    courier.offer_id = offer.offer_id
    refresh(state, courier)


def offer_answered(state: MarketState, event: Event) -> None:
    body = event.offer_answered
    offer = state.offers.pop(body.offer_id)
    state.closed_offers[body.offer_id] = ClosedOffer(body.courier_id, body.outcome, state.time_us, tuple(body.job_ids))
    courier = state.couriers[body.courier_id]
    courier.offer_id = ""
    _note_answer(state, body, offer)
    if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED:
        open_period(state, body.courier_id)
        _accept(state, courier, offer, event)
    else:
        for offered in offer.jobs:
            back_in_queue(state, changed(state, offered.job_id, event))
            if body.outcome != courier_pb.OFFER_OUTCOME_WITHDRAWN:
                exclude(state, offered.job_id, body.courier_id)
    _count_answer(state, body, len(offer.jobs))
    # A courier who declines goes on waiting: the wait is not counted anew.
    refresh(state, courier, state.time_us if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED else None)


def _accept(state: MarketState, courier: courier_pb.Courier, offer: offer_pb.Offer, event: Event) -> None:
    state.direct.difference_update(courier.job_ids)
    for offered in offer.jobs:
        job = changed(state, offered.job_id, event)
        job.state = lifecycle.ASSIGNED
        job.assign_time.CopyFrom(event.time)
        job.pay.CopyFrom(offered.pay)
        courier.job_ids.append(job.job_id)
    # The way to the first pickup is driven once, for all jobs that came together.
    state.jobs[offer.jobs[0].job_id].pickup_distance_metres = offer.pickup_distance_metres
    plans.adopt(state, courier, offer.plan)
    number, columns = state.numbers[courier.courier_id], state.columns
    here = types_pb.Position(
        latitude=from_e7(int(columns.latitude_e7[number])), longitude=from_e7(int(columns.longitude_e7[number]))
    )
    plans.expect_from(state, courier, here, max(state.time_us, int(columns.position_us[number])))
    replan(state, courier)


def _note_answer(state: MarketState, body: events_pb.OfferAnswered, offer: offer_pb.Offer) -> None:
    """Count silence, and declined jobs of the zone, against the courier's place in a queue."""
    zone = state.queue_zone_of.get(body.courier_id)
    if zone is None:
        return
    silent = body.outcome == courier_pb.OFFER_OUTCOME_TIMED_OUT
    declined = body.outcome == courier_pb.OFFER_OUTCOME_DECLINED and _starts_in(state, offer, zone)
    state.zone_queues[zone].note_answer(body.courier_id, silent=silent, declined=declined)


def _starts_in(state: MarketState, offer: offer_pb.Offer, zone: str) -> bool:
    """Return whether a job of the offer is served by the queue of the zone."""
    number = state.zones.queue_numbers.get(zone)
    starts = (offered.pickup.position for offered in offer.jobs)
    return number is not None and any(
        state.zones.queue_index(start.latitude, start.longitude) == number for start in starts
    )


def _count_answer(state: MarketState, body: events_pb.OfferAnswered, jobs: int) -> None:
    """For rules on standing. Declined offers are not even counted, unless the policy says that they may be."""
    accepted = body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED
    declined = body.outcome == courier_pb.OFFER_OUTCOME_DECLINED
    counts = {"accepted": float(jobs)} if accepted else {}
    if state.policy.standing.declines_may_count and (accepted or declined):
        counts |= {"answered": 1.0, "declined": float(declined)}
    if counts:
        note_conduct(state, body.courier_id, **counts)
