"""The whole state as one message and back. Folding the log to the same sequence gives the same bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from dispatcher.market import lifecycle, plans
from dispatcher.market import snapshot_people as people
from dispatcher.market import snapshot_queues as zone_queues
from dispatcher.market.backoff import Exclusion
from dispatcher.market.couriers import CourierColumns
from dispatcher.market.queue import queued
from dispatcher.market.state import ClosedOffer, Due, KeptRequest, MarketState
from dispatcher.market.travel import travel_model, trips_of
from dispatcher.pricing import surge
from dispatcher.pricing.surge import field_of
from dispatcher.times import micros, timestamp
from geo.geojson import zones_of_log
from geo.travel import TravelTime
from geo.trip_times import TripTimes
from gig.v1 import snapshot_pb2 as pb


def save(state: MarketState) -> pb.MarketSnapshot:
    columns, trips = state.columns, trips_of(state.travel)
    return pb.MarketSnapshot(
        sequence=state.sequence,
        time=timestamp(state.time_us),
        market_id=state.market_id,
        secret=state.secret,
        policy=state.policy,
        zones_geojson=state.zones_geojson,
        jobs=state.jobs.values(),
        offers=state.offers.values(),
        couriers=state.couriers.values(),
        courier_columns=[
            pb.CourierColumns(
                courier_number=number,
                latitude_e7=int(columns.latitude_e7[number]),
                longitude_e7=int(columns.longitude_e7[number]),
                position_time=timestamp(int(columns.position_us[number])),
            )
            for number in (state.numbers[courier_id] for courier_id in state.couriers)
        ],
        queued_job_ids=state.queue,
        requests=[
            pb.RecentRequest(request=kept.request, time=timestamp(kept.time_us), sequence=kept.sequence, kind=kept.kind)
            for kept in state.requests.values()
        ],
        exclusions=[
            pb.Exclusion(
                job_id=job_id, courier_id=courier_id, until=timestamp(exclusion.until_us), times=exclusion.times
            )
            for job_id, couriers in state.exclusions.items()
            for courier_id, exclusion in couriers.items()
        ],
        ratings_of_couriers=people.save_book(state.ratings_of_couriers),
        ratings_of_clients=people.save_book(state.ratings_of_clients),
        rated=people.save_given(state.rated),
        accounts=[people.save_account(person_id, state.accounts[person_id]) for person_id in sorted(state.accounts)],
        reviews=state.reviews.values(),
        parties=[
            pb.ReviewParties(review_id=review_id, party_ids=sorted(state.parties[review_id]))
            for review_id in state.reviews
            if review_id in state.parties
        ],
        announced=state.announced,
        found=state.found.values(),
        clocks=[people.save_clock(courier_id, state.clocks[courier_id]) for courier_id in state.couriers],
        surge=surge.save(state.surge),
        surge_time=timestamp(state.surge.time_us),
        surge_sequence=state.surge.sequence,
        quarantined=state.quarantined.values(),
        nudges=state.nudges.values(),
        last_nudges=[
            pb.LastNudge(courier_id=courier_id, time=timestamp(at)) for courier_id, at in state.last_nudges.items()
        ],
        outages=[pb.Outage(start=timestamp(start), end=timestamp(end)) for start, end in state.outages],
        recent_demand=[
            pb.RecentDemand(job_id=job_id, time=timestamp(at), cell=cell)
            for job_id, (at, cell) in state.recent_demand.items()
        ],
        ended=[pb.Ended(job_id=job_id, time=timestamp(at)) for at, job_id in state.ended],
        closed_offers=[
            pb.ClosedOffer(
                offer_id=offer_id,
                courier_id=closed.courier_id,
                outcome=closed.outcome,
                time=timestamp(closed.time_us),
                job_ids=closed.job_ids,
            )
            for offer_id, closed in state.closed_offers.items()
        ],
        queue_members=[
            member for zone, queue in state.zone_queues.items() for member in zone_queues.save_members(zone, queue)
        ],
        queue_departures=[
            departure
            for zone, queue in state.zone_queues.items()
            for departure in zone_queues.save_departures(zone, queue)
        ],
        blocked=[
            pb.BlockedPair(client_id=client_id, courier_id=courier_id)
            for client_id, couriers in sorted(state.blocked.items())
            for courier_id in sorted(couriers)
        ],
        direct_job_ids=sorted(state.direct),
        truncated_job_ids=state.truncated,
        erasures=[
            pb.CompletedErasure(pseudonym=pseudonym, events=events, time=timestamp(at))
            for pseudonym, (events, at) in state.erasures.items()
        ],
        trips=_trips(trips) if trips is not None else [],
        trips_by_hour=_trips_by_hour(trips) if trips is not None else [],
    )


def _trips(trips: TripTimes) -> list[pb.TripSums]:
    return [
        pb.TripSums(from_cell=start, to_cell=end, trips=count, observed_ms=observed, straight_ms=straight)
        for start, end, count, observed, straight in trips.known_pairs()
    ]


def _trips_by_hour(trips: TripTimes) -> list[pb.TripSums]:
    return [
        pb.TripSums(from_cell=hour, trips=count, observed_ms=observed, straight_ms=straight)
        for hour, count, observed, straight in trips.known_hours()
    ]


def restore(saved: pb.MarketSnapshot, networks: Mapping[str, TravelTime]) -> MarketState:
    """``networks``: road networks that are loaded here. Raises PolicyError where the policy's is missing."""
    travel = travel_model(saved.policy, networks)
    trips = trips_of(travel)
    if trips is not None:
        for kept in saved.trips:
            trips.add_pair(kept.from_cell, kept.to_cell, kept.trips, kept.observed_ms, kept.straight_ms)
        for kept in saved.trips_by_hour:
            trips.hours.add(kept.from_cell, kept.trips, kept.observed_ms, kept.straight_ms)
    state = MarketState(
        networks=networks,
        market_id=saved.market_id,
        secret=saved.secret,
        sequence=saved.sequence,
        time_us=micros(saved.time),
        policy=saved.policy,
        travel=travel,
        direct=set(saved.direct_job_ids),
        truncated=tuple(saved.truncated_job_ids),
        zones=zones_of_log(saved.zones_geojson),
        zones_geojson=saved.zones_geojson,
        jobs={job.job_id: job for job in saved.jobs},
        offers={offer.offer_id: offer for offer in saved.offers},
        couriers={courier.courier_id: courier for courier in saved.couriers},
        columns=CourierColumns(),
        requests=OrderedDict(
            (
                kept.request.call_key or kept.request.key,
                KeptRequest(kept.request, micros(kept.time), kept.sequence, kept.kind),
            )
            for kept in saved.requests
        ),
        erasures=OrderedDict((kept.pseudonym, (kept.events, micros(kept.time))) for kept in saved.erasures),
        ratings_of_couriers=people.restore_book(saved.ratings_of_couriers),
        ratings_of_clients=people.restore_book(saved.ratings_of_clients),
        rated=OrderedDict(people.restore_given(saved.rated)),
        accounts={kept.person_id: people.restore_account(kept) for kept in saved.accounts},
        reviews={review.review_id: review for review in saved.reviews},
        parties={kept.review_id: tuple(kept.party_ids) for kept in saved.parties},
        announced=saved.announced if saved.HasField("announced") else None,
        found={change.person_id: change for change in saved.found},
        clocks={kept.courier_id: people.restore_clock(kept) for kept in saved.clocks},
        surge=field_of(saved.surge, micros(saved.surge_time), saved.surge_sequence),
        quarantined={(kept.quarantine.kind, kept.quarantine.subject_id): kept for kept in saved.quarantined},
        nudges={nudge.courier_id: nudge for nudge in saved.nudges},
        last_nudges={kept.courier_id: micros(kept.time) for kept in saved.last_nudges},
        recent_demand=OrderedDict((kept.job_id, (micros(kept.time), kept.cell)) for kept in saved.recent_demand),
        closed_offers=OrderedDict(
            (kept.offer_id, ClosedOffer(kept.courier_id, kept.outcome, micros(kept.time), tuple(kept.job_ids)))
            for kept in saved.closed_offers
        ),
    )
    state.outages.extend((micros(kept.start), micros(kept.end)) for kept in saved.outages)
    state.ended.extend((micros(kept.time), kept.job_id) for kept in saved.ended)
    state.queue = {job_id: queued(state.jobs[job_id], state.policy, state.zones) for job_id in saved.queued_job_ids}
    for kept in saved.exclusions:
        exclusion = Exclusion(micros(kept.until), kept.times or 1)
        state.exclusions.setdefault(kept.job_id, {})[kept.courier_id] = exclusion
    for courier, row in zip(saved.couriers, saved.courier_columns, strict=True):
        state.numbers[courier.courier_id] = row.courier_number
        state.columns.enter(row.courier_number, courier)
        state.columns.latitude_e7[row.courier_number] = row.latitude_e7
        state.columns.longitude_e7[row.courier_number] = row.longitude_e7
        state.columns.position_us[row.courier_number] = micros(row.position_time)
        if courier.plan:
            state.columns.set_plan(row.courier_number, *plans.end_of(state, courier))
    state.silent = {name: None for name, courier in state.couriers.items() if courier.HasField("silent_since")}
    state.zone_queues = zone_queues.restore(saved.queue_members, saved.queue_departures)
    state.queue_zone_of = {member.courier_id: member.zone for member in saved.queue_members}
    for pair in saved.blocked:
        state.blocked.setdefault(pair.client_id, set()).add(pair.courier_id)
    _restore_due(state)
    return state


def _restore_due(state: MarketState) -> None:
    """What falls due follows from the state alone."""
    for person_id in state.found:
        state.push_due(state.time_us, Due.STANDING, person_id)
    if state.announced is not None:
        state.push_due(micros(state.announced.effective_time), Due.POLICY, "announced")
    for courier_id in state.couriers:
        end_us = state.period_end(courier_id)
        if end_us is not None:
            state.push_due(end_us, Due.PERIOD, courier_id)
    for offer in state.offers.values():
        state.push_due(micros(offer.expire_time), Due.OFFER, offer.offer_id)
    for job_id in state.queue:
        if state.jobs[job_id].state == lifecycle.QUEUED:
            state.push_due(state.wait_limit(state.jobs[job_id]), Due.WAIT, job_id)
    for job in state.jobs.values():
        if job.state == lifecycle.SCHEDULED:
            state.push_due(state.queue_moment(job), Due.QUEUE, job.job_id)
        elif job.state == lifecycle.QUOTED:
            state.push_due(micros(job.quote_expire_time), Due.QUOTE, job.job_id)
