"""The market: decide commands, fold events, open and settle rounds. No I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from dispatcher import commands
from dispatcher.complete import complete
from dispatcher.errors import NotFound
from dispatcher.market import apply, plan_checks, requests, rounds, snapshot, unfilled, waits
from dispatcher.market.decide import (
    contact,
    contests,
    couriers,
    due,
    jobs,
    nudges,
    people,
    ratings,
    review_work,
    rules,
    surge,
    tips,
    zone_queues,
)
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.queue_views import queue_place
from dispatcher.market.round import MovedCouriers, Round
from dispatcher.market.set_aside import NOTHING, SetAside
from dispatcher.market.state import DueEntry, MarketState
from dispatcher.messages import copied
from dispatcher.times import duration
from geo.travel import TravelTime
from geo.units import E7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from matching.assignment import Assignment
from matching.problem import Problem

Event = events_pb.Event
Networks = Mapping[str, TravelTime]
NO_NETWORKS: Networks = {}
Decider = Callable[[MarketState, Any, int, Drafts], str]

_DECIDERS: dict[type[commands.Command], Decider] = complete(
    {
        commands.QuoteJob: jobs.quote,
        commands.PlaceJob: jobs.place,
        commands.TakeQuote: jobs.take_quote,
        commands.CancelJob: jobs.cancel,
        commands.RateJob: ratings.rate,
        commands.AddTip: tips.add_tip,
        commands.ContestDecision: contests.contest,
        commands.OpenReview: contests.open_by_operator,
        commands.ClaimReview: review_work.claim,
        commands.DecideReview: review_work.decide,
        commands.ErasePerson: people.erase,
        commands.CompleteErasure: people.complete_erasure,
        commands.NoteAccess: people.note_access,
        commands.GoOnline: couriers.go_online,
        commands.GoOffline: couriers.go_offline,
        commands.AnswerOffer: couriers.answer_offer,
        commands.ReportProgress: couriers.report_progress,
        commands.SetPolicy: rules.set_policy,
        commands.SetZones: rules.set_zones,
        commands.SetBlock: rules.set_block,
        commands.SetDestination: couriers.set_destination,
        commands.NoteClock: couriers.note_clock,
        commands.ObserveQueues: zone_queues.observe,
        commands.LoseContact: contact.lose,
        commands.RegainContact: contact.regain,
        commands.EndLostJobs: contact.end_lost_jobs,
        commands.CheckDue: due.check,
    },
    commands.COMMANDS,
    "deciders of commands",
)


class Market:
    """A deterministic state machine. Times are integer microseconds of the market's clock, passed in.

    ``decide`` and ``settle`` return events and change nothing; ``apply`` folds events and cannot refuse them.
    """

    def __init__(self, state: MarketState | None = None) -> None:
        self.state = state if state is not None else MarketState()

    @classmethod
    def restore(cls, saved: snapshot_pb.MarketSnapshot, networks: Networks = NO_NETWORKS) -> Market:
        return cls(snapshot.restore(saved, networks))

    @classmethod
    def new(cls, networks: Networks = NO_NETWORKS) -> Market:
        """A market without a log. ``networks``: road networks that its policy may name."""
        return cls(MarketState(networks=networks))

    @classmethod
    def fold(cls, events: Iterable[Event], networks: Networks = NO_NETWORKS) -> Market:
        market = cls.new(networks)
        market.apply(events)
        return market

    def opening(
        self, market_id: str, policy: policy_pb.Policy, now_us: int, zones_geojson: str = "", *, secret: bytes
    ) -> list[Event]:
        """Return the first events of a new market. ``secret``: ids.SECRET_BYTES that key its hashes."""
        drafts = Drafts(self.state, now_us)
        drafts.add(market_opened=events_pb.MarketOpened(market_id=market_id, secret=secret))
        rules.set_policy(self.state, commands.SetPolicy(policy=policy, operator_id="opening"), now_us, drafts)
        if zones_geojson:
            rules.set_zones(self.state, commands.SetZones(geojson=zones_geojson, operator_id="opening"), now_us, drafts)
        return drafts.events

    def resuming(self, now_us: int, *, secret: bytes) -> list[Event]:
        """Return the event of a market that is served again: what its people met meanwhile was not their doing.

        ``secret``: for a market that an earlier version opened without one; every other market keeps its own.
        """
        drafts = Drafts(self.state, now_us)
        away = duration(max(now_us - self.state.time_us, 0))
        drafts.add(market_resumed=events_pb.MarketResumed(away=away, secret=b"" if self.state.secret else secret))
        return drafts.events

    @property
    def sequence(self) -> int:
        """Of the last event folded."""
        return self.state.sequence

    def subject(self, request: commands.Request | None) -> str | None:
        """What an earlier call with this request was about, or None. Raises RequestReused on other content."""
        kept = None if request is None else requests.kept_request(self.state, request)
        return None if kept is None else kept.request.subject_id

    def sequence_of(self, request: commands.Request) -> int:
        """Return the sequence of the event that carries this request. Raises NotFound before the call is applied."""
        kept = requests.kept_request(self.state, request)
        if kept is None:
            raise NotFound("request", request.name[-1])
        return kept.sequence

    def decide(self, command: commands.Command, now_us: int) -> list[Event]:
        """The events of a command; none if it is a repetition. Raises a DispatchError where it is refused."""
        if self.subject(command.request) is not None:
            return []
        drafts = Drafts(self.state, now_us)
        subject = _DECIDERS[type(command)](self.state, command, now_us, drafts)
        drafts.sign(command, subject)
        return drafts.events

    def apply(self, events: Iterable[Event]) -> None:
        for event in events:
            apply.apply(self.state, event)

    def problem(self, moved: MovedCouriers, now_us: int, set_aside: SetAside = NOTHING) -> Round | None:
        """The round to solve now, or None where no job waits or no courier is free."""
        return rounds.open_round(self.state, moved, now_us, set_aside)

    def settle(
        self, round_: Round, assignment: Assignment, now_us: int, unfillable: Collection[int] = ()
    ) -> list[Event]:
        """The round's events: the round itself and its offers, but for those of the ``unfillable`` edges."""
        drafts = Drafts(self.state, now_us)
        rounds.settle_round(self.state, round_, assignment, now_us, drafts, unfillable)
        return drafts.events

    def unfilled(self, round_: Round, assignment: Assignment, now_us: int) -> list[unfilled.Unfilled]:
        """Return the chosen pairs whose offers cannot be made, for a round that fails to settle. Changes nothing."""
        return unfilled.unfilled(self.state, round_, assignment, now_us)

    def surge_is_due(self, now_us: int) -> bool:
        """Whether the policy has surge, and its next tick is due."""
        return surge.is_due(self.state, now_us)

    def tick_surge(self, moved: MovedCouriers, now_us: int, set_aside: SetAside = NOTHING) -> list[Event]:
        """Return a tick's events: nudges by the multipliers in force, and new multipliers by demand and supply."""
        drafts = Drafts(self.state, now_us)
        nudges.update(self.state, moved, now_us, drafts, set_aside)
        surge.update(self.state, moved, now_us, drafts, set_aside)
        return drafts.events

    def counted_in_surge(self) -> SetAside:
        """Return everything that the next surge tick would count, for a tick that fails."""
        return surge.counted_in(self.state)

    def check_plan(
        self, courier_id: str, stops: Sequence[job_pb.PlanStop], moved: MovedCouriers, now_us: int
    ) -> oversight_pb.CheckPlanResponse:
        """What a proposed plan would break, and by how much. Changes nothing."""
        return plan_checks.check(self.state, courier_id, stops, moved, now_us)

    def explain_wait(
        self, job_id: str, moved: MovedCouriers, now_us: int, set_aside: SetAside = NOTHING
    ) -> transparency_pb.ExplainWaitResponse:
        """Which constraint keeps how many couriers from a job that waits. Changes nothing."""
        return waits.explain_wait(self.state, job_id, moved, now_us, set_aside)

    def problem_of_pair(self, job_id: str, courier_id: str, moved: MovedCouriers, now_us: int) -> Problem:
        """One job and one courier alone, as a round would see them."""
        return waits.problem_of_pair(self.state, job_id, courier_id, moved, now_us)

    def next_due(self, skip: Collection[tuple[int, str]] = ()) -> int | None:
        """Market time of the next time-out or expiry but for those to skip."""
        return self.state.next_due(skip)

    def due_by(self, now_us: int) -> list[DueEntry]:
        """Return what is due by now, earliest first, with the entries that cannot be checked against the state."""
        return self.state.due_by(now_us, lenient=True)

    def courier_view(self, courier_id: str) -> courier_pb.Courier:
        """A copy of the courier's record with the position that is on the log."""
        view = copied(self.state.courier(courier_id))
        number = self.state.numbers[courier_id]
        view.position.latitude = int(self.state.columns.latitude_e7[number]) / E7
        view.position.longitude = int(self.state.columns.longitude_e7[number]) / E7
        clock = self.state.clocks[courier_id]
        view.shift.CopyFrom(clock.view(view.state, max(self.state.time_us, clock.since_us)))
        zone = self.state.queue_zone_of.get(courier_id)
        if zone is not None:
            view.queue.CopyFrom(queue_place(zone, courier_id, self.state.zone_queues[zone]))
        return view

    def snapshot(self) -> snapshot_pb.MarketSnapshot:
        return snapshot.save(self.state)
