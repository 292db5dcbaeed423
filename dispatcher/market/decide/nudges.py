"""Nudges: free couriers are told of a cell nearby where surge is higher, and it is noted who went there."""

from __future__ import annotations

import numpy as np

from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.round import MovedCouriers
from dispatcher.market.set_aside import NOTHING, SetAside
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, duration, micros, rounded_us, span, timestamp
from geo.cells import cell_at, cell_name, cells_at, centre_of
from geo.travel import TravelTime
from geo.units import E7, Floats, Ints, from_e7_array
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb

# Hot cells that each courier is compared with at a tick: clients can make as many cells hot as they place jobs.
NEAREST_CELLS = 256

FOLLOWED, NOT_FOLLOWED = courier_pb.NUDGE_OUTCOME_FOLLOWED, courier_pb.NUDGE_OUTCOME_NOT_FOLLOWED
TOOK_JOB, WENT_OFFLINE = courier_pb.NUDGE_OUTCOME_TOOK_JOB, courier_pb.NUDGE_OUTCOME_WENT_OFFLINE
WITHOUT_JOB = (courier_pb.COURIER_STATE_FREE, courier_pb.COURIER_STATE_OFFERED)


def update(
    state: MarketState, moved: MovedCouriers, now_us: int, drafts: Drafts, set_aside: SetAside = NOTHING
) -> None:
    """Close the nudges that were followed or have expired; send new ones by the multipliers in force.

    Couriers and cells that are set aside are left alone.
    """
    if not state.nudges and not state.policy.HasField("nudges"):
        return
    columns = state.columns
    latitude, longitude = columns.latitude_e7.copy(), columns.longitude_e7.copy()
    latitude[moved.numbers], longitude[moved.numbers] = moved.latitude_e7, moved.longitude_e7
    for courier_id, nudge in state.nudges.items():
        number = state.numbers[courier_id]
        if number in set_aside.absent:
            continue
        at = cell_at(latitude[number] / E7, longitude[number] / E7, state.policy.surge.resolution)
        outcome = _outcome(state, nudge, cell_name(at), now_us)
        if outcome is not None:
            drafts.add(
                nudge_closed=events_pb.NudgeClosed(nudge_id=nudge.nudge_id, courier_id=courier_id, outcome=outcome)
            )
    if state.policy.HasField("nudges"):
        _send(state, latitude, longitude, now_us, drafts, set_aside)


def _outcome(state: MarketState, nudge: courier_pb.Nudge, cell: str, now_us: int) -> courier_pb.NudgeOutcome | None:
    courier = state.couriers[nudge.courier_id]
    if courier.state == courier_pb.COURIER_STATE_OFFLINE:
        return WENT_OFFLINE
    if courier.state not in WITHOUT_JOB:
        return TOOK_JOB
    if cell == nudge.cell:
        return FOLLOWED
    return NOT_FOLLOWED if now_us >= micros(nudge.expire_time) else None


def _send(
    state: MarketState, latitude: Ints, longitude: Ints, now_us: int, drafts: Drafts, set_aside: SetAside
) -> None:
    """To each courier who may be told: of the cell with the highest multiplier within reach, the nearest among equals,
    where it beats the one that they are in. Of many cells within reach only the NEAREST_CELLS count."""
    policy, resolution = state.policy.nudges, state.policy.surge.resolution
    field = state.surge.without(set_aside.cells)
    hot = np.flatnonzero(field.percent >= policy.min_multiplier_percent)
    couriers = [
        courier_id
        for courier_id in _may_be_told(state, now_us - span(policy.rest))
        if state.numbers[courier_id] not in set_aside.absent
    ]
    if not hot.size or not couriers or state.travel is None:
        return
    numbers = np.array([state.numbers[courier_id] for courier_id in couriers], np.int64)
    here = from_e7_array(latitude[numbers]), from_e7_array(longitude[numbers])
    centres = np.array([centre_of(cell) for cell in field.cells[hot].tolist()])
    own = np.array([field.percent_of(cell) for cell in cells_at(*here, resolution).tolist()])
    courier, cell, seconds = _within_reach(state.travel, here, centres, span(policy.reach), now_us)
    gain = field.percent[hot][cell] - own[courier]
    # By courier, the highest multiplier first, among equals the nearest.
    order = np.lexsort((seconds, -gain, courier))
    order = order[np.diff(courier[order], prepend=-1) != 0]
    for best in order[gain[order] > 0].tolist():
        row, chosen = int(courier[best]), int(cell[best])
        nudge = courier_pb.Nudge(
            courier_id=couriers[row],
            kind=courier_pb.NUDGE_KIND_SURGE,
            cell=cell_name(int(field.cells[hot[chosen]])),
            centre=types_pb.Position(latitude=centres[chosen, 0], longitude=centres[chosen, 1]),
            multiplier_percent=int(field.percent[hot[chosen]]),
            travel_duration=duration(rounded_us(float(seconds[best]) * SECOND)),
            expire_time=timestamp(now_us + span(policy.valid_for)),
            policy_version=state.policy.version,
        )
        event = drafts.add(nudge_sent=events_pb.NudgeSent(nudge=nudge))
        event.nudge_sent.nudge.nudge_id = drafts.new_id("nudge", event)


def _within_reach(
    travel: TravelTime, here: tuple[Floats, Floats], centres: Floats, reach_us: int, now_us: int
) -> tuple[Ints, Ints, Floats]:
    """Pairs of couriers and cells within reach, three columns: row in ``here``, row in ``centres``, seconds of travel.

    ``centres``, shape (n, 2): latitude and longitude.
    """
    from scipy.spatial import cKDTree

    at_s = now_us / SECOND
    tree = cKDTree(travel.embed(centres[:, 0], centres[:, 1]))
    most, radius = min(NEAREST_CELLS, len(centres)), travel.radius(reach_us / SECOND, at_s)
    _, near = tree.query(travel.embed(*here), k=[*range(1, most + 1)], distance_upper_bound=radius)
    courier, place = np.nonzero(near < len(centres))
    cell = near[courier, place]
    _, seconds = travel.legs(here[0][courier], here[1][courier], centres[cell, 0], centres[cell, 1], at_s)
    reached = seconds * SECOND <= reach_us
    return courier[reached], cell[reached], seconds[reached]


def _may_be_told(state: MarketState, told_before_us: int) -> list[str]:
    """Free couriers who have no open nudge, and whose last one is long enough ago."""
    return [
        courier_id
        for courier_id, courier in state.couriers.items()
        if courier.state == courier_pb.COURIER_STATE_FREE
        and not courier.closing
        and courier_id not in state.nudges
        and state.last_nudges.get(courier_id, told_before_us) <= told_before_us
    ]
