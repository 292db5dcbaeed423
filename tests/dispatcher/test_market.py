"""A market keeps its promises to clients and couriers, one command at a time."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.errors import InvalidField, NotFound, NotYours, RequestReused, WrongState
from dispatcher.times import SECOND, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import rating_service_pb2 as rating_pb
from tests.kit import HERE, THERE, Bench, call_by, spec

FAR = (41.5, -73.0)


def test_a_job_goes_from_request_to_paid_completion() -> None:
    bench = Bench()
    bench.assign()
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.now += 60 * SECOND
        bench.progress(step)
    assert bench.state() == "COMPLETED"
    assert bench.courier_state() == "FREE"
    postings = bench.log[-1].job_completed.postings
    assert sum(leg.minor_units for leg in postings.legs) == 0
    assert bench.market.state.couriers["bo"].shift_pay_minor_units == bench.job().pay.total.minor_units > 0


def test_an_offer_is_complete_and_says_why() -> None:
    bench = Bench()
    bench.online("bo", HERE)
    bench.online("cy", THERE)
    bench.online("far", FAR)
    bench.online("walker", HERE, vehicle_type=types_pb2.VEHICLE_TYPE_FOOT)
    bench.place()
    _, made = bench.round()
    offer = made.offer_made.offer
    assert offer.courier_id == "bo"
    (job,) = offer.jobs
    assert offer.pay.minor_units == job.pay.total.minor_units == sum(line.minor_units for line in job.pay.lines) > 0
    assert job.trip_distance_metres > 0
    assert job.trip_duration.seconds > 0
    assert job.destination_area
    assert [stop.kind for stop in offer.plan] == [job_pb2.STOP_KIND_PICKUP, job_pb2.STOP_KIND_DROPOFF]
    assert offer.make_time.seconds <= offer.plan[0].expected_time.seconds < offer.plan[1].expected_time.seconds
    assert offer.policy_version == 1
    assert offer.expire_time.seconds - offer.make_time.seconds == 20
    assert sum(term.cost for term in offer.reason.terms) == offer.reason.cost
    assert [other.courier_id for other in offer.reason.alternatives] == ["cy"]
    gates = {gate.gate: gate.removed for gate in offer.reason.gates}
    assert gates == {2: 1, 4: 1}  # the walker has no seat, the far one is out of reach
    assert offer.reason.couriers_considered == 4
    assert offer.reason.couriers_eligible == 2


def test_the_exact_dropoff_is_not_in_an_offer() -> None:
    bench = Bench()
    bench.online()
    bench.place()
    offer = bench.round()[1].offer_made.offer
    assert str(THERE[1]) not in str(offer)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda bench, _offer: bench.wait(21), "OFFER_TIMED_OUT"),
        (lambda bench, offer: bench.answer(offer), "OFFER_ACCEPTED"),
        (lambda bench, offer: bench.answer(offer, accept=False), "OFFER_DECLINED"),
        (lambda bench, _offer: bench.do(commands.CancelJob(job_id="job", client_id="ann")), "OFFER_WITHDRAWN"),
    ],
    ids=["late", "double", "after a decline", "after the client cancelled"],
)
def test_an_accept_that_comes_too_late_loses_and_is_told_why(spoil, reason) -> None:
    bench = Bench()
    bench.online()
    bench.place()
    offer_id = bench.round()[1].offer_made.offer.offer_id
    spoil(bench, offer_id)
    with pytest.raises(WrongState) as refused:
        bench.answer(offer_id)
    assert refused.value.reason == reason


def test_an_accept_after_the_deadline_loses_even_before_the_timeout_is_logged() -> None:
    bench = Bench()
    bench.online()
    bench.place()
    offer_id = bench.round()[1].offer_made.offer.offer_id
    bench.now += 20 * SECOND
    with pytest.raises(WrongState) as refused:
        bench.answer(offer_id)
    assert refused.value.reason == "OFFER_TIMED_OUT"


def test_an_offer_cannot_be_taken_by_another_courier() -> None:
    bench = Bench()
    bench.online("bo")
    bench.online("cy", THERE)
    bench.place()
    offer_id = bench.round()[1].offer_made.offer.offer_id
    with pytest.raises(NotYours):
        bench.answer(offer_id, "cy")


def test_a_decline_costs_nothing_and_the_job_goes_to_another() -> None:
    bench = Bench()
    bench.online("bo")
    bench.online("cy", THERE)
    bench.place()
    bench.answer(bench.round()[1].offer_made.offer.offer_id, accept=False)
    assert bench.round()[1].offer_made.offer.courier_id == "cy"
    assert bench.courier_state("bo") == "FREE"


def test_a_decliner_is_asked_again_after_the_policys_pause() -> None:
    bench = Bench()
    bench.online()
    bench.place()
    bench.answer(bench.round()[1].offer_made.offer.offer_id, accept=False)
    assert len(bench.round()) == 1
    bench.wait(301)
    assert bench.round()[1].offer_made.offer.courier_id == "bo"


def test_going_offline_before_the_pickup_puts_the_job_back_in_the_queue() -> None:
    bench = Bench()
    bench.assign()
    bench.do(commands.GoOffline(courier_id="bo"))
    assert bench.state() == "QUEUED"
    assert bench.courier_state() == "OFFLINE"


def test_going_offline_with_a_job_aboard_ends_the_shift_with_the_job() -> None:
    bench = Bench()
    bench.assign()
    bench.progress("PICKED_UP")
    bench.do(commands.GoOffline(courier_id="bo"))
    assert bench.state() == "PICKED_UP"
    assert bench.market.state.couriers["bo"].closing
    bench.progress("COMPLETED")
    assert bench.state() == "COMPLETED"
    assert bench.courier_state() == "OFFLINE"


def test_giving_up_before_the_pickup_requeues_and_after_it_fails_with_the_courier_paid() -> None:
    bench = Bench()
    bench.assign()
    bench.progress("FAILED")
    assert bench.state() == "QUEUED"
    bench.wait(301)
    bench.answer(bench.round()[1].offer_made.offer.offer_id)
    bench.progress("PICKED_UP")
    bench.progress("FAILED")
    assert bench.state() == "FAILED"
    legs = bench.log[-1].job_failed.postings.legs
    assert sum(leg.minor_units for leg in legs) == 0
    assert all(leg.account != types_pb2.ACCOUNT_CLIENT for leg in legs)
    assert bench.market.state.couriers["bo"].shift_pay_minor_units > 0


def test_a_job_that_nobody_takes_expires_after_the_policys_wait() -> None:
    bench = Bench()
    bench.place()
    bench.wait(1199)
    assert bench.state() == "QUEUED"
    bench.wait(1)
    assert bench.state() == "EXPIRED"


def test_a_scheduled_job_joins_the_queue_its_lead_time_before() -> None:
    bench = Bench()
    bench.place(pickup_after=timestamp(bench.now + 3600 * SECOND))
    assert bench.state() == "SCHEDULED"
    bench.wait(3000 - 1)
    assert bench.state() == "SCHEDULED"
    bench.wait(1)
    assert bench.state() == "QUEUED"


def test_a_quote_holds_its_price_and_then_expires() -> None:
    bench = Bench()
    trip = spec(dropoff=(40.80, -73.95))
    bench.do(commands.QuoteJob(job_id="q1", client_id="ann", spec=trip))
    quoted = bench.job("q1").fare.total.minor_units
    dearer = policy.load("plain")
    dearer.fares[0].base += 1000
    bench.do(commands.SetPolicy(policy=dearer, operator_id="op"))
    bench.do(commands.TakeQuote(quote_id="q1", client_id="ann"))
    assert bench.job("q1").fare.total.minor_units == quoted
    bench.do(commands.QuoteJob(job_id="q2", client_id="ann", spec=trip))
    assert bench.job("q2").fare.total.minor_units == quoted + 1000
    bench.now += 300 * SECOND
    with pytest.raises(WrongState) as refused:
        bench.do(commands.TakeQuote(quote_id="q2", client_id="ann"))
    assert refused.value.reason == "QUOTE_EXPIRED"


def test_cancelling_late_pays_the_courier_in_full_and_early_costs_nothing() -> None:
    early, late = Bench(), Bench()
    for bench, wait in ((early, 60), (late, 121)):
        bench.assign()
        bench.wait(wait)
        bench.do(commands.CancelJob(job_id="job", client_id="ann"))
        assert bench.courier_state() == "FREE"
    assert not early.log[-1].job_cancelled.postings.legs
    assert late.market.state.couriers["bo"].shift_pay_minor_units == 500


def test_a_floor_tops_the_shift_up_and_names_its_arithmetic() -> None:
    chosen = policy.load("plain")
    chosen.floor.per_online_hour = 2100
    bench = Bench(chosen)
    bench.online()
    bench.wait(3600)
    bench.do(commands.GoOffline(courier_id="bo"))
    top_up = bench.log[-1].courier_offline.top_up
    assert top_up.minor_units == 2100
    assert top_up.rule == "online-hour floor: 2100 an hour x 3600 s online - 0 earned"


def test_a_repeated_request_changes_nothing_and_a_reused_id_is_refused() -> None:
    bench = Bench()
    request = call_by("ann", "1", 11)
    bench.do(commands.PlaceJob(request=request, job_id="job", client_id="ann", spec=spec()))
    assert bench.do(commands.PlaceJob(request=request, job_id="other", client_id="ann", spec=spec())) == []
    assert bench.market.subject(request) == "job"
    with pytest.raises(RequestReused):
        bench.do(commands.PlaceJob(request=call_by("ann", "1", 12), job_id="job", client_id="ann", spec=spec()))


def test_what_ended_is_forgotten_after_the_policys_memory() -> None:
    bench = Bench()
    bench.do(commands.PlaceJob(request=call_by("ann", "1"), job_id="job", client_id="ann", spec=spec()))
    asked = set(bench.market.state.requests)
    assert asked
    bench.do(commands.CancelJob(job_id="job", client_id="ann"))
    bench.now += 3601 * SECOND
    bench.place("next")
    assert "job" not in bench.market.state.jobs
    assert not bench.market.state.requests.keys() & asked


def test_a_job_is_rated_once_a_side_by_those_who_took_part() -> None:
    bench = Bench()
    bench.assign()
    for step in ("PICKED_UP", "COMPLETED"):
        bench.progress(step)

    def rate(rater_id: str, rater: str) -> None:
        bench.do(commands.RateJob(rating=rating_pb.Rating(job_id="job", rater=rater, rater_id=rater_id, stars=4)))

    rate("ann", "ACTOR_CLIENT")
    rate("bo", "ACTOR_COURIER")
    assert bench.market.state.ratings_of_couriers.rated["bo"].ratings == 1
    with pytest.raises(WrongState, match="rated the job already"):
        rate("ann", "ACTOR_CLIENT")
    with pytest.raises(NotYours):
        rate("eve", "ACTOR_CLIENT")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (commands.CancelJob(job_id="none", client_id="ann"), NotFound),
        (commands.CancelJob(job_id="job", client_id="eve"), NotYours),
        (commands.GoOffline(courier_id="none"), NotFound),
        (commands.TakeQuote(quote_id="job", client_id="ann"), WrongState),
        (commands.SetZones(geojson="{", operator_id="op"), InvalidField),
    ],
)
def test_an_impossible_command_is_refused_and_changes_nothing(command, error) -> None:
    bench = Bench()
    bench.place()
    before = bench.market.snapshot().SerializeToString(deterministic=True)
    with pytest.raises(error):
        bench.do(command)
    assert bench.market.snapshot().SerializeToString(deterministic=True) == before


def test_a_schedule_in_the_past_names_the_field() -> None:
    bench = Bench()
    with pytest.raises(InvalidField) as refused:
        bench.place(pickup_after=timestamp(bench.now - 3600 * SECOND))
    assert refused.value.field == "spec.pickup_after"


def test_a_courier_without_the_skill_is_not_asked() -> None:
    bench = Bench()
    bench.online("bo", HERE)
    bench.online("cy", THERE, skills=["wheelchair", "night"])
    bench.place(skills=["wheelchair"])
    assert bench.round()[1].offer_made.offer.courier_id == "cy"


def test_a_courier_comes_online_once_and_keeps_the_number() -> None:
    bench = Bench()
    bench.online()
    with pytest.raises(WrongState):
        bench.online()
    bench.do(commands.GoOffline(courier_id="bo"))
    bench.online("cy")
    bench.online("bo")
    assert bench.market.state.numbers == {"bo": 1, "cy": 2}


def test_a_solution_that_the_market_has_overtaken_makes_no_offer() -> None:
    from dispatcher.market import MovedCouriers
    from matching.solve import solve

    bench = Bench()
    bench.online()
    bench.place()
    opened = bench.market.problem(MovedCouriers.none(), bench.now)
    bench.do(commands.CancelJob(job_id="job", client_id="ann"))
    events = bench.market.settle(opened, solve(opened.problem), bench.now)
    assert [event.WhichOneof("body") for event in events] == ["round_settled"]
    assert events[0].round_settled.overtaken == 1


# Of each step that a courier can report: the steps before it, and the state of the job after it.
REPORTED = {
    "ARRIVED": ((), "AT_PICKUP"),
    "PICKED_UP": (("ARRIVED",), "PICKED_UP"),
    "COMPLETED": (("ARRIVED", "PICKED_UP"), "COMPLETED"),
    "FAILED": (("ARRIVED", "PICKED_UP"), "FAILED"),
    "NO_SHOW": (("ARRIVED",), "CANCELLED"),
}


def test_each_step_of_the_contract_that_a_courier_reports_moves_the_job() -> None:
    names = {name.removeprefix("PROGRESS_STEP_") for name in courier_pb.ProgressStep.keys()}  # noqa: SIM118 - an enum
    assert names - {"UNSPECIFIED"} == REPORTED.keys()
    for step, (before, after) in REPORTED.items():
        bench = Bench()
        bench.assign()
        for earlier in before:
            bench.progress(earlier)
        bench.wait(900)
        bench.progress(step)
        assert bench.state() == after, step
