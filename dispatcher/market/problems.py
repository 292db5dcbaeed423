"""The state of a market as a matching problem: its open jobs, its supply and its rules, in columns."""

from __future__ import annotations

import numpy as np

from dispatcher.complete import complete, numbers_of
from dispatcher.market import plans as plan
from dispatcher.market.couriers import NOWHERE, OPEN_ENDED
from dispatcher.market.queue import JOB_COLUMNS, NEVER, WHOLE_COLUMNS, QueuedJob, queued
from dispatcher.market.round import MovedCouriers
from dispatcher.market.set_aside import NOTHING, SetAside
from dispatcher.market.skills import SkillColumns, skill_columns
from dispatcher.market.state import MarketState
from dispatcher.times import SECOND, span
from geo.columns import whole_numbers
from geo.units import Floats, Ints, from_e7_array
from gig.v1 import policy_pb2 as policy_pb
from matching.problem import (
    NOBODY,
    Bools,
    Commitment,
    Couriers,
    Exclusions,
    Gate,
    Insertion,
    Masks,
    OpenJobs,
    OpenOffers,
    Plans,
    Problem,
    Requirements,
    Sharing,
    Solver,
    Weights,
)

NO_SKILLS: frozenset[str] = frozenset()

_SOLVERS = complete(
    {
        policy_pb.SOLVER_MIN_COST_FLOW: Solver.MIN_COST_FLOW,
        policy_pb.SOLVER_GREEDY_NEAREST: Solver.GREEDY_NEAREST,
    },
    numbers_of(policy_pb.Solver),
    "solvers of a policy",
)
_INSERTIONS = complete(
    {
        policy_pb.INSERTION_UNSPECIFIED: Insertion.APPEND,
        policy_pb.INSERTION_APPEND: Insertion.APPEND,
        policy_pb.INSERTION_INSERT: Insertion.INSERT,
        policy_pb.INSERTION_REORDER: Insertion.REORDER,
    },
    policy_pb.Insertion.values(),
    "insertions of a policy",
)


def revisable(state: MarketState, set_aside: SetAside = NOTHING) -> tuple[str, ...]:
    """Open offers that a round may revise: where the policy says so, of couriers who have nothing else in hand."""
    if not state.policy.matching.commitment.HasField("revise_when_better_by"):
        return ()
    asked = state.columns.asked
    return tuple(
        offer_id
        for offer_id, offer in state.offers.items()
        if set_aside.jobs.isdisjoint(offered.job_id for offered in offer.jobs)
        and (number := state.numbers[offer.courier_id]) not in set_aside.absent
        and asked[number]
    )


def supply(
    state: MarketState, offers: tuple[str, ...], now_us: int, set_aside: SetAside = NOTHING
) -> tuple[Ints, Bools]:
    """Numbers, ascending, of the couriers who count in a round, and who of them is under way with room for more.

    Free couriers always, and those of the ``offers`` that may be revised; those under way where the policy shares them;
    and, as supply that cannot be offered anything yet, those who will be free within the policy's horizon.
    """
    columns, matching = state.columns, state.policy.matching
    free = set_aside.present(columns.available_numbers())
    busy = set_aside.present(columns.under_way_numbers())
    limit = matching.sharing.jobs_per_courier if matching.sharing.under_way else 0
    sharing = busy[columns.jobs[busy] < limit]
    later = np.zeros(0, np.int64)
    if matching.HasField("forward"):
        rest = busy[columns.jobs[busy] >= limit]
        later = rest[columns.end_us[rest] <= now_us + span(matching.forward.horizon)]
    asked = np.array([state.numbers[state.offers[offer_id].courier_id] for offer_id in offers], np.int64)
    free = np.concatenate([free, asked])
    numbers = np.concatenate([free, sharing, later])
    order = np.argsort(numbers, kind="stable")
    kind = np.concatenate([np.zeros(free.size, bool), np.ones(sharing.size, bool), np.zeros(later.size, bool)])
    return numbers[order], kind[order]


