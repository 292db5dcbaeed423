"""Generated rounds in which many couriers near a job cannot take it: the same seed gives the same round.

Couriers head elsewhere, end their shifts, carry riders or parcels, stand in line at queue zones, are blocked with
clients or have declined. Around some jobs all of the nearest do, and one who can take the job is further away.
"""

from __future__ import annotations

import numpy as np

from geo.travel import StraightLine
from matching.problem import (
    NOBODY,
    Couriers,
    Exclusions,
    Gate,
    Insertion,
    OpenJobs,
    Plans,
    Problem,
    Requirements,
    Sharing,
    Solver,
    Weights,
)

CENTRE, CITY = (40.75, -73.98), (0.03, 0.04)
TRAVEL = StraightLine(1.3, (5.5,), half_pickup_service_s=20.0, half_dropoff_service_s=15.0)
WEIGHTS = Weights(1.0, 0.5, 0.2, 0.05, 1.0, 3600.0, overdue=0.5, detour=0.5, deadhead=0.1)
CAR, BICYCLE, ANY_VEHICLE = 2, 4, 62
ROOM = (4, 6, 60_000)
QUEUE_ZONES = 3
SHARED = (
    Sharing(),
    Sharing(insertion=Insertion.INSERT, frozen_stops=1),
    Sharing(jobs_per_offer=2, pickup_spread_s=180.0, ready_spread_s=300.0, insertion=Insertion.INSERT),
    Sharing(insertion=Insertion.REORDER),
    Sharing(insertion=Insertion.APPEND),
)


def generated_round(seed: int, largest: int = 60, sharing: Sharing | None = None) -> Problem:
    """Return a round of 1 to ``largest`` jobs and two to six times as many couriers.

    ``sharing``: by default of the seed; two rounds of five share couriers.
    """
    rng = np.random.default_rng(seed)
    jobs = int(rng.integers(1, largest + 1))
    couriers = int(jobs * rng.uniform(2, 6)) + 1
    drawn = SHARED[int(rng.choice(len(SHARED), p=[0.6, 0.15, 0.1, 0.1, 0.05]))]
    sharing = sharing or drawn
    pickups = _around(rng, jobs)
    here = _around(rng, couriers)
    crowd = _crowd(rng, pickups, here)
    return Problem(
        jobs=_jobs(rng, pickups),
        couriers=_couriers(rng, here, crowd, with_plans=sharing != SHARED[0]),
        exclusions=_exclusions(rng, jobs, couriers),
        travel=TRAVEL,
        weights=WEIGHTS,
        solver=Solver.MIN_COST_FLOW,
        candidates_per_job=int(rng.choice([5, 10, 20])),
        max_reach_s=float(rng.choice([300.0, 600.0, 1200.0])),
        at_s=0.0,
        sharing=sharing,
        keep_promises=bool(rng.random() < 0.5),
        budget_s=10.0,
    )


Places = tuple[np.ndarray, np.ndarray]


def _around(rng: np.random.Generator, count: int) -> Places:
    return rng.normal(CENTRE[0], CITY[0], count), rng.normal(CENTRE[1], CITY[1], count)


