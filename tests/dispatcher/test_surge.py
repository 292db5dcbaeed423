"""Surge follows demand and supply within its bounds, and is the same for everyone who folds the log."""

from __future__ import annotations

import h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.errors import PolicyError
from dispatcher.market import Market, MovedCouriers
from dispatcher.pricing.surge import SurgeField, counted, field_of, tick
from dispatcher.times import SECOND, timestamp
from geo.cells import CellGrid, cell_at, cells_at
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import HERE, Bench, spec

CENTRE = h3.latlng_to_cell(*HERE, 8)
CELLS = np.array(sorted(h3.str_to_int(cell) for cell in h3.grid_disk(CENTRE, 3)), np.int64)
MINUTE = 60 * SECOND


def surge_policy(**changes: object) -> policy_pb.SurgePolicy:
    made = policy_pb.SurgePolicy()
    made.CopyFrom(policy.load("plain").surge)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def nobody() -> tuple[np.ndarray, np.ndarray]:
    return counted(np.zeros(0, np.int64))


COUNTS = st.lists(st.sampled_from(CELLS.tolist()), max_size=60).map(lambda cells: counted(np.array(cells, np.int64)))


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=8), st.integers(100, 300), st.integers(1, 50))
def test_every_multiplier_stays_in_its_bounds_and_moves_no_faster_than_allowed(ticks, cap, change) -> None:
    rules = surge_policy(cap_percent=cap, max_change_percent=change, step_percent=7)
    grid, field = CellGrid(), SurgeField()
    for number, (demand, supply) in enumerate(ticks, start=1):
        event = tick(field, demand, supply, rules, number * MINUTE, grid)
        after = field_of(event, number * MINUTE, number)
        assert ((after.percent >= rules.floor_percent) & (after.percent <= cap)).all()
        for cell in set(field.cells.tolist()) | set(after.cells.tolist()):
            assert abs(after.percent_of(cell) - field.percent_of(cell)) <= change
        field = after


def test_a_cap_that_is_lowered_binds_at_the_next_tick() -> None:
    rules, grid, field = surge_policy(), CellGrid(), SurgeField()
    crowd = counted(np.repeat(CELLS[:1], 500))
    for number in range(1, 9):
        event = tick(field, crowd, nobody(), rules, number * MINUTE, grid)
        field = field_of(event, number * MINUTE, number)
    assert field.percent_of(int(CELLS[0])) == 250
    rules.cap_percent = 120
    lowered = field_of(tick(field, crowd, nobody(), rules, 9 * MINUTE, grid), 9 * MINUTE, 9)
    assert lowered.percent_of(int(CELLS[0])) == 120


@pytest.mark.parametrize("half_life_s", [1, 60])
def test_a_clock_that_goes_back_keeps_the_counts(half_life_s: int) -> None:
    rules, grid = surge_policy(spread_basis_points=0), CellGrid()
    rules.half_life.seconds = half_life_s
    crowd = counted(np.repeat(CELLS[:1], 9))
    field = field_of(tick(SurgeField(), crowd, nobody(), rules, 10**15, grid), 10**15, 1)
    event = tick(field, nobody(), nobody(), rules, 1, grid)
    assert list(event.smoothed_demand) == field.demand.tolist()


@given(COUNTS, COUNTS)
def test_spreading_moves_demand_between_neighbours_and_loses_none(demand, supply) -> None:
    rules = surge_policy()
    event = tick(SurgeField(), demand, supply, rules, MINUTE, CellGrid())
    assert sum(event.smoothed_demand) == pytest.approx(1000 * demand[1].sum(), abs=len(event.smoothed_demand))
    assert sum(event.demand) == demand[1].sum()
    assert sum(event.supply) == supply[1].sum()


def test_a_tick_is_what_the_definition_says_cell_by_cell() -> None:
    """Computed once more, slowly, by dictionaries."""
    rules, grid, field = surge_policy(), CellGrid(), SurgeField()
    rng = np.random.default_rng(5)
    smooth: dict[str, dict[int, float]] = {"d": {}, "s": {}}
    percent: dict[int, int] = {}
    for number in range(1, 7):
        demand, supply = (counted(rng.choice(CELLS, size)) for size in (90, 25))
        event = tick(field, demand, supply, rules, number * MINUTE, grid)
        field = field_of(event, number * MINUTE, number)
        kept = 0.0 if number == 1 else 0.5 ** (60 / 180)
        for name, (cells, counts) in (("d", demand), ("s", supply)):
            spread: dict[int, float] = {}
            for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
                spread[cell] = spread.get(cell, 0) + 0.7 * count
                for neighbour in h3.grid_ring(h3.int_to_str(cell), 1):
                    key = h3.str_to_int(neighbour)
                    spread[key] = spread.get(key, 0) + 0.3 * count / 6
            old = smooth[name]
            smooth[name] = {
                c: spread.get(c, 0) + (old.get(c, 0) - spread.get(c, 0)) * kept for c in spread.keys() | old
            }
        for cell in smooth["d"].keys() | smooth["s"].keys() | percent.keys():
            ratio = smooth["d"].get(cell, 0) / (smooth["s"].get(cell, 0) + rules.prior_couriers)
            wanted = 100 + 10 * np.floor(100 * rules.sensitivity * (ratio - rules.balance) / 10 + 0.5)
            wanted = min(max(wanted, 100), 250)
            before = percent.get(cell, 100)
            percent[cell] = int(min(max(wanted, before - 30), before + 30))
            # A ratio at the very edge of a step may fall on either side of it.
            assert abs(field.percent_of(cell) - percent[cell]) <= (10 if abs(wanted % 10) < 1e-6 else 0)
            percent[cell] = field.percent_of(cell)