def problem_of(
    state: MarketState,
    numbers: Ints,
    sharing: Bools,
    moved: MovedCouriers,
    now_us: int,
    queue: dict[str, QueuedJob] | None = None,
    offers: tuple[str, ...] = (),
) -> Problem:
    """``numbers`` and ``sharing`` as ``supply`` gives them; ``queue`` replaces the market's open jobs. ``offers`` that
    may be revised: their jobs stand in the queue too."""
    queue = state.queue if queue is None else queue
    matching, weights = state.policy.matching, state.policy.matching.weights
    assert state.travel is not None, "a market is opened with its policy"
    skills = skill_columns([row.skills for row in queue.values()], _skills_of(state, queue, numbers))
    shared = matching.sharing
    return Problem(
        jobs=open_jobs(queue, skills, now_us),
        couriers=_couriers(state, numbers, sharing, moved, skills.held, now_us),
        exclusions=_exclusions(state, queue, numbers, now_us),
        travel=state.travel,
        weights=Weights(
            weights.pickup_time,
            weights.lateness,
            weights.waiting_at_pickup,
            weights.courier_waiting,
            weights.job_age,
            weights.unmatched,
            weights.overdue,
            weights.detour,
            weights.deadhead,
            weights.shift_end,
            weights.income_gap,
        ),
        solver=_SOLVERS[matching.solver],
        candidates_per_job=matching.candidates_per_job,
        max_reach_s=span(matching.max_reach) / SECOND,
        at_s=now_us / SECOND,
        sharing=Sharing(
            max(shared.jobs_per_offer, 1),
            span(shared.pickup_spread) / SECOND,
            span(shared.ready_spread) / SECOND,
            _INSERTIONS[shared.insertion],
            shared.frozen_stops,
            max(shared.lookahead_loads, 1),
        ),
        commitment=Commitment(
            matching.commitment.wait_while_safe,
            span(matching.commitment.slack) / SECOND,
            span(matching.batch_window) / SECOND,
        ),
        open_offers=_open_offers(state, offers, queue, numbers),
        keep_promises=matching.promise.keep,
        # Half again as much may go into finding the bundles.
        budget_s=span(matching.solve_limit) / SECOND / 2,
        truncated=_truncated(state, queue),
    )


def _truncated(state: MarketState, queue: dict[str, QueuedJob]) -> Ints:
    """Return the places in the queue of the jobs that the last round cut off, in the order of their turn."""
    if not state.truncated:
        return np.zeros(0, np.int64)
    place_of = {job_id: place for place, job_id in enumerate(queue)}
    return np.array([place_of[job_id] for job_id in state.truncated if job_id in place_of], np.int64)


def with_offered(state: MarketState, offers: tuple[str, ...], waiting: dict[str, QueuedJob]) -> dict[str, QueuedJob]:
    """The open jobs that wait, and behind them those of offers that may be revised."""
    offered = [job.job_id for offer_id in offers for job in state.offers[offer_id].jobs]
    rows = {job_id: queued(state.jobs[job_id], state.policy, state.zones) for job_id in offered}
    return waiting | rows if rows else waiting


def _open_offers(
    state: MarketState, offers: tuple[str, ...], queue: dict[str, QueuedJob], numbers: Ints
) -> OpenOffers | None:
    if not offers:
        return None
    index_of = {job_id: index for index, job_id in enumerate(queue)}
    offer = np.full(len(queue), NOBODY, np.int64)
    for index, offer_id in enumerate(offers):
        offer[[index_of[job.job_id] for job in state.offers[offer_id].jobs]] = index
    made = [state.offers[offer_id] for offer_id in offers]
    number = np.array([state.numbers[one.courier_id] for one in made], np.int64)
    return OpenOffers(
        offer=offer,
        courier=np.searchsorted(numbers, number).astype(np.int64),
        size=np.array([len(one.jobs) for one in made], np.int64),
        worth_s=span(state.policy.matching.commitment.revise_when_better_by) / SECOND,
    )


