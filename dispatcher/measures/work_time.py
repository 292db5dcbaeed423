"""What couriers' time goes into: phases of work, commanded time, unpaid time, spells of waiting, long days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dispatcher.measures.histogram import Histogram
from dispatcher.measures.records import P1, P2, P3, CourierRecord, LiveJob
from dispatcher.times import SECOND

HOUR_US = 3600 * SECOND
HOURS = 24
LONG_DAYS_H = (8, 10, 12)


@dataclass(slots=True)
class Sums:
    """Microseconds. ``phases_us``: online, by phase; ``with_offer_us``: with an open offer; ``commanded_us``: of P1,
    the time inside an offer window or in a queue; ``waiting_us``, ``cancelled_us``: time before a pickup that no line
    of pay counts, spent waiting there, or for a job that ended without pay."""

    phases_us: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    with_offer_us: int = 0
    commanded_us: int = 0
    waiting_us: int = 0
    cancelled_us: int = 0

    def add(self, courier: CourierRecord) -> None:
        for phase, spent in enumerate(courier.phases_us):
            self.phases_us[phase] += spent
        self.with_offer_us += courier.with_offer_us
        self.commanded_us += courier.commanded_us
        self.waiting_us += courier.waiting_us
        self.cancelled_us += courier.cancelled_us

    def copy(self) -> Sums:
        return Sums(list(self.phases_us), self.with_offer_us, self.commanded_us, self.waiting_us, self.cancelled_us)

    @property
    def online_us(self) -> int:
        return sum(self.phases_us)

    @property
    def unpaid_pickup_us(self) -> int:
        return self.waiting_us + self.cancelled_us


@dataclass(slots=True)
class WorkTime:
    """``forgotten``: sums of couriers who were forgotten since. ``by_hour_us``: by UTC hour of the day and phase, row
    by row, up to the last full hour; ``hour_us``: the phases as they were then. ``metres``: driven, by phase.
    ``long_days``: online spells that lasted so many hours or more."""

    forgotten: Sums = field(default_factory=Sums)
    by_hour_us: list[int] = field(default_factory=lambda: [0] * 4 * HOURS)
    hour_us: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    hour_end_us: int = 0
    metres: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    spells: Histogram = field(default_factory=Histogram)
    long_days: Counter[str] = field(default_factory=Counter)

    def sums(self, couriers: Iterable[CourierRecord]) -> Sums:
        """Of everyone, since the log began."""
        found = self.forgotten.copy()
        for courier in couriers:
            found.add(courier)
        return found

    def turn_hour(self, couriers: Iterable[CourierRecord]) -> None:
        """The hour is over, and everyone's time is counted up to its end."""
        phases = self.sums(couriers).phases_us
        hour = self.hour_end_us // HOUR_US - 1
        for phase in range(4):
            self.by_hour_us[hour % HOURS * 4 + phase] += phases[phase] - self.hour_us[phase]
        self.hour_us = phases

    def recount(self, before: int, after: int | None, from_us: int, until_us: int) -> None:
        """Move time of hours that are over from one phase to another; None: to none."""
        until_us = min(until_us, self.hour_end_us - HOUR_US)
        while from_us < until_us:
            hour = from_us // HOUR_US
            spent = min((hour + 1) * HOUR_US, until_us) - from_us
            for phase, change in ((before, -spent), (after, spent)):
                if phase is not None:
                    self.by_hour_us[hour % HOURS * 4 + phase] += change
                    self.hour_us[phase] += change
            from_us += spent


def advance(courier: CourierRecord, jobs: dict[str, LiveJob], now_us: int) -> None:
    """Time since the courier's last change goes where they were then."""
    spent = now_us - courier.since_us
    if spent <= 0:
        return
    courier.since_us = now_us
    if courier.open_offers:
        courier.with_offer_us += spent
    _spend(courier, jobs, spent)


def _spend(courier: CourierRecord, jobs: dict[str, LiveJob], spent: int) -> None:
    """Count time in the courier's present phase; negative: take it back."""
    phase = courier.phase
    courier.phases_us[phase] += spent
    if phase == P1:
        if courier.open_offers or courier.queues:
            courier.commanded_us += spent
    elif phase == P2:
        jobs[courier.lead].to_pickup_us += spent
    elif phase != P3:
        jobs[courier.lead].at_pickup_us += spent


def step(courier: CourierRecord, jobs: dict[str, LiveJob], job_id: str, phase: int, at_us: int, time: WorkTime) -> int:
    """Bring a job of the courier's to ``phase``, as of ``at_us``. Call ``advance`` first, with the time of the report.

    A step that is reported late divides the time since the courier's last step: what was counted after ``at_us`` moves
    to the phase that the step begins. Return the time that counts, which is not before the courier's last step.
    """
    at_us = max(at_us, courier.moved_us)
    late_us, before = courier.since_us - at_us, courier.phase
    if late_us > 0:
        _spend(courier, jobs, -late_us)
    move_to(courier, job_id, phase, at_us, time.spells)
    if late_us > 0:
        _spend(courier, jobs, late_us)
        time.recount(before, courier.phase, at_us, courier.since_us)
    courier.moved_us = at_us
    return at_us


def leave(courier: CourierRecord, jobs: dict[str, LiveJob], at_us: int, time: WorkTime) -> None:
    """End the shift as of ``at_us``: what was counted after it was no work. Call ``advance`` first."""
    at_us = max(at_us, courier.moved_us)
    late_us = courier.since_us - at_us
    if late_us > 0:
        _spend(courier, jobs, -late_us)
        time.recount(courier.phase, None, at_us, courier.since_us)


def move_to(courier: CourierRecord, job_id: str, phase: int, now_us: int, spells: Histogram) -> None:
    """A job in the courier's hands has come to ``phase``; P1: it is theirs no more. With several jobs in hand the
    furthest counts: with a job aboard it is P3, whatever else is to be fetched. Call ``advance`` first."""
    held, before = courier.jobs, courier.phase
    if phase == P1:
        held.pop(job_id, None)
    else:
        held[job_id] = phase
    if not held:
        courier.lead, courier.phase = "", P1
        if before != P1:
            courier.free_us = now_us
        return
    courier.lead = job_id if len(held) == 1 and phase != P1 else max(held, key=held.__getitem__)
    courier.phase = held[courier.lead]
    if before == P1:
        courier.after = ""
        if now_us > courier.free_us:
            spells.add((now_us - courier.free_us) / SECOND)