def crowded(bench: Bench, jobs: int = 30) -> None:
    for number in range(jobs):
        bench.place(f"crowd-{number}", "crowd")


def surge(bench: Bench) -> list[events_pb.Event]:
    return bench.take(bench.market.tick_surge(MovedCouriers.none(), bench.now))


def ticks(bench: Bench, count: int) -> None:
    for _ in range(count):
        surge(bench)
        bench.wait(60)


def test_where_many_ask_and_nobody_is_the_price_rises_and_falls_again_when_couriers_come() -> None:
    bench = Bench()
    calm = bench.place("calm").fare.total.minor_units
    crowded(bench)
    ticks(bench, 5)
    busy = bench.place("busy")
    assert busy.surge.multiplier_percent > 150
    assert busy.fare.total.minor_units > calm
    for number in range(60):
        bench.online(f"courier-{number}", (HERE[0], HERE[1] + number / 100_000))
    ticks(bench, 12)
    assert bench.place("later").fare.total.minor_units == calm


def test_additive_surge_is_the_same_for_a_short_trip_and_a_long_one_and_multiplicative_is_not() -> None:
    far = (40.85, -73.90)
    added = {}
    for mode in (job_pb2.SURGE_MODE_ADDITIVE, job_pb2.SURGE_MODE_MULTIPLICATIVE):
        chosen = policy.load("plain")
        chosen.surge.mode = mode
        bench = Bench(chosen)
        crowded(bench)
        ticks(bench, 4)
        for name, dropoff in (("short", HERE), ("long", far)):
            job = bench.place(name, dropoff=dropoff)
            added[mode, name] = job.fare.total.minor_units - job.surge.base_fare_minor_units
            assert added[mode, name] == sum(
                line.minor_units for line in job.fare.lines if line.kind == types_pb2.PRICE_LINE_KIND_SURGE
            )
    assert added[job_pb2.SURGE_MODE_ADDITIVE, "short"] == added[job_pb2.SURGE_MODE_ADDITIVE, "long"] > 0
    assert added[job_pb2.SURGE_MODE_MULTIPLICATIVE, "long"] > added[job_pb2.SURGE_MODE_MULTIPLICATIVE, "short"] > 0


def test_the_courier_gets_the_policys_share_of_what_surge_adds_and_the_job_says_so() -> None:
    bench = Bench()
    crowded(bench)
    ticks(bench, 4)
    job = bench.place("job")
    charged = job.fare.total.minor_units - job.surge.base_fare_minor_units
    paid = job.pay.total.minor_units - job.surge.base_pay_minor_units
    assert paid == round(0.8 * charged)
    ratio = job.surge.demand / (job.surge.supply + 2.0)
    assert ratio > 1.2  # demand and supply, as they were, are on the job
    for number in range(30):
        bench.do(commands.CancelJob(job_id=f"crowd-{number}", client_id="crowd"))
    bench.online()
    bench.round()
    offer = next(iter(bench.market.state.offers.values()))
    assert offer.surge_minor_units == paid
    bench.answer(offer.offer_id, offer.courier_id)
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.progress(step, "job", offer.courier_id)
    money = bench.job("job").money
    assert (money.surge_charged_minor_units, money.surge_paid_minor_units) == (charged, paid)
    assert money.fare_minor_units == money.pay_minor_units + money.tax_minor_units + money.platform_minor_units


def test_a_placed_job_and_a_quote_keep_their_price_whatever_surge_does() -> None:
    bench = Bench()
    bench.do(commands.QuoteJob(job_id="quote", client_id="ann", spec=spec()))
    quoted = bench.job("quote").fare.total.minor_units
    crowded(bench)
    ticks(bench, 4)
    bench.do(commands.TakeQuote(quote_id="quote", client_id="ann"))
    assert bench.job("quote").fare.total.minor_units == quoted
    assert bench.place("new").fare.total.minor_units > quoted