def open_jobs(queue: dict[str, QueuedJob], skills: SkillColumns, now_us: int) -> OpenJobs:
    """Return the columns of the open jobs. Raises ColumnError, whose row is the job's place in the queue."""
    columns = list(zip(*(row.numbers for row in queue.values()), strict=True)) or [()] * JOB_COLUMNS
    latitude, longitude, to_latitude, to_longitude = (np.array(column, np.float64) for column in columns[:4])
    since, ready, due, latest, ride_limit, vehicles, persons, parcels, weight, barred, queue_zone = (
        whole_numbers(name, column, low, high)
        for (name, low, high), column in zip(WHOLE_COLUMNS, columns[4:], strict=True)
    )
    return OpenJobs(
        latitude=latitude,
        longitude=longitude,
        to_latitude=to_latitude,
        to_longitude=to_longitude,
        age_s=(now_us - since) / SECOND,
        ready_in_s=(ready - now_us) / SECOND,
        needs=Requirements(
            vehicles=vehicles,
            skills=skills.needed,
            persons=persons,
            parcels=parcels,
            weight_g=weight,
        ),
        due_in_s=np.where(due == NEVER, np.inf, (due - now_us) / SECOND),
        latest_pickup_s=np.where(latest == NEVER, np.inf, (latest - now_us) / SECOND),
        ride_limit_s=np.where(ride_limit == NEVER, np.inf, ride_limit / SECOND),
        barred=barred,
        queue_zone=queue_zone,
        unmet_skills=skills.unmet,
    )


def _couriers(
    state: MarketState, numbers: Ints, sharing: Bools, moved: MovedCouriers, skills: Masks, now_us: int
) -> Couriers:
    columns = state.columns
    latitude_e7, longitude_e7 = columns.latitude_e7.copy(), columns.longitude_e7.copy()
    latitude_e7[moved.numbers], longitude_e7[moved.numbers] = moved.latitude_e7, moved.longitude_e7
    there_us = columns.position_us.copy()
    there_us[moved.numbers] = now_us + (0 if moved.in_ms is None else moved.in_ms * 1000)
    later = (columns.jobs[numbers] > 0) & ~sharing
    start_us = np.where(later, columns.end_us[numbers], there_us[numbers])
    shift_end = columns.shift_end_us[numbers]
    homes = [
        np.where(column[numbers] == NOWHERE, np.nan, from_e7_array(column[numbers]))
        for column in (columns.home_latitude_e7, columns.home_longitude_e7)
    ]
    zone, rank = _queue_places(state, numbers)
    return Couriers(
        latitude=from_e7_array(np.where(later, columns.end_latitude_e7[numbers], latitude_e7[numbers])),
        longitude=from_e7_array(np.where(later, columns.end_longitude_e7[numbers], longitude_e7[numbers])),
        free_s=np.where(columns.jobs[numbers] > 0, 0, now_us - columns.free_us[numbers]) / SECOND,
        shift_left_s=np.where(shift_end == OPEN_ENDED, np.inf, (shift_end - now_us) / SECOND),
        offers=Requirements(
            vehicles=columns.vehicle[numbers],
            skills=skills,
            persons=columns.persons[numbers],
            parcels=columns.parcels[numbers],
            weight_g=columns.weight_g[numbers],
        ),
        starts_in_s=np.maximum(start_us - now_us, 0) / SECOND,
        later=later,
        income_gap=_income_gap(state, numbers, now_us),
        home_latitude=homes[0],
        home_longitude=homes[1],
        queue_zone=zone,
        queue_rank=rank,
        plans=_plans(state, numbers, sharing, now_us),
    )


def _income_gap(state: MarketState, numbers: Ints, now_us: int) -> Floats:
    """Shape (n,): 1 - hourly pay of the shift / the same of everyone in the round, not below 0."""
    columns = state.columns
    if not state.policy.matching.weights.income_gap:
        return np.zeros(numbers.size)
    hours = np.maximum(now_us - columns.online_us[numbers], SECOND) / (3600 * SECOND)
    pay = columns.shift_pay[numbers].astype(np.float64)
    market = pay.sum() / hours.sum()
    if market <= 0:
        return np.zeros(numbers.size)
    gap: Floats = np.clip(1 - pay / hours / market, 0, 1)
    return gap


def _queue_places(state: MarketState, numbers: Ints) -> tuple[Ints, Ints]:
    """Shape (n,) each: index of the queue zone in which a courier stands, or NOBODY, and the rank there."""
    zone, rank = np.full(numbers.size, NOBODY, np.int64), np.zeros(numbers.size, np.int64)
    if not state.queue_zone_of or not numbers.size:
        return zone, rank
    found = [
        (state.zones.queue_numbers.get(name, NOBODY), place, state.numbers[courier_id])
        for name, queue in state.zone_queues.items()
        for place, courier_id in enumerate(queue)
    ]
    index, place, number = np.array(found, np.int64).reshape(-1, 3).T
    at = np.minimum(np.searchsorted(numbers, number), numbers.size - 1)
    here = numbers[at] == number
    zone[at[here]], rank[at[here]] = index[here], place[here]
    return zone, rank


