"""A policy that is accepted never makes a round, a tick, a price, a score or a statement fail, for any values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy, policy_document
from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import decisions_of
from dispatcher.errors import DispatchError, PolicyError
from dispatcher.log.lookups import PayLine
from dispatcher.market import Market, MovedCouriers
from dispatcher.measures import Measures
from dispatcher.times import SECOND
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from load_tests.contract.fields import FieldPath, paths_of
from load_tests.contract.rules import choices_of, is_required, range_of
from load_tests.fuzz.sound import square
from services.rpc.statement import Worked, phases_of, statement
from tests.kit import HERE, START, Bench

FAR = (40.80, -73.94)
ROOMY = types_pb2.Load(persons=4, parcels=8, weight_grams=200_000)
COURIERS = ("bo", "cy", "di")
# The queue zone lies around the pickup, the other one around the drop-off.
ZONES = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            square(-73.99, 40.74, 0.02, "rank", "queue"),
            square(-73.95, 40.79, 0.02, "rush", "surge_override"),
        ],
    }
)


def full_policy() -> policy_pb.Policy:
    """A policy in which every part is present, so that every field has an effect."""
    found = policy.load("city")
    found.matching.CopyFrom(policy.load("shared").matching)
    found.matching.forward.horizon.seconds = 600
    found.matching.commitment.revise_when_better_by.seconds = 60
    found.matching.promise.allowance.seconds = 600
    found.matching.promise.ride_detour_share = 0.5
    found.floor.engaged.CopyFrom(policy.load("prop22").floor.engaged)
    del found.floor.per_job[:]
    found.floor.per_job.extend(policy.load("nyc-tlc").floor.per_job)
    found.queues.no_shows = 2
    found.surge.emergency_caps.add(cap_percent=200, reason="a storm").start_time.seconds = START // SECOND
    found.ratings.exclusions.outage.seconds = 60
    return policy.checked(found)


FULL = full_policy()


def _values(path: FieldPath) -> Iterator[Any]:
    """The ends of a field's bounds, every choice of an enum, or None for absent."""
    field = path.last
    if field.message_type is not None and not is_required(field):
        yield None
    if field.type == FieldDescriptor.TYPE_BOOL:
        yield from (False, True)
    elif field.enum_type is not None:
        yield from choices_of(field)
    elif (span := range_of(field)) is not None:
        yield from (span.low, span.high)


def _is_ruled(path: FieldPath) -> bool:
    """Of the fields that the market reads as a number, a time, a choice."""
    return path.last.type != FieldDescriptor.TYPE_STRING and path.name not in ("version", "fares.kind", "pays.kind")


PATHS = [path for path in paths_of(policy_pb.Policy.DESCRIPTOR) if _is_ruled(path)]
CHANGES = [(path, value) for path in PATHS for value in _values(path)]
MODELS = ("straight_line", "learned", "planar")


def _changed(chosen: policy_pb.Policy, path: FieldPath, value: Any) -> None:
    if value is None:
        path.holder(chosen).ClearField(path.last.name)
    else:
        path.set(chosen, [value] if path.last.is_repeated else value)


def _checked(changes: list[tuple[FieldPath, Any]]) -> policy_pb.Policy | None:
    """The full policy with other values, or None where the whole makes no sense."""
    chosen = policy_pb.Policy()
    chosen.CopyFrom(FULL)
    for path, value in changes:
        _changed(chosen, path, value)
    travel = chosen.travel
    if travel.HasField("roads"):
        return None  # the market needs the network
    if travel.HasField("planar"):
        chosen.ClearField("surge")
        chosen.ClearField("nudges")
        travel.planar.metres_per_minute = travel.planar.metres_per_minute or 300.0
    if travel.HasField("learned"):
        if not travel.learned.straight_line.speeds_mps:
            travel.learned.straight_line.speeds_mps.append(5.0)
        travel.learned.straight_line.circuity = travel.learned.straight_line.circuity or 1.2
        travel.learned.resolution = travel.learned.resolution or 8
        travel.learned.prior_trips = travel.learned.prior_trips or 1.0
    try:
        return policy.checked(chosen)
    except PolicyError:
        return None