def test_an_emergency_cap_binds_in_its_zone_and_period_alone() -> None:
    zone = (
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"flooded","rule":"service_area"},'
        '"geometry":{"type":"Polygon","coordinates":[[[-74,40.7],[-73.9,40.7],[-73.9,40.8],[-74,40.8],[-74,40.7]]]}}]}'
    )
    chosen = policy.load("plain")
    bench = Bench(chosen, zone)
    cap = chosen.surge.emergency_caps.add(zone="flooded", cap_percent=110, reason="flood of the century")
    cap.start_time.CopyFrom(timestamp(bench.now))
    cap.end_time.CopyFrom(timestamp(bench.now + 3600 * SECOND))
    chosen.surge.emergency_caps.add(zone="elsewhere", cap_percent=100, reason="not here")
    bench.do(commands.SetPolicy(policy=chosen, operator_id="olu"))
    crowded(bench)
    ticks(bench, 4)
    capped = bench.place("capped")
    assert (capped.surge.multiplier_percent, capped.surge.rule) == (110, "emergency cap: flood of the century")
    bench.wait(3700)
    crowded(bench)
    ticks(bench, 4)
    assert bench.place("after").surge.multiplier_percent > 110


def test_an_emergency_cap_does_not_wait_for_the_notice_that_a_policy_promises() -> None:
    chosen = policy.load("colorado")
    bench = Bench(chosen)
    chosen.surge.emergency_caps.add(cap_percent=100, reason="flood")
    bench.do(commands.SetPolicy(policy=chosen, operator_id="olu"))
    assert bench.market.state.policy.surge.emergency_caps[0].reason == "flood"
    chosen.surge.cap_percent = 200
    bench.do(commands.SetPolicy(policy=chosen, operator_id="olu"))
    assert (bench.market.state.policy.version, bench.market.state.announced is None) == (2, False)


def test_an_operators_zone_goes_before_demand_and_without_a_surge_policy_all_of_it_is_the_couriers() -> None:
    zone = (
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"stadium",'
        '"rule":"surge_override","multiplier":1.5},"geometry":{"type":"Polygon","coordinates":'
        "[[[-74,40.7],[-73.9,40.7],[-73.9,40.8],[-74,40.8],[-74,40.7]]]}}]}"
    )
    chosen = policy.load("plain")
    chosen.ClearField("surge")
    job = Bench(chosen, zone).place("job")
    assert job.surge.multiplier_percent == 150
    assert job.fare.total.minor_units == round(1.5 * job.surge.base_fare_minor_units)
    charged = job.fare.total.minor_units - job.surge.base_fare_minor_units
    assert job.pay.total.minor_units - job.surge.base_pay_minor_units == charged


def test_folding_the_log_gives_the_same_field_and_each_tick_follows_from_the_one_before() -> None:
    bench = Bench()
    crowded(bench)
    ticks(bench, 6)
    again = Market.fold(bench.log)
    assert again.state.surge.percent.tolist() == bench.market.state.surge.percent.tolist()
    rules, field, grid = bench.market.state.policy.surge, SurgeField(), CellGrid()
    for event in bench.log:
        if event.HasField("surge_updated"):
            body = event.surge_updated
            cells = np.cumsum(np.array(body.cell_deltas, np.int64))
            counts = [
                (cells[np.array(column) > 0], np.array(column, np.int64)[np.array(column) > 0])
                for column in (body.demand, body.supply)
            ]
            now_us = event.time.ToMicroseconds()
            made = tick(field, *counts, rules, now_us, grid)
            made.policy_version = body.policy_version
            assert made == body
            field = field_of(body, now_us, event.sequence)


def test_couriers_who_will_soon_be_free_count_where_their_plan_ends() -> None:
    bench = Bench()
    bench.online()
    bench.place(dropoff=(HERE[0] + 0.008, HERE[1]))
    bench.round()
    bench.answer(bench.job().offer_id)
    surge(bench)
    end = cell_at(bench.job().spec.dropoff.position.latitude, bench.job().spec.dropoff.position.longitude, 8)
    body = bench.log[-1].surge_updated
    cells = np.cumsum(np.array(body.cell_deltas, np.int64)).tolist()
    assert body.supply[cells.index(end)] == 1


def test_a_policy_with_surge_needs_the_globe_and_says_what_it_adds() -> None:
    flat = policy.load("mdrp")
    flat.surge.CopyFrom(surge_policy())
    with pytest.raises(PolicyError, match="planar"):
        policy.checked(flat)
    nothing = policy.load("plain")
    nothing.surge.additive_minor_units = 0
    with pytest.raises(PolicyError, match="additive_minor_units"):
        policy.checked(nothing)


def test_the_cells_of_many_points_are_those_of_each() -> None:
    rng = np.random.default_rng(2)
    latitude, longitude = rng.uniform(-80, 80, 200), rng.uniform(-180, 180, 200)
    found = cells_at(latitude, longitude, 8)
    expected = [cell_at(a, b, 8) for a, b in zip(latitude.tolist(), longitude.tolist(), strict=True)]
    assert found.tolist() == expected
    grid = CellGrid()
    for cell, ring in zip(np.unique(found).tolist(), grid.neighbours(np.unique(found)).tolist(), strict=True):
        assert {h3.int_to_str(one) for one in ring if one} == set(h3.grid_ring(h3.int_to_str(cell), 1))