def _plans(state: MarketState, numbers: Ints, sharing: Bools, now_us: int) -> Plans:
    """The stops of those who are under way with room for more, one courier after the other."""
    who = np.flatnonzero(sharing)
    if not who.size:
        return Plans.none(numbers.size)
    parts = [plan.rows_of(state, number) for number in numbers[who].tolist()]
    lengths = np.zeros(numbers.size, np.int64)
    lengths[who] = [len(part) for part in parts]
    first = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.concatenate(parts)
    owner = np.repeat(np.arange(numbers.size), lengths)
    keep = state.policy.matching.promise.keep
    load = rows[:, [plan.PERSONS, plan.PARCELS, plan.WEIGHT]].astype(np.int64)
    mate = rows[:, plan.MATE].astype(np.int64)
    is_aboard = (rows[:, plan.IS_PICKUP] == 0) & (mate == NOBODY)
    aboard = np.zeros((numbers.size, 3), np.int64)
    np.add.at(aboard, owner[is_aboard], -load[is_aboard])
    due = (rows[:, plan.DUE] - now_us) / SECOND
    pickup_by = (rows[:, plan.PICKUP_BY] - now_us) / SECOND
    ride_limit = rows[:, plan.RIDE_LIMIT] - np.where(is_aboard, now_us - rows[:, plan.PICKED], 0)
    return Plans(
        first=first,
        latitude=rows[:, plan.LATITUDE],
        longitude=rows[:, plan.LONGITUDE],
        earliest_s=(rows[:, plan.EARLIEST] - now_us) / SECOND,
        latest_s=np.minimum(pickup_by, due if keep else np.inf),
        due_s=due,
        mate=np.where(mate == NOBODY, NOBODY, mate + first[owner]),
        ride_limit_s=np.where(rows[:, plan.RIDE_LIMIT] >= NEVER, np.inf, ride_limit / SECOND),
        pickup=rows[:, plan.IS_PICKUP] == 1,
        load=load,
        aboard=aboard,
        reorder=state.columns.may_reorder[numbers] == 1,
    )


def _skills_of(state: MarketState, queue: dict[str, QueuedJob], numbers: Ints) -> list[frozenset[str]]:
    """Return the skills of each courier, shape (n,); nobody's where no job asks for any."""
    if not any(row.skills for row in queue.values()):
        return [NO_SKILLS] * numbers.size
    known = state.columns.skills
    return [known.get(number, NO_SKILLS) for number in numbers.tolist()]


def _exclusions(state: MarketState, queue: dict[str, QueuedJob], numbers: Ints, now_us: int) -> Exclusions:
    """Pairs that may not be offered now: declined a short while ago, or client and courier kept apart."""
    pairs: list[tuple[int, str, int]] = []
    if state.exclusions:
        index_of = {job_id: index for index, job_id in enumerate(queue)}
        pairs += [
            (index_of[job_id], courier_id, Gate.DECLINED)
            for job_id, couriers in state.exclusions.items()
            if job_id in index_of
            for courier_id, exclusion in couriers.items()
            if exclusion.until_us > now_us
        ]
    if state.blocked:
        pairs += [
            (index, courier_id, Gate.BLOCKED)
            for index, job_id in enumerate(queue)
            for courier_id in sorted(state.blocked.get(state.jobs[job_id].client_id, ()))
            if courier_id in state.numbers
        ]
    if not pairs:
        return Exclusions.none()
    job = np.array([pair[0] for pair in pairs], np.int64)
    number = np.array([state.numbers[pair[1]] for pair in pairs], np.int64)
    gate = np.array([pair[2] for pair in pairs], np.int64)
    at = np.searchsorted(numbers, number)
    present = (at < numbers.size) & (numbers[np.minimum(at, numbers.size - 1)] == number)
    # Blocked and declined: the earlier gate counts.
    _, first = np.unique(np.stack([job, at, gate])[:2, present], axis=1, return_index=True)
    chosen = np.flatnonzero(present)[np.sort(first)]
    return Exclusions(job[chosen], at[chosen].astype(np.int64), gate[chosen])
