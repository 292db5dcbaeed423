"""The surge tick: demand and supply are counted by cell; and the multiplier of a job's place and moment."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.round import MovedCouriers
from dispatcher.market.set_aside import NOTHING, SetAside
from dispatcher.market.state import MarketState
from dispatcher.pricing.job_price import Surge
from dispatcher.pricing.surge import NONE_PERCENT, counted, tick
from dispatcher.times import micros, span
from geo.cells import cell_at, cell_name
from geo.units import E7, Ints, from_e7_array
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb

# What set a multiplier that does not come from demand and supply.
BY_HAND = "set by an operator's zone"
NO_SURGE = Surge(NONE_PERCENT)


def is_due(state: MarketState, now_us: int) -> bool:
    policy = state.policy
    return policy.HasField("surge") and now_us >= state.surge.time_us + span(policy.surge.tick)


def update(
    state: MarketState, moved: MovedCouriers, now_us: int, drafts: Drafts, set_aside: SetAside = NOTHING
) -> None:
    """One tick without what is set aside. Nothing where there is neither demand nor supply nor a field."""
    policy = state.policy.surge
    demand = set_aside.without(_demand(state, policy, now_us, set_aside))
    supply = set_aside.without(_supply(state, policy, moved, now_us, set_aside))
    before = state.surge.without(set_aside.cells)
    if demand.size or supply.size or before.cells.size:
        event = tick(before, counted(demand), counted(supply), policy, now_us, state.grid, set_aside.cells)
        event.policy_version = state.policy.version
        drafts.add(surge_updated=event)


def counted_in(state: MarketState) -> SetAside:
    """Return the jobs, couriers and cells that a tick counts, also those whose cell cannot be computed."""
    policy, columns = state.policy.surge, state.columns
    jobs = {*state.recent_demand, *state.queue}
    jobs.update(offered.job_id for offer in state.offers.values() for offered in offer.jobs)
    numbers = columns.online_numbers().tolist()
    numbers += [state.numbers[courier_id] for courier_id in state.nudges if courier_id in state.numbers]
    cells = {*state.surge.cells.tolist(), *(cell for _, cell in state.recent_demand.values())}
    for job_id in jobs:
        # Any failure: this looks for the item that makes a tick fail, and the job is one already.
        with suppress(Exception):
            cells.add(pickup_cell(state.jobs[job_id], policy))
    for latitude, longitude in zip(
        np.concatenate([columns.latitude_e7[numbers], columns.end_latitude_e7[numbers]]).tolist(),
        np.concatenate([columns.longitude_e7[numbers], columns.end_longitude_e7[numbers]]).tolist(),
        strict=True,
    ):
        with suppress(Exception):  # as above, of the courier
            cells.add(cell_at(latitude / E7, longitude / E7, policy.resolution))
    return SetAside(frozenset(jobs), frozenset(numbers), frozenset(cells))


def _demand(state: MarketState, policy: policy_pb.SurgePolicy, now_us: int, set_aside: SetAside) -> Ints:
    """Cells of jobs that joined the queue within the window, and of those that still wait or are being offered."""
    since = now_us - span(policy.demand_window)
    recent = {
        job_id: cell
        for job_id, (at, cell) in state.recent_demand.items()
        if at >= since and job_id not in set_aside.jobs
    }
    waiting = [*state.queue, *(offered.job_id for offer in state.offers.values() for offered in offer.jobs)]
    for job_id in waiting:
        if job_id not in recent and job_id not in set_aside.jobs:
            recent[job_id] = pickup_cell(state.jobs[job_id], policy)
    return np.array(list(recent.values()), np.int64)


def _supply(
    state: MarketState, policy: policy_pb.SurgePolicy, moved: MovedCouriers, now_us: int, set_aside: SetAside
) -> Ints:
    """Cells of free couriers where they are, and of those who will soon be free where their plan ends."""
    columns = state.columns
    latitude, longitude = columns.latitude_e7.copy(), columns.longitude_e7.copy()
    latitude[moved.numbers], longitude[moved.numbers] = moved.latitude_e7, moved.longitude_e7
    free, busy = set_aside.present(columns.available_numbers()), set_aside.present(columns.under_way_numbers())
    soon = busy[columns.end_us[busy] <= now_us + span(policy.supply_horizon)]
    at = np.concatenate([latitude[free], columns.end_latitude_e7[soon]])
    along = np.concatenate([longitude[free], columns.end_longitude_e7[soon]])
    numbers = np.concatenate([free, soon])
    return state.standing_cells.of(numbers, from_e7_array(at), from_e7_array(along), policy.resolution)


def pickup_cell(job: job_pb.Job, policy: policy_pb.SurgePolicy) -> int:
    at = job.spec.pickup.position
    return cell_at(at.latitude, at.longitude, policy.resolution)


def surge_at(state: MarketState, latitude: float, longitude: float, now_us: int) -> Surge:
    """An operator's zone goes before the cell's multiplier; emergency caps bind both."""
    zones = state.zones
    override = zones.surge_override(latitude, longitude) if zones.zones else None
    if not state.policy.HasField("surge"):
        return Surge(NONE_PERCENT) if override is None else Surge(round(100 * override), rule=BY_HAND)
    policy = state.policy.surge
    cell = cell_at(latitude, longitude, policy.resolution)
    percent = state.surge.percent_of(cell) if override is None else round(100 * override)
    if percent == NONE_PERCENT:
        return NO_SURGE
    if override is not None:
        found = Surge(percent, cell_name(cell), BY_HAND)
    else:
        counts = state.surge.counts_of(cell)
        found = Surge(percent, cell_name(cell), "demand", state.surge.sequence, *counts)
    names = {zone.name for zone in zones.at(latitude, longitude)} if policy.emergency_caps else set()
    for cap in policy.emergency_caps:
        if found.percent > cap.cap_percent and _holds(cap, names, now_us):
            found = replace(found, percent=cap.cap_percent, rule=f"emergency cap: {cap.reason}")
    return found


def _holds(cap: policy_pb.EmergencyCap, names: set[str], now_us: int) -> bool:
    begun = not cap.HasField("start_time") or micros(cap.start_time) <= now_us
    over = cap.HasField("end_time") and micros(cap.end_time) <= now_us
    return begun and not over and (not cap.zone or cap.zone in names)
