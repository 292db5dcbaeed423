"""This project's own event log as a trace: what clients asked for, when couriers were there, and what they answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dispatcher.log.files import LogFileError, read_log
from dispatcher.occurred import event_occurred_us
from dispatcher.times import SECOND, micros, set_time
from geo.units import from_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.traces.columns import BATCH_ROWS
from load_tests.traces.errors import TraceError
from load_tests.traces.schema import Tally, offers_table, requests_table, shifts_table
from load_tests.traces.source import About, Choices, Plane, ReportRows, Source

KINDS = {types_pb.JOB_KIND_RIDE: "ride", types_pb.JOB_KIND_DELIVERY: "delivery"}
VEHICLE_NAMES = {
    value: name.removeprefix("VEHICLE_TYPE_").lower()
    for name, value in types_pb.VehicleType.items()
    if value != types_pb.VEHICLE_TYPE_UNSPECIFIED
}
OUTCOMES = {value: name.removeprefix("OFFER_OUTCOME_").lower() for name, value in courier_pb.OfferOutcome.items()}
Rows = dict[str, list[Any]]


class EventLogFormat:
    name = "log"
    title = "an event log of this project, as gig log export writes it"
    mapping = """\
Each job that was placed is a request, whose recorded_ columns say how it went: assign, arrive, pickup and end times,
the fare with what waiting added, the pay, the tip, and the courier who had it last. Quotes that nobody took are
dropped, and said so. Each time online is a shift, from the place where it began; one that the log does not see end,
ends with the log. Each offer is kept with its outcome, the pay that it named, and how long the courier had been
free."""

    needed: tuple[str, ...] = ()

    def names_in(self, path: Path) -> set[str]:  # noqa: ARG002 - it is no table
        return set()

    def recognises(self, path: Path) -> bool:
        return path.is_file() and path.name.endswith((".log", ".log.gz"))

    def open(self, path: Path, choices: Choices, report: ReportRows) -> Source:  # noqa: ARG002 - it names no zones
        log = _Log(path, report)
        return Source(log.about(), log.batches(), log.tally, log.shifts, log.offers)


@dataclass(slots=True)
class _Shift:
    online_us: int
    latitude: float
    longitude: float
    vehicle: str


@dataclass(slots=True)
class _Offer:
    offer: offer_pb.Offer
    waited_s: float


@dataclass(slots=True)
class _Log:
    path: Path
    report: ReportRows
    tally: Tally = field(default_factory=Tally)
    live: dict[str, job_pb.Job] = field(default_factory=dict)
    ready: dict[str, job_pb.Job] = field(default_factory=dict)
    quoted: set[str] = field(default_factory=set)
    online: dict[str, _Shift] = field(default_factory=dict)
    free_us: dict[str, int] = field(default_factory=dict)
    open: dict[str, _Offer] = field(default_factory=dict)
    now_us: int = 0
    # Events that a repair of the log skipped.
    skipped: int = 0
    _shifts: Rows = field(default_factory=dict)
    _offers: Rows = field(default_factory=dict)

    def about(self) -> About:
        """From the first events, which name the market and its policy."""
        market_id, policy = "", policy_pb.Policy()
        for event in self._events():
            if event.HasField("market_opened"):
                market_id = event.market_opened.market_id
            if event.HasField("policy_set"):
                policy = event.policy_set.policy
                break
        planar = policy.travel.planar if policy.travel.HasField("planar") else None
        plane = None
        if planar is not None:
            spans = (planar.round_up_to, planar.pickup_service, planar.dropoff_service)
            plane = Plane(planar.metres_per_minute, *(micros(span) / SECOND for span in spans))
        source = f"the event log of market {market_id!r}"
        return About(
            market_id or self.path.stem,
            EventLogFormat.name,
            source,
            policy.currency_code or "USD",
            plane=plane,
            shifts_recorded=True,
        )

    def batches(self) -> Iterator[pa.Table]:
        handlers: dict[str, Callable[[Any], None]] = {
            "job_quoted": self._job_quoted,
            "job_placed": self._job_placed,
            "job_queued": lambda _body: None,
            "job_expired": lambda body: self._end(body.job_id, "expired"),
            "job_cancelled": self._job_cancelled,
            "job_failed": lambda body: self._end(body.job_id, "failed"),
            "job_completed": self._job_completed,
            "job_released": self._job_released,
            "courier_arrived": self._courier_arrived,
            "job_picked_up": self._job_picked_up,
            "tip_added": self._tip_added,
            "offer_made": self._offer_made,
            "offer_answered": self._offer_answered,
            "courier_online": self._courier_online,
            "courier_offline": self._courier_offline,
            "event_skipped": self._event_skipped,
            "subject_quarantined": self._subject_quarantined,
        }
        for count, event in enumerate(self._events()):
            name = event.WhichOneof("body")
            self.now_us = event_occurred_us(event, name)
            if name in handlers:
                try:
                    handlers[name](getattr(event, name))
                except (LookupError, ValueError, StopIteration) as fault:
                    if self.skipped:
                        # It may follow from an event that a repair skipped.
                        continue
                    # As of a job that was never placed.
                    reason = f"{type(fault).__name__}: {fault}"
                    raise TraceError(
                        f"{self.path}: event {event.sequence} does not fit those before it ({reason})"
                    ) from fault
            if count % 10_000 == 0:
                self.report(count, 0)
            if len(self.ready) >= BATCH_ROWS:
                yield self._table()
        self.ready |= self.live
        self.live.clear()
        for courier_id in list(self.online):
            self._close(courier_id)
        self.tally.rows += len(self.quoted)
        self.tally.drop("a quote that nobody took", len(self.quoted))
        if self.ready:
            yield self._table()

    def shifts(self) -> pa.Table:
        return shifts_table(self._shifts)

    def offers(self) -> pa.Table:
        return offers_table(self._offers)

    def _events(self) -> Iterator[events_pb.Event]:
        try:
            yield from read_log(self.path)
        except LogFileError as fault:
            raise TraceError(str(fault)) from fault

    # --- jobs

    def _job_quoted(self, body: events_pb.JobQuoted) -> None:
        self.quoted.add(body.job.job_id)

    def _job_placed(self, body: events_pb.JobPlaced) -> None:
        if body.job.spec.kind not in KINDS:
            raise ValueError(f"job {body.job.job_id!r} is of no kind that there is")
        self.quoted.discard(body.job.job_id)
        self.live[body.job.job_id] = body.job
        self.tally.rows += 1

    def _job_released(self, body: events_pb.JobReleased) -> None:
        job = self.live[body.job_id]
        job.courier_id = ""
        for passed in ("assign_time", "arrive_time"):
            job.ClearField(passed)
        self.free_us[body.courier_id] = self.now_us

    def _courier_arrived(self, body: events_pb.CourierArrived) -> None:
        set_time(self.live[body.job_id].arrive_time, self.now_us)

    def _job_picked_up(self, body: events_pb.JobPickedUp) -> None:
        job = self.live[body.job_id]
        set_time(job.pickup_time, self.now_us)
        job.fare.total.minor_units += body.fare_waiting.minor_units
        job.pay.total.minor_units += body.pay_waiting.minor_units

    def _job_completed(self, body: events_pb.JobCompleted) -> None:
        self.live[body.job_id].pay.total.minor_units += body.top_up.minor_units
        self.free_us[body.courier_id] = self.now_us
        self._end(body.job_id, "completed")

    def _job_cancelled(self, body: events_pb.JobCancelled) -> None:
        if body.courier_id:
            self.free_us[body.courier_id] = self.now_us
        self._end(body.job_id, "cancelled")

    def _end(self, job_id: str, state: str) -> None:
        self.quoted.discard(job_id)
        job = self.live.pop(job_id, None)
        if job is not None:  # else a quote that was never taken
            job.end_reason = state
            set_time(job.end_time, self.now_us)
            self.ready[job_id] = job

    def _event_skipped(self, _body: events_pb.EventSkipped) -> None:
        self.skipped += 1

    def _subject_quarantined(self, body: events_pb.SubjectQuarantined) -> None:
        for one in body.jobs:
            if one.courier_id:
                self.free_us[one.courier_id] = self.now_us
            if one.ended:
                self._end(one.job_id, "cancelled")
            elif one.job_id in self.live:
                self.live[one.job_id].courier_id = ""

    def _tip_added(self, body: events_pb.TipAdded) -> None:
        """Tips come after the end: those of jobs that were handed on already are not seen any more."""
        if body.job.job_id in self.ready:
            self.ready[body.job.job_id].money.CopyFrom(body.job.money)

    def _table(self) -> pa.Table:
        jobs = list(self.ready.values())
        self.ready.clear()
        done = [job.end_reason == "completed" for job in jobs]
        columns: Rows = {
            "request_id": [job.job_id for job in jobs],
            "kind": [KINDS[job.spec.kind] for job in jobs],
            "client_id": [job.client_id for job in jobs],
            "request_time": [micros(job.place_time) for job in jobs],
            "pickup_after": [
                micros(job.spec.pickup_after) if job.spec.HasField("pickup_after") else None for job in jobs
            ],
            "persons": [job.spec.load.persons for job in jobs],
            "recorded_courier_id": [job.courier_id or None for job in jobs],
            "recorded_state": [job.end_reason or None for job in jobs],
            "recorded_distance_m": [float(job.trip_distance_metres) for job in jobs],
            "recorded_fare_minor": [
                job.fare.total.minor_units if ok else None for ok, job in zip(done, jobs, strict=True)
            ],
            "recorded_pay_minor": [
                job.pay.total.minor_units if ok else None for ok, job in zip(done, jobs, strict=True)
            ],
            "recorded_tip_minor": [job.money.tip_minor_units for job in jobs],
        }
        for name, stamp in (
            ("recorded_assign_time", "assign_time"),
            ("recorded_arrive_time", "arrive_time"),
            ("recorded_pickup_time", "pickup_time"),
            ("recorded_end_time", "end_time"),
        ):
            columns[name] = [micros(getattr(job, stamp)) if job.HasField(stamp) else None for job in jobs]
        columns["recorded_dropoff_time"] = _if(done, columns["recorded_end_time"])
        for end in ("pickup", "dropoff"):
            for axis in ("latitude", "longitude"):
                columns[f"{end}_{axis}"] = [getattr(getattr(job.spec, end).position, axis) for job in jobs]
        return requests_table(columns)

    # --- couriers

    def _courier_online(self, body: events_pb.CourierOnline) -> None:
        self.free_us[body.courier_id] = self.now_us
        vehicle = VEHICLE_NAMES.get(body.profile.vehicle_type, "car")
        self.online[body.courier_id] = _Shift(
            self.now_us, from_e7(body.latitude_e7), from_e7(body.longitude_e7), vehicle
        )

    def _courier_offline(self, body: events_pb.CourierOffline) -> None:
        self._close(body.courier_id)

    def _close(self, courier_id: str) -> None:
        shift = self.online.pop(courier_id)
        if shift.online_us < self.now_us:
            row = (courier_id, shift.online_us, self.now_us, shift.latitude, shift.longitude, shift.vehicle)
            _append(self._shifts, SHIFT_NAMES, row)

    def _offer_made(self, body: events_pb.OfferMade) -> None:
        offer = body.offer
        waited = (self.now_us - self.free_us.get(offer.courier_id, self.now_us)) / SECOND
        self.open[offer.offer_id] = _Offer(offer, waited)

    def _offer_answered(self, body: events_pb.OfferAnswered) -> None:
        known = self.open.pop(body.offer_id)
        offer = known.offer
        if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED:
            for job_id in body.job_ids:
                job = self.live[job_id]
                job.courier_id = body.courier_id
                set_time(job.assign_time, self.now_us)
                pay = next(offered.pay for offered in offer.jobs if offered.job_id == job_id)
                job.pay.CopyFrom(pay)
        outcome = OUTCOMES[body.outcome]
        answered = self.now_us if outcome in ("accepted", "declined") else None
        row = (
            body.offer_id,
            body.courier_id,
            body.job_ids[0],
            micros(offer.make_time),
            answered,
            outcome,
            offer.pay.minor_units,
            micros(offer.pickup_duration) / SECOND,
            sum(micros(offered.trip_duration) for offered in offer.jobs) / SECOND,
            known.waited_s,
        )
        _append(self._offers, OFFER_NAMES, row)


SHIFT_NAMES = ("courier_id", "online_time", "offline_time", "latitude", "longitude", "vehicle")
OFFER_NAMES = (
    "offer_id",
    "courier_id",
    "job_id",
    "make_time",
    "answer_time",
    "outcome",
    "pay_minor",
    "pickup_s",
    "trip_s",
    "waited_s",
)


def _if(done: list[bool], values: list[Any]) -> list[Any]:
    return [value if yes else None for yes, value in zip(done, values, strict=True)]


def _append(rows: Rows, names: tuple[str, ...], row: tuple[Any, ...]) -> None:
    for name, value in zip(names, row, strict=True):
        rows.setdefault(name, []).append(value)
