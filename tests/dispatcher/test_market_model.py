"""Whatever people do and whenever, a market's invariants hold, and its log alone rebuilds it byte for byte."""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from dispatcher import commands
from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import decisions_of
from dispatcher.errors import DispatchError
from dispatcher.log.invariants import LogChecker
from dispatcher.market import Market, MovedCouriers, plans
from dispatcher.market.lifecycle import HELD, TERMINAL
from dispatcher.market.queue import needed_load
from dispatcher.pay.ledger_check import LedgerCheck
from dispatcher.policy import load
from dispatcher.times import SECOND, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from matching.solve import solve
from tests.kit import Bench, call_by, spec

REVIEWERS = st.sampled_from(["ria", "sam", "tia", "olu"])
COURIERS = st.sampled_from([f"courier-{index}" for index in range(6)])
NEAR = st.tuples(st.floats(40.74, 40.77), st.floats(-73.99, -73.96))
STEPS = st.sampled_from(["ARRIVED", "PICKED_UP", "COMPLETED", "FAILED", "NO_SHOW"])
CLOCKS = ("waiting", "to_pickup", "at_pickup", "with_job")


class MarketModel(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.checker = LogChecker()
        self.ledger = LedgerCheck()
        self.checked = 0
        self.count = 0

    def _try(self, command: commands.Command) -> None:
        with contextlib.suppress(DispatchError):
            self.bench.do(command)

    @initialize(
        policy=st.sampled_from(["plain", "shared", "prop22", "nyc-tlc", "fairwork"]),
        learned=st.booleans(),
        revise=st.booleans(),
    )
    def open(self, policy, learned, revise):
        chosen = load(policy)
        chosen.ClearField("notice_period")
        chosen.reviews.second_opinion_basis_points = 5000
        # Rules that find something soon, and a pay period that ends.
        for rule_ in chosen.standing.rules:
            rule_.min_count = 1
        if chosen.floor.HasField("engaged"):
            chosen.floor.engaged.period.seconds = 3600
        if revise:
            chosen.matching.commitment.revise_when_better_by.seconds = 30
        if learned:
            straight = policy_pb.StraightLineTravel(circuity=1.3, speeds_mps=[5.5])
            learns = policy_pb.LearnedTravel(straight_line=straight, resolution=8, prior_trips=5.0)
            chosen.travel.learned.CopyFrom(learns)
        self.bench = Bench(chosen)

    @rule(target=jobs, pickup=NEAR, dropoff=NEAR, quote=st.booleans(), later=st.sampled_from([0, 0, 300, 3000]))
    def ask(self, pickup, dropoff, quote, later):
        self.count += 1
        job_id = f"job-{self.count}"
        wanted = spec(pickup, dropoff, kind=1 + self.count % 2)
        if later:
            wanted.pickup_after.CopyFrom(timestamp(self.bench.now + later * SECOND))
        ask = commands.QuoteJob if quote else commands.PlaceJob
        self._try(ask(request=call_by("ann", job_id, self.count), job_id=job_id, client_id="ann", spec=wanted))
        return multiple(job_id)

    @rule(job=jobs)
    def take_quote(self, job):
        self._try(commands.TakeQuote(quote_id=job, client_id="ann"))

    @rule(job=consumes(jobs))
    def cancel(self, job):
        self._try(commands.CancelJob(job_id=job, client_id="ann"))

    @rule(courier=COURIERS, at=NEAR, vehicle=st.sampled_from([1, 4]))
    def go_online(self, courier, at, vehicle):
        online = courier_pb.GoOnline(
            profile=courier_pb.CourierProfile(vehicle_type=vehicle),
            position=types_pb2.Position(latitude=at[0], longitude=at[1]),
        )
        self._try(commands.GoOnline(courier_id=courier, online=online))

    @rule(courier=COURIERS)
    def go_offline(self, courier):
        self._try(commands.GoOffline(courier_id=courier))

    @rule(seconds=st.sampled_from([0, 1, 5, 19, 20, 60, 301, 1300, 4000]))
    def time_passes(self, seconds):
        self.bench.wait(seconds)

    @rule()
    def round(self):
        self.bench.round()

    @rule(courier=COURIERS, accept=st.booleans(), twice=st.booleans())
    def answer(self, courier, accept, twice):
        offers = [offer for offer in self.bench.market.state.offers.values() if offer.courier_id == courier]
        for offer in offers * (2 if twice else 1):
            answer = courier_pb.OfferAnswer(offer_id=offer.offer_id, answer=1 if accept else 2)
            self._try(commands.AnswerOffer(courier_id=courier, answer=answer))

    @rule(courier=COURIERS, step=STEPS, late_s=st.sampled_from([None, None, -100, 0, 7, 300, 5000, 90_000]))
    def progress(self, courier, step, late_s):
        """``late_s``: how long ago the step happened, by the device; None: it does not say."""
        held = self.bench.market.state.couriers.get(courier)
        if held is not None and held.plan:
            progress = courier_pb.Progress(job_id=held.plan[0].job_id, step=f"PROGRESS_STEP_{step}")
            if late_s is not None:
                progress.occurred_time.CopyFrom(timestamp(self.bench.now - late_s * SECOND))
            self._try(commands.ReportProgress(courier_id=courier, progress=progress))

    @rule(courier=COURIERS, what=st.sampled_from([commands.EndLostJobs, commands.RegainContact]))
    def contact(self, courier, what):
        """A phone falls silent, and later its jobs end or it is heard of again."""
        known = self.bench.market.state.couriers.get(courier)
        if known is None or not known.HasField("silent_since"):
            self._try(commands.LoseContact(courier_id=courier, last_heard_us=self.bench.now))
        else:
            self._try(what(courier_id=courier))

    @rule(job=jobs, courier=COURIERS, step=STEPS)
    def meddle(self, job, courier, step):
        with contextlib.suppress(DispatchError):
            self.bench.progress(step, job, courier)

    @rule(job=jobs, stars=st.integers(1, 5), by_client=st.booleans(), tags=st.sampled_from([(), ("app",), ("safety",)]))
    def rate(self, job, stars, by_client, tags):
        kept = self.bench.market.state.jobs.get(job)
        rater = "ann" if by_client or kept is None else kept.courier_id
        side = job_pb2.ACTOR_CLIENT if by_client else job_pb2.ACTOR_COURIER
        rating = rating_pb.Rating(job_id=job, rater=side, rater_id=rater, stars=stars, tags=tags)
        self._try(commands.RateJob(rating=rating))

    @rule(job=jobs)
    def tip(self, job):
        self._try(commands.AddTip(client_id="ann", job_id=job, minor_units=100))

    @rule()
    def tick(self):
        bench = self.bench
        if bench.market.surge_is_due(bench.now):
            bench.take(bench.market.tick_surge(MovedCouriers.none(), bench.now))

    @rule(data=st.data())
    def contest(self, data):
        """Any decision that anybody could contest."""
        found = [(event, key) for event in self.bench.log for key in decisions_of(event)]
        if found:
            event, key = data.draw(st.sampled_from(found))
            decision = explain(event, key.decision_id, key.person_id, self.bench.market.state.policy.standing)
            before = any(event.review_opened.review.decision_id == key.decision_id for event in self.bench.log)
            self._try(
                commands.ContestDecision(
                    person_id=key.person_id, decision=decision, statement="no", contested_before=before
                )
            )

    @rule(courier=COURIERS)
    def ask_about(self, courier):
        self._try(commands.OpenReview(operator_id="olu", subject_id=courier, statement="a complaint"))

    @rule(reviewer=REVIEWERS, overturn=st.booleans(), level=st.sampled_from([2, 4, 5]))
    def review(self, reviewer, overturn, level):
        state = self.bench.market.state
        self._try(commands.ClaimReview(reviewer_id=reviewer))
        held = next((kept for kept in state.reviews.values() if kept.claimed_by == reviewer), None)
        if held is not None:
            standing = held.kind == pb.REVIEW_KIND_STANDING
            outcome = pb.REVIEW_OUTCOME_OVERTURNED if overturn else pb.REVIEW_OUTCOME_UPHELD
            self._try(
                commands.DecideReview(
                    reviewer_id=reviewer,
                    review_id=held.review_id,
                    outcome=outcome,
                    reason="looked at it",
                    level=level if standing and not overturn else 0,
                    compensation_minor_units=50 if overturn else 0,
                )
            )

    @rule(policy=st.sampled_from(["plain", "prop22", "colorado"]), notice=st.sampled_from([0, 60]))
    def change_policy(self, policy, notice):
        chosen = load(policy)
        chosen.ClearField("notice_period")
        effective = self.bench.now + notice * SECOND
        self._try(commands.SetPolicy(policy=chosen, operator_id="olu", effective_us=effective))

    @rule()
    def solve_while_the_market_moves_on(self):
        """A solution comes back after couriers left and time passed."""
        bench = self.bench
        opened = bench.market.problem(MovedCouriers.none(), bench.now)
        if opened is None:
            return
        assignment = solve(opened.problem)
        for courier in list(bench.market.state.couriers)[::2]:
            self._try(commands.GoOffline(courier_id=courier))
        bench.wait(30)
        events = bench.market.settle(opened, assignment, bench.now)
        bench.market.apply(events)
        bench.log.extend(events)

    @invariant()
    def the_log_breaks_no_invariant(self):
        """One live offer and one courier a job, one job a courier, one end a job, postings that balance."""
        for event in self.bench.log[self.checked :]:
            assert list(self.checker.check(event)) == []
            assert list(self.ledger.check(event)) == []
            for key in decisions_of(event):
                assert explain(event, key.decision_id, key.person_id, policy_pb.StandingPolicy()).sentence
        self.checked = len(self.bench.log)

    @invariant()
    def jobs_and_couriers_agree(self):
        state = self.bench.market.state
        for courier_id, courier in state.couriers.items():
            for job_id in courier.job_ids:
                assert state.jobs[job_id].courier_id == courier_id
                assert state.jobs[job_id].state in HELD
            if courier.offer_id and courier.state == courier_pb.COURIER_STATE_OFFERED:
                assert state.offers[courier.offer_id].courier_id == courier_id
        for job_id, job in state.jobs.items():
            assert (job_id in state.queue) == (job.state == job_pb2.JOB_STATE_QUEUED)
            if job.state in TERMINAL:
                assert job.HasField("end_time")
            if job.state in HELD:
                assert job_id in state.couriers[job.courier_id].job_ids

    @invariant()
    def the_clocks_of_a_shift_add_up(self):
        """Whatever a courier does, and the running phase included, all time online goes into one phase."""
        state = self.bench.market.state
        for courier_id, courier in state.couriers.items():
            view = self.bench.market.courier_view(courier_id)
            if courier.state != courier_pb.COURIER_STATE_OFFLINE:
                spent = sum(getattr(view.shift, name).ToMicroseconds() for name in CLOCKS)
                assert spent == state.time_us - courier.online_time.ToMicroseconds()

    @invariant()
    def nobody_is_barred_but_by_a_human(self):
        for account in self.bench.market.state.accounts.values():
            if account.barred:
                assert account.change.decided_by
                assert account.change.reason

    @invariant()
    def plans_are_complete_and_capacity_is_never_exceeded(self):
        """Every job in hand is in the plan, picked up before it is dropped off; nobody ever carries too much."""
        state = self.bench.market.state
        for courier in state.couriers.values():
            expected = []
            for job_id in courier.job_ids:
                aboard = state.jobs[job_id].state == job_pb2.JOB_STATE_PICKED_UP
                expected += [(job_id, plans.DROPOFF)] + [(job_id, plans.PICKUP)] * (not aboard)
            stops = [(stop.job_id, stop.kind) for stop in courier.plan]
            assert sorted(stops) == sorted(expected)
            room = courier.profile.capacity
            aboard = {job_id for job_id in courier.job_ids if (job_id, plans.PICKUP) not in stops}
            for job_id, kind in [(None, None), *stops]:
                if kind == plans.PICKUP:
                    aboard.add(job_id)
                elif job_id is not None:
                    aboard.remove(job_id)
                loads = [needed_load(state.jobs[held].spec) for held in aboard]
                assert sum(load.persons for load in loads) <= room.persons
                assert sum(load.parcels for load in loads) <= room.parcels

    def teardown(self):
        """Same log in, same state out; and a snapshot in between changes nothing."""
        live = self.bench.market.snapshot().SerializeToString(deterministic=True)
        assert Market.fold(self.bench.log).snapshot().SerializeToString(deterministic=True) == live
        middle = len(self.bench.log) // 2
        if middle >= 2:
            resumed = Market.restore(Market.fold(self.bench.log[:middle]).snapshot())
            resumed.apply(self.bench.log[middle:])
            assert resumed.snapshot().SerializeToString(deterministic=True) == live


TestMarketModel = MarketModel.TestCase
TestMarketModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