class Day:
    """A market's day under a policy: everything that a policy's numbers take part in."""

    def __init__(self, chosen: policy_pb.Policy) -> None:
        self.bench = Bench(chosen, ZONES)
        self.kinds = [tariff.kind for tariff in chosen.fares]
        self.refused: list[str] = []

    def try_(self, command: commands.Command) -> list[events_pb.Event]:
        """Refusals are answers; anything else that is raised is a failure."""
        try:
            return self.bench.do(command)
        except DispatchError as fault:
            self.refused.append(fault.reason)
            return []

    def live(self, then: policy_pb.Policy | None = None) -> None:
        """``then``: the policy of the day's second half, which begins with jobs in every state."""
        self._begin()
        for number in range(2):
            self._rounds()
            if number and then is not None:
                notice_s = self.bench.market.state.policy.notice_period.seconds
                self.try_(commands.SetPolicy(policy=then, operator_id="olu"))
                self.bench.wait(notice_s + 1)
                assert self.bench.market.state.policy.version == 2 or "CAP_TOO_FAR" in self.refused
                self._rounds()
            self._progress()
            self._rate(number)
            self._tick()
            self.bench.wait(3600)
        self._review()
        self._end()
        self._account()

    def _begin(self) -> None:
        for index, courier in enumerate(COURIERS):
            spot = (HERE[0] + index * 0.002, HERE[1])
            try:
                self.bench.online(courier, spot, capacity=ROOMY)
            except DispatchError as fault:
                self.refused.append(fault.reason)
        self._place("a")

    def _place(self, prefix: str) -> None:
        for index in range(4):
            kind = self.kinds[index % len(self.kinds)]
            spots = {"pickup": HERE if index < 2 else FAR, "dropoff": FAR if index < 2 else HERE}
            try:
                self.bench.place(f"{prefix}{index}", f"ann{index}", kind=kind, **spots)
            except DispatchError as fault:
                self.refused.append(fault.reason)

    def _rounds(self) -> None:
        for _ in range(2):
            for event in self.bench.round():
                if event.HasField("offer_made"):
                    offer = event.offer_made.offer
                    try:
                        self.bench.answer(offer.offer_id, offer.courier_id)
                    except DispatchError as fault:
                        self.refused.append(fault.reason)
            self.bench.wait(5)

    def _progress(self) -> None:
        for courier in COURIERS:
            held = self.bench.market.state.couriers.get(courier)
            for job_id in list(held.job_ids) if held is not None else ():
                for step, seconds in (("ARRIVED", 400), ("PICKED_UP", 900), ("COMPLETED", 0)):
                    try:
                        self.bench.progress(step, job_id, courier)
                    except DispatchError as fault:
                        self.refused.append(fault.reason)
                    self.bench.wait(seconds)

    def _rate(self, number: int) -> None:
        for job in list(self.bench.market.state.jobs.values()):
            if job.state == job_pb2.JOB_STATE_COMPLETED:
                for rater, rater_id in ((job_pb2.ACTOR_CLIENT, job.client_id), (job_pb2.ACTOR_COURIER, job.courier_id)):
                    rating = rating_pb.Rating(job_id=job.job_id, rater=rater, rater_id=rater_id, stars=1 + 4 * number)
                    self.try_(commands.RateJob(rating=rating))
                self.try_(commands.AddTip(client_id=job.client_id, job_id=job.job_id, minor_units=1_000_000_000))
            elif job.state == job_pb2.JOB_STATE_QUEUED:
                self.try_(commands.CancelJob(job_id=job.job_id, client_id=job.client_id))
        self._place(f"b{number}")

    def _tick(self) -> None:
        bench = self.bench
        for _ in range(2):
            if bench.market.surge_is_due(bench.now):
                bench.take(bench.market.tick_surge(MovedCouriers.none(), bench.now))
            bench.wait(120)

    def _review(self) -> None:
        self.try_(commands.OpenReview(operator_id="olu", subject_id="bo", statement="a complaint"))
        for reviewer in ("ria", "rex", "ray"):
            for event in self.try_(commands.ClaimReview(reviewer_id=reviewer)):
                decided = commands.DecideReview(
                    reviewer_id=reviewer,
                    review_id=event.review_claimed.review_id,
                    outcome=2,
                    reason="heard both sides",
                )
                self.try_(decided)

    def _end(self) -> None:
        bench = self.bench
        for courier in COURIERS:
            self.try_(commands.GoOffline(courier_id=courier))
        bench.wait(30 * 86_400)
        bench.round()
        self.try_(commands.SetPolicy(policy=bench.market.state.policy, operator_id="olu"))
        state = bench.market.state
        for book in (state.ratings_of_couriers, state.ratings_of_clients):
            for person in book.rated:
                assert np.isfinite(book.score(person, bench.now / SECOND, state.score_rules))

    def _account(self) -> None:
        """Compute everything that reports on the day from its log."""
        bench, measures = self.bench, Measures()
        for event in bench.log:
            measures.fold(event)
            for key in decisions_of(event):
                explain(event, key.decision_id, key.person_id, bench.market.state.policy.standing)
        statement_of(bench)
        policy_document.markdown(bench.market.state.policy)
        again = Market.fold(bench.log)
        assert again.snapshot() == bench.market.snapshot()