def _crowd(rng: np.random.Generator, pickups: Places, here: Places) -> np.ndarray:
    """Move a third of the couriers next to a few pickups, in place; return who belongs to this crowd."""
    couriers = here[0].size
    crowd = rng.random(couriers) < 0.33
    members = np.flatnonzero(crowd)
    spots = rng.integers(0, pickups[0].size, max(members.size // 25, 1))
    spot = spots[np.arange(members.size) % spots.size]
    for places, centres in zip(here, pickups, strict=True):
        places[members] = centres[spot] + rng.normal(0, 0.001, members.size)
    return crowd


def _jobs(rng: np.random.Generator, pickups: Places) -> OpenJobs:
    count = pickups[0].size
    ready_in_s = rng.uniform(-300, 300, count)
    doors = _around(rng, count)
    persons = rng.integers(0, 4, count)
    skills = np.where(rng.random(count) < 0.1, 1, 0)[:, None]
    return OpenJobs(
        latitude=pickups[0],
        longitude=pickups[1],
        to_latitude=doors[0],
        to_longitude=doors[1],
        age_s=rng.uniform(0, 600, count),
        ready_in_s=ready_in_s,
        needs=Requirements(
            vehicles=rng.choice([CAR, ANY_VEHICLE, ANY_VEHICLE], count),
            skills=skills,
            persons=persons,
            parcels=np.where(persons == 0, 1, 0),
            weight_g=rng.integers(0, 5_000, count),
        ),
        due_in_s=np.where(rng.random(count) < 0.5, ready_in_s + rng.uniform(900, 3600, count), np.inf),
        latest_pickup_s=np.where(rng.random(count) < 0.3, rng.uniform(120, 1200, count), np.inf),
        ride_limit_s=np.full(count, np.inf),
        barred=np.where(rng.random(count) < 0.1, BICYCLE, 0),
        queue_zone=np.where(rng.random(count) < 0.15, rng.integers(0, QUEUE_ZONES, count), NOBODY),
        unmet_skills=np.zeros(count, np.int64),
    )


def _couriers(rng: np.random.Generator, here: Places, crowd: np.ndarray, *, with_plans: bool) -> Couriers:
    count = crowd.size
    # What keeps the crowd from the jobs: destinations, shift ends, or riders aboard where couriers are shared.
    reason = rng.integers(0, 3 if with_plans else 2)
    heads_away = (crowd & (reason == 0)) | (rng.random(count) < rng.uniform(0, 0.5))
    goes_home = (crowd & (reason == 1)) | (rng.random(count) < rng.uniform(0, 0.3))
    carries = (crowd & (reason == 2)) | (rng.random(count) < 0.3) if with_plans else np.zeros(count, bool)
    homes = _around(rng, count)
    later = ~carries & (rng.random(count) < 0.1)
    zone = np.where(rng.random(count) < 0.1, rng.integers(0, QUEUE_ZONES, count), NOBODY)
    return Couriers(
        latitude=here[0],
        longitude=here[1],
        free_s=rng.uniform(0, 1000, count),
        shift_left_s=np.where(goes_home, rng.uniform(0, 300, count), np.inf),
        offers=Requirements(
            vehicles=rng.choice([CAR, CAR, CAR, BICYCLE], count),
            skills=np.where(rng.random(count) < 0.3, 1, 0)[:, None],
            persons=np.full(count, ROOM[0]),
            parcels=np.full(count, ROOM[1]),
            weight_g=np.full(count, ROOM[2]),
        ),
        starts_in_s=np.where(later, rng.uniform(60, 600, count), rng.uniform(0, 5, count)),
        later=later,
        income_gap=np.zeros(count),
        home_latitude=np.where(heads_away, homes[0], np.nan),
        home_longitude=np.where(heads_away, homes[1], np.nan),
        queue_zone=zone,
        queue_rank=np.where(zone == NOBODY, 0, rng.permutation(count)),
        plans=_plans(rng, carries),
    )


def _plans(rng: np.random.Generator, carries: np.ndarray) -> Plans:
    """Two to four riders aboard, who leave together, and perhaps a further pickup with its drop-off."""
    count = carries.size
    if not carries.any():
        return Plans.none(count)
    more = carries & (rng.random(count) < 0.4)
    lengths = carries.astype(np.int64) + 2 * more
    first = np.concatenate([[0], np.cumsum(lengths)])
    stops = int(first[-1])
    aboard = np.zeros((count, 3), np.int64)
    aboard[carries, 0] = rng.integers(2, 5, int(carries.sum()))
    pickup, mate, load = np.zeros(stops, bool), np.full(stops, NOBODY), np.zeros((stops, 3), np.int64)
    load[first[:-1][carries]] = -aboard[carries]
    at = first[:-1][more] + 1
    pickup[at], mate[at + 1] = True, at
    load[at], load[at + 1] = (1, 0, 0), (-1, 0, 0)
    latest = np.where(pickup, np.inf, rng.uniform(1200, 4000, stops))
    stops_at = _around(rng, stops)
    return Plans(
        first=first,
        latitude=stops_at[0],
        longitude=stops_at[1],
        earliest_s=np.full(stops, -np.inf),
        latest_s=latest,
        due_s=latest - 300,
        mate=mate,
        ride_limit_s=np.full(stops, np.inf),
        pickup=pickup,
        load=load,
        aboard=aboard,
        reorder=rng.random(count) < 0.5,
    )


def _exclusions(rng: np.random.Generator, jobs: int, couriers: int) -> Exclusions:
    """A tenth of the jobs have been declined by half of the couriers; some clients and couriers are kept apart."""
    apart = rng.random((jobs, couriers)) < np.where(rng.random(jobs) < 0.1, 0.5, 0.01)[:, None]
    job, courier = np.nonzero(apart)
    return Exclusions(job, courier, rng.choice([Gate.BLOCKED, Gate.DECLINED], job.size))
