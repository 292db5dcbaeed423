"""A job, courier, cell, zone or event that makes a loop fail is set aside, and all others are served at once."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher import commands
from dispatcher.errors import MarketUnavailable
from dispatcher.log.projections import Rows
from dispatcher.log.sql import query
from dispatcher.log.store import LogStore
from dispatcher.market import problems, rounds, unfilled
from dispatcher.market.apply import fold
from dispatcher.market.decide import surge
from dispatcher.market.market import _DECIDERS
from dispatcher.market.state import MarketState
from dispatcher.measures import Measures
from geo.cells import cell_name
from geo.units import to_e7
from geo.zones import ZoneSet
from gig.v1 import job_pb2
from matching import solve as solving
from services.host import sessions
from services.host.attention import attention
from services.host.quarantine import Kind, Loop
from services.host.watches import JobWatches
from tests.faults.broken import COURIERS, JOBS, ZONES, BrokenMarket, breaking, broken_market
from tests.kit import spec

OFFERED, QUEUED, EXPIRED = job_pb2.JOB_STATE_OFFERED, job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_EXPIRED
ALL_JOBS = {f"j{number}" for number in range(JOBS)}
EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
BAD_JOBS = st.sets(st.integers(0, JOBS - 1), max_size=2)
BAD_COURIERS = st.sets(st.integers(0, COURIERS - 1), max_size=2)


def names(prefix: str, numbers: set[int]) -> set[str]:
    return {f"{prefix}{number}" for number in numbers}


def latitude_of(number: int) -> float:
    return 40.75 + number / 1000


def longitude_of(number: int) -> float:
    return -73.98 + number / 1000


def seams_of_a_round(stage: str, jobs: set[int], couriers: set[int]) -> tuple:
    """The named stage fails where a bad job or courier takes part in it."""
    bad_jobs, bad_couriers = names("j", jobs), names("c", couriers)

    def in_columns(state: MarketState, numbers, *_rest) -> bool:
        return any(state.columns.ids[number] in bad_couriers for number in numbers.tolist())

    def in_solver(problem, *_rest) -> bool:
        """Only together: a travel time needs both."""
        if not len(problem.jobs) or not len(problem.couriers):
            return False
        return any(to_e7(longitude_of(bad)) in map(to_e7, problem.jobs.longitude.tolist()) for bad in jobs) or any(
            to_e7(latitude_of(bad)) in map(to_e7, problem.couriers.latitude.tolist()) for bad in couriers
        )

    def in_offer(_offer, state: MarketState, round_, assignment, edge, *_rest) -> bool:
        candidates = assignment.candidates
        courier = state.columns.ids[int(round_.numbers[int(candidates.courier[edge])])]
        return courier in bad_couriers or any(round_.job_ids[job] in bad_jobs for job in candidates.members(edge))

    return {
        "columns": (
            (problems, "open_jobs", lambda queue, *_rest: not bad_jobs.isdisjoint(queue)),
            (problems, "_couriers", in_columns),
        ),
        "solver": ((solving, "prepare", in_solver),),
        "offers": ((rounds, "fill_offer", in_offer), (unfilled, "fill_offer", in_offer)),
    }[stage]


@EXAMPLES
@given(st.sampled_from(["columns", "solver", "offers"]), BAD_JOBS, BAD_COURIERS)
async def test_a_round_serves_all_but_the_jobs_and_couriers_that_fail(pool, stage, jobs, couriers) -> None:
    bad = names("j", jobs) | names("c", couriers)
    async with broken_market(pool) as market:
        await market.online()
        await market.place()
        with breaking(*seams_of_a_round(stage, jobs, couriers)):
            await market.round()
            assert market.jobs(OFFERED) == ALL_JOBS - names("j", jobs)
            found = market.set_aside(Loop.ROUND)
            assert found == bad if stage != "offers" else found <= bad
            assert names("j", jobs) <= found
        market.clock.wait(2)
        await market.round()
        assert market.jobs(OFFERED) == ALL_JOBS
        assert not market.set_aside(Loop.ROUND, Kind.JOB)


@EXAMPLES
@given(st.sets(st.integers(0, JOBS - 1), min_size=1, max_size=2))
async def test_offers_that_cannot_be_applied_keep_no_other_job_from_its_courier(pool, jobs) -> None:
    bad = names("j", jobs)

    def is_bad(_state, event) -> bool:
        return any(offered.job_id in bad for offered in event.offer_made.offer.jobs)

    async with broken_market(pool) as market:
        await market.online()
        await market.place()
        with breaking((fold._APPLY, "offer_made", is_bad)):
            for _ in range(len(bad) + 1):
                await market.round()
            assert market.jobs(OFFERED) == ALL_JOBS - bad
            assert market.set_aside(Loop.ROUND, Kind.JOB) == bad
            generation = market.host.generation
            await market.round()
            assert market.host.generation == generation, "it is not tried again at once"
        market.clock.wait(2)
        await market.round()
        assert market.jobs(OFFERED) == ALL_JOBS
        assert not market.set_aside(Loop.ROUND, Kind.JOB)


@EXAMPLES
@given(BAD_JOBS, st.booleans())
async def test_what_is_due_happens_to_all_but_those_that_fail(pool, jobs, in_check) -> None:
    bad = names("j", jobs)
    seam = (
        (MarketState, "is_current", lambda _state, entry: entry[2] in bad)
        if in_check
        else (fold._APPLY, "job_expired", lambda _state, event: event.job_expired.job_id in bad)
    )
    async with broken_market(pool) as market:
        await market.place()
        market.clock.wait(10_000)
        with breaking(seam):
            for _ in range(1 if in_check else len(bad) + 1):
                await market.tick()
            assert market.jobs(EXPIRED) == ALL_JOBS - bad
            assert market.set_aside(Loop.DUE) == bad
        market.clock.wait(2)
        await market.tick()
        assert market.jobs(EXPIRED) == ALL_JOBS
        assert not market.set_aside(Loop.DUE)


@EXAMPLES
@given(st.sampled_from(["job", "courier", "cell"]), st.sets(st.integers(0, 5), max_size=2))
async def test_a_surge_tick_counts_all_but_what_fails(pool, kind, numbers) -> None:
    async with broken_market(pool) as market:
        await market.online()
        await market.place()
        state = market.host.market.state
        cells = sorted({cell for _, cell in state.recent_demand.values()})
        bad_cells = {cells[number] for number in numbers if number < len(cells)}
        bad = {"job": names("j", numbers), "courier": names("c", numbers), "cell": set(map(cell_name, bad_cells))}[kind]

        def in_demand(_state, _policy, _now, set_aside) -> bool:
            return kind == "job" and not bad <= set_aside.jobs

        def in_supply(state, _policy, _moved, _now, set_aside) -> bool:
            return kind == "courier" and not {state.numbers[name] for name in bad} <= set_aside.couriers

        def in_tick(_before, demand, *_rest) -> bool:
            return kind == "cell" and bool(bad_cells & set(demand[0].tolist()))

        market.clock.wait(60)
        seams = (surge, "_demand", in_demand), (surge, "_supply", in_supply), (surge, "tick", in_tick)
        with breaking(*seams):
            await market.tick()
            assert market.set_aside(Loop.SURGE) == bad
            counted = set(market.host.market.state.surge.cells.tolist())
            assert counted
            assert bad_cells.isdisjoint(counted) or kind != "cell"
        market.clock.wait(60)
        await market.tick()
        assert not market.set_aside(Loop.SURGE)


@EXAMPLES
@given(BAD_COURIERS, st.booleans())
async def test_queue_zones_are_observed_for_all_but_who_fails(pool, couriers, zone_fails) -> None:
    bad = names("c", couriers)
    async with broken_market(pool, zones=ZONES) as market:
        await market.online()

        def of_courier(state, command, *_rest) -> bool:
            return any(state.columns.ids[number] in bad for number in command.numbers.tolist())

        def of_zone(_zones, _latitudes, _longitudes, without=()) -> bool:
            return zone_fails and "empty" not in without

        seams = (_DECIDERS, commands.ObserveQueues, of_courier), (ZoneSet, "queue_of", of_zone)
        with breaking(*seams):
            await market.tick()
            assert market.set_aside(Loop.ZONE_QUEUES) == bad | ({"empty"} if zone_fails else set())
            queued = set(market.host.market.state.zone_queues["busy"])
            assert queued == names("c", set(range(COURIERS))) - bad
        market.clock.wait(6)
        await market.tick()
        assert set(market.host.market.state.zone_queues["busy"]) == names("c", set(range(COURIERS)))
        assert not market.set_aside(Loop.ZONE_QUEUES)


@EXAMPLES
@given(BAD_COURIERS)
async def test_the_silent_go_offline_but_for_who_fails(pool, couriers) -> None:
    bad = names("c", couriers)
    async with broken_market(pool) as market:
        await market.online()
        market.clock.wait(10_000)
        with breaking((_DECIDERS, commands.GoOffline, lambda _state, command, *_rest: command.courier_id in bad)):
            await market.tick()
            await market.is_back()
            assert set(market.host.measures.online) == bad
            assert market.set_aside(Loop.SILENCE) == bad
        market.clock.wait(6)
        await market.tick()
        await market.is_back()
        assert not market.host.measures.online
        assert not market.set_aside(Loop.SILENCE)


async def test_a_courier_who_is_heard_of_again_is_no_longer_set_aside(pool) -> None:
    async with broken_market(pool) as market:
        await market.online()
        market.clock.wait(10_000)
        with breaking((_DECIDERS, commands.GoOffline, lambda _state, command, *_rest: command.courier_id == "c0")):
            await market.tick()
        assert market.set_aside(Loop.SILENCE) == {"c0"}
        market.clock.wait(6)
        market.host.positions.hear("c0")
        await market.tick()
        assert set(market.host.measures.online) == {"c0"}
        assert not market.set_aside(Loop.SILENCE)


def about(event, bad: set[str]) -> bool:
    return event.HasField("job_placed") and event.job_placed.job.job_id in bad


@EXAMPLES
@given(st.sampled_from(list(Loop)).filter(lambda loop: loop in SEAMS), BAD_JOBS)
async def test_what_is_published_reaches_every_reader_but_the_one_that_fails(pool, loop, jobs) -> None:
    bad = names("j", jobs)
    async with broken_market(pool) as market:
        with breaking(SEAMS[loop](bad)):
            await market.place()
            shown = await tabled(market)
            assert shown == (ALL_JOBS - bad if loop is Loop.TABLES else ALL_JOBS)
            assert len(market.set_aside(loop)) == len(bad)
            assert sum(market.host.measures.jobs_placed.values()) == JOBS - (len(bad) if loop is Loop.MEASURES else 0)
        market.clock.wait(2)
        await market.host.projector.retry()
        assert await tabled(market) == ALL_JOBS
        market_id = market.host.market_id
    async with broken_market(pool, market_id) as again:
        assert sum(again.host.measures.jobs_placed.values()) == JOBS, "a restart folds what was missing"
        assert not again.host.quarantine.items()


SEAMS = {
    Loop.MEASURES: lambda bad: (Measures, "fold", lambda _measures, event: about(event, bad)),
    Loop.SESSIONS: lambda bad: (sessions, "messages", lambda applied: about(applied.event, bad)),
    Loop.WATCHES: lambda bad: (JobWatches, "publish", lambda _watches, job: job.job_id in bad),
    Loop.TABLES: lambda bad: (Rows, "add", lambda _rows, event, *_rest: about(event, bad)),
}


async def tabled(market: BrokenMarket) -> set[str]:
    pool = await market.host.projected()
    rows = await pool.fetch("SELECT job_id FROM job_history WHERE market_id = $1", market.host.market_id)
    return {row["job_id"] for row in rows}


async def test_rows_that_the_database_refuses_are_left_out_and_written_once_it_takes_them(pool, monkeypatch) -> None:
    add = Rows.add

    def refused(rows: Rows, event, kind, *rest) -> None:
        add(rows, event, kind, *rest)
        if about(event, {"j1", "j4"}):
            rows.history.append(("\0", event.sequence, 0, kind))

    async with broken_market(pool) as market:
        monkeypatch.setattr(Rows, "add", refused)
        await market.place()
        assert await tabled(market) == ALL_JOBS - {"j1", "j4"}
        assert len(market.set_aside(Loop.TABLES, Kind.EVENT)) == 2
        monkeypatch.undo()
        market.clock.wait(2)
        await market.host.projector.retry()
        assert await tabled(market) == ALL_JOBS
        assert not market.set_aside(Loop.TABLES)


async def test_rows_that_a_crash_of_the_database_took_are_written_again(pool) -> None:
    """Rows are committed without waiting for the disk, so a crash may take them after the market has seen them."""
    async with broken_market(pool) as market:
        await market.place(JOBS - 1)
        assert await tabled(market) == ALL_JOBS - {f"j{JOBS - 1}"}
        generation = market.host.generation
        await pool.execute(query("reset_tables"), market.host.market_id)
        with suppress(MarketUnavailable):
            await market.do(commands.PlaceJob(job_id=f"j{JOBS - 1}", client_id="client", spec=spec()))
            await market.host.projected()
        await market.is_back()
        assert await tabled(market) == ALL_JOBS
        assert market.host.generation == generation + 1


async def test_a_caller_whose_command_cannot_be_applied_reloads_the_market_once(pool) -> None:
    seam = fold._APPLY, "job_placed", lambda _state, event: event.job_placed.job.client_id == "client-0"
    async with broken_market(pool) as market:
        with breaking(seam):
            with pytest.raises(MarketUnavailable, match="incident"):
                await market.place(1)
            await market.is_back()
            generation = market.host.generation
            for _ in range(3):
                with pytest.raises(MarketUnavailable, match="incident") as refused:
                    await market.place(1)
                assert refused.value.reason == "SET_ASIDE"
            assert market.host.generation == generation
        market.clock.wait(2)
        await market.place()
        assert market.jobs(QUEUED) == ALL_JOBS
        assert not market.host.quarantine.items()


async def test_the_inbox_names_what_was_set_aside_and_what_is_stuck(pool) -> None:
    async with broken_market(pool) as market:
        await market.place(2)
        await market.round()
        max_wait_s = market.host.market.state.max_wait_us / 1e6
        market.clock.wait(max_wait_s * 0.6)
        with breaking((problems, "open_jobs", lambda queue, *_rest: "j1" in queue)):
            await market.online(1)
            await market.round()
            found = {(item.kind, item.subject) for item in attention(market.host)}
            assert found == {(1, "j1")}
        for item in attention(market.host):
            assert item.id in item.sentence
            assert "j1" in item.sentence
            assert item.HasField("since")


async def test_a_job_is_stuck_once_nobody_has_been_in_reach_for_half_of_the_longest_wait(pool) -> None:
    async with broken_market(pool) as market:
        await market.place(1)
        half_s = market.host.market.state.max_wait_us / 2e6
        await market.round()
        market.clock.wait(half_s - 1)
        assert not attention(market.host)
        market.clock.wait(1)
        (item,) = attention(market.host)
        assert (item.kind, item.subject) == (2, "j0")
        assert "ExplainWait" in item.sentence
        await market.online(1)
        await market.round()
        assert not attention(market.host)


async def test_an_event_that_the_log_does_not_take_ends_neither_the_market_nor_its_loops(pool) -> None:
    seam = LogStore, "append", lambda _store, events: any(about(event, {"j0"}) for event in events)
    async with broken_market(pool) as market:
        with breaking(seam):
            with pytest.raises(MarketUnavailable):
                await market.place(1)
            market.clock.wait(2)
            # The market pauses before it loads from its log, so as not to load again and again.
            await market.is_back()
            wanted = commands.PlaceJob(job_id="j1", client_id="client-1", spec=spec())
            await market.do(wanted)
            assert market.jobs(QUEUED) == {"j1"}
        assert not market.host.lost.done()
        assert market.set_aside(Loop.LOG) == {"log"}