def statement_of(bench: Bench) -> pay_pb.GetStatementResponse:
    """The statement of a courier, from the log's postings."""
    at = datetime.fromtimestamp(bench.now / SECOND, UTC)
    lines = [
        PayLine(event.sequence, at, "", "", leg.line, leg.minor_units, body.postings.currency_code, leg.rule)
        for event in bench.log
        if "postings" in (body := getattr(event, event.WhichOneof("body"))).DESCRIPTOR.fields_by_name
        for leg in body.postings.legs
        if leg.account == types_pb2.ACCOUNT_COURIER and leg.holder_id == "bo"
    ]
    jobs = [job for job in bench.market.state.jobs.values() if job.courier_id == "bo"]
    phases = phases_of(jobs[0]) if jobs else {1: timedelta(seconds=1)}
    return statement(Worked(lines, jobs, phases, []), "USD")


def test_the_day_is_one_in_which_things_happen() -> None:
    """Else the tests below would prove nothing."""
    day = Day(FULL)
    day.live()
    bodies = {event.WhichOneof("body") for event in day.bench.log}
    assert bodies >= {"round_settled", "offer_made", "job_completed", "job_rated", "tip_added", "surge_updated"}
    assert bodies >= {"review_opened", "review_decided", "courier_offline"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("end", [0, -1], ids=["least", "most"])
def test_all_values_at_one_end_of_their_bounds_at_once(end: int, model: str) -> None:
    changes = [(path, values[end]) for path in PATHS if (values := [v for v in _values(path) if v is not None])]
    of_model = f"travel.{model}."
    kept = [(path, value) for path, value in changes if path.name.startswith(of_model) or "travel." not in path.name]
    chosen = _checked([*kept, *_repairs()])
    assert chosen is not None
    Day(chosen).live()


def _repairs() -> list[tuple[FieldPath, Any]]:
    """What cannot be at its end together with the others."""
    wanted = {
        "matching.sharing.jobs_per_courier": 12,
        "surge.additive_minor_units": 1_000_000_000,
        "standing.declines_may_count": True,
        "privacy.expire_after": None,
        "surge.emergency_caps.end_time": None,
    }
    return [(path, wanted[path.name]) for path in PATHS if path.name in wanted]


@settings(max_examples=30, deadline=None)
@given(picked=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=12))
def test_values_at_the_ends_of_their_bounds_alone_and_together(picked) -> None:
    chosen = _checked(picked)
    assume(chosen is not None)
    Day(chosen).live()


@settings(max_examples=25, deadline=None)
@given(picked=st.lists(st.sampled_from(CHANGES), max_size=8), then=st.lists(st.sampled_from(CHANGES), max_size=8))
def test_a_market_lives_on_when_its_policy_changes_to_any_other(picked, then) -> None:
    before, after = _checked(picked), _checked(then)
    assume(before is not None)
    assume(after is not None)
    Day(before).live(after)


# What earlier versions accepted and this one refuses: their logs hold it, and it stays in force.
EARLIER: list[tuple[str, tuple[float | None, ...]]] = [
    ("ratings.half_life", (None, 0.0, -1.0, 1e-9, 1e15)),
    ("floor.engaged.period", (None,)),
    ("surge.tick", (None,)),
    ("surge.half_life", (1e-9,)),
    ("matching.batch_window", (None,)),
    ("matching.max_reach", (1e-9,)),
    ("matching.solve_limit", (1e-9,)),
    ("offers.time_to_answer", (None,)),
    ("jobs.max_wait", (None, 1e-9)),
    ("jobs.quote_validity", (None, 1e-9)),
    ("jobs.memory", (None,)),
    ("jobs.tip_window", (1e-9,)),
    ("ratings.window", (1e-9,)),
    ("reviews.answer_within", (1e-9,)),
    ("nudges.valid_for", (1e-9,)),
]


@pytest.mark.parametrize(
    ("name", "seconds"), [(name, seconds) for name, values in EARLIER for seconds in values], ids=str
)
def test_a_market_lives_on_with_what_earlier_versions_accepted(name: str, seconds: float | None) -> None:
    chosen = policy_pb.Policy()
    chosen.CopyFrom(FULL)
    *parents, field = name.split(".")
    part: Any = chosen
    for parent in parents:
        part = getattr(part, parent)
    part.ClearField(field)
    if seconds is not None:
        whole = int(seconds)
        getattr(part, field).seconds, getattr(part, field).nanos = whole, round((seconds - whole) * 1e9)
        getattr(part, field).SetInParent()
    day = Day(chosen)
    day.live()
    assert Market.fold(day.bench.log).sequence == len(day.bench.log)
