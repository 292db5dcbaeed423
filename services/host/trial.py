"""Fold a log for a trial: find each event that cannot be folded, and go on without it.

Folds what a server folds: state, measures and the rows of the tables; and, now and then, a snapshot and its restore. An
event that fails may leave half of its changes behind, so the fold then returns to its last good copy.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher.errors import PolicyError
from dispatcher.log.projections import Rows
from dispatcher.market import Market
from dispatcher.market.market import Networks
from dispatcher.market.quarantine import Subject, jobs_affected, subject_of
from dispatcher.measures import Measures
from dispatcher.messages import copied
from dispatcher.times import check_event_time, micros, timestamp
from gig.v1 import events_pb2 as events_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from services.host.applied import applied

# Events between good copies: a failure costs at most as many folds.
COPY_EVERY = 2_000
INT64 = 2**63


class RepairFailed(RuntimeError):
    """The log cannot be made to fold by skipping single events; the message says at which event."""


@dataclass(frozen=True, slots=True)
class Unfoldable:
    """An event that cannot be folded: its body's name, what it is about, and where in the code it fails."""

    sequence: int
    kind: str
    subject: Subject
    where: str


@dataclass(frozen=True, slots=True)
class _Copy:
    """State and measures after an event; None: at the beginning."""

    market: bytes | None = None
    measures: str = ""


class TrialFold:
    """Feed it the rows of a log in order (``add``), then ``quarantine`` what was found."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.market, self.measures = Market.new(networks), Measures()
        self.found: list[Unfoldable] = []
        # Sequence -> what is to stand there instead.
        self.skipped: dict[int, events_pb.Event] = {}
        self._copy = _Copy()
        # Events since the copy, as they were folded.
        self._since: list[events_pb.Event] = []

    def add(self, sequence: int, body: bytes | None) -> None:
        """``body``: the event's bytes; None where the row is missing."""
        event, where = _read(sequence, body)
        if event is not None:
            where = self._try(event)
            if not where:
                self._since.append(event)
                self._copy_sometimes()
                return
            self._go_back()
        self._skip(sequence, event, body, where)
        self._copy_sometimes()

    def finish(self) -> None:
        """Prove that the state at the end can be saved and restored."""
        self._copy_now()

    def quarantine(self, reason: str, operator_id: str, now_us: int) -> list[events_pb.Event]:
        """The events that take each subject found out of the market, applied here, to be appended to the log."""
        self._copy_now()
        sequences: dict[Subject, list[int]] = {}
        for one in self.found:
            sequences.setdefault(one.subject, []).append(one.sequence)
        made = []
        for subject, skipped in sequences.items():
            body = events_pb.SubjectQuarantined(
                kind=subject.kind,
                subject_id=subject.id,
                skipped_sequences=skipped,
                reason=reason,
                operator_id=operator_id,
            )
            made.append(self._append(subject, body, max(now_us, self.market.state.time_us)))
        return made

    def _append(self, subject: Subject, body: events_pb.SubjectQuarantined, now_us: int) -> events_pb.Event:
        """With the jobs affected; where a job cannot wait again it ends as well."""
        jobs = jobs_affected(self.market.state, subject)
        ended = [copied(job) for job in jobs]
        for job in ended:
            job.ended = True
        where = ""
        for affected in (jobs, ended, []):
            event = events_pb.Event(sequence=self.market.sequence + 1, time=timestamp(now_us))
            event.subject_quarantined.CopyFrom(body)
            event.subject_quarantined.jobs.extend(affected)
            where = self._try(event)
            if not where:
                self._since.append(event)
                return event
            self._go_back()
        raise RepairFailed(f"{subject.kind_name} {subject.id!r} cannot be quarantined ({where})")

    def _try(self, event: events_pb.Event) -> str:
        """Fold the event; where that fails, return the place, and leave the state half changed."""
        try:
            version = self.market.state.policy.version
            self.market.apply([event])
            if event.HasField("policy_set") and self.market.state.policy.version != version + 1:
                raise ValueError("the policy's version does not follow the one before")
            self.measures.fold(event)
            # Positions are folded late: a wrong one must not be blamed on a later event.
            self.measures.whereabouts.fold()
            one, rows = applied(self.market, event), Rows()
            rows.add(one.event, one.kind, one.jobs, one.phases)
            check_writable(rows)
        except PolicyError:
            raise  # a road network is missing here; the event is sound
        except Exception as fault:
            return place_of(fault)
        return ""

    def _skip(self, sequence: int, event: events_pb.Event | None, body: bytes | None, where: str) -> None:
        subject = subject_of(event if event is not None else events_pb.Event(sequence=sequence))
        instead = self._instead(sequence, event, body, subject)
        if failed := self._try(instead):
            self._blame_earlier(instead, failed)
        self._since.append(instead)
        self.skipped[sequence] = instead
        kind = (event.WhichOneof("body") if event is not None else None) or (
            "missing" if body is None else "unreadable"
        )
        self.found.append(Unfoldable(sequence, kind, subject, where))

    def _instead(
        self, sequence: int, event: events_pb.Event | None, body: bytes | None, subject: Subject
    ) -> events_pb.Event:
        """What is to stand in the event's place. Its time is the event's, unless that is out of order."""
        time_us = self.market.state.time_us
        if event is not None and time_us <= micros(event.time) and _is_possible(event.time):
            time_us = micros(event.time)
        skipped = events_pb.EventSkipped(kind=subject.kind, subject_id=subject.id)
        if event is not None:
            skipped.original.CopyFrom(event)
            for opened in ("market_opened", "market_resumed"):
                if event.HasField(opened):  # the secret of a skipped event is never in force
                    getattr(skipped.original, opened).ClearField("secret")
        elif body is not None:
            skipped.unreadable_digest = hashlib.sha256(body).digest()
        return events_pb.Event(sequence=sequence, time=timestamp(time_us), event_skipped=skipped)

    def _blame_earlier(self, instead: events_pb.Event, where: str) -> None:
        """Skip the earlier event that left the state such that not even a skipped event can follow."""
        events = self._since
        for culprit in range(len(events) - 1, -1, -1):
            if events[culprit].HasField("event_skipped"):
                continue
            tried = self._without(events, culprit)
            if tried is None or self._try(instead):
                continue
            subject = subject_of(events[culprit])
            kind = events[culprit].WhichOneof("body")
            self.skipped[events[culprit].sequence] = tried[culprit]
            self.found.append(Unfoldable(events[culprit].sequence, kind, subject, where))
            self.found.sort(key=lambda one: one.sequence)
            self._since = tried
            return
        raise RepairFailed(f"event {instead.sequence} cannot be skipped ({where})")

    def _without(self, events: list[events_pb.Event], culprit: int) -> list[events_pb.Event] | None:
        """Fold since the copy with one event skipped; None where that fails."""
        self._to_copy()
        tried: list[events_pb.Event] = []
        for place, event in enumerate(events):
            folded = event
            if place == culprit:
                folded = self._instead(event.sequence, event, b"", subject_of(event))
            if self._try(folded):
                return None
            tried.append(folded)
        return tried

    def _copy_sometimes(self) -> None:
        state = self.market.state
        # A copy of a large market takes longer than a few folds.
        if len(self._since) >= max(COPY_EVERY, 4 * (len(state.jobs) + len(state.couriers) + len(state.requests))):
            self._copy_now()

    def _copy_now(self) -> None:
        """Keep a copy of now; where it cannot be made, skip the event since the last copy that stands in its way."""
        while where := self._make_copy():
            self._skip_before_copy(where)

    def _make_copy(self) -> str:
        if not self.market.state.policy.version:
            return ""  # nothing can be restored before a policy is in force; there is little to fold again
        try:
            kept = self.market.snapshot().SerializeToString(deterministic=True)
            Market.restore(snapshot_pb.MarketSnapshot.FromString(kept), self.networks)
            measures = self.measures.to_json()
            Measures.from_json(measures)
        except Exception as fault:
            return place_of(fault)
        self._copy, self._since = _Copy(kept, measures), []
        return ""

    def _skip_before_copy(self, where: str) -> None:
        """Skip the first event since the copy after which no copy can be made, and what cannot follow without it."""
        events = self._since
        self._to_copy()
        for place, event in enumerate(events):
            if self._try(event):
                break
            if event.HasField("event_skipped") or not self._cannot_copy():
                continue
            self._since = events[:place]
            self._go_back()
            self._skip(event.sequence, event, None, where)
            for later in events[place + 1 :]:
                self.add(later.sequence, later.SerializeToString())
            self.found.sort(key=lambda one: one.sequence)
            return
        raise RepairFailed(f"the market cannot be saved after event {events[-1].sequence} ({where})")

    def _cannot_copy(self) -> bool:
        before, since = self._copy, self._since
        failed = bool(self._make_copy())
        self._copy, self._since = before, since
        return failed

    def _to_copy(self) -> None:
        """State and measures as they were at the last good copy."""
        if self._copy.market is None:
            self.market, self.measures = Market.new(self.networks), Measures()
            return
        saved = snapshot_pb.MarketSnapshot.FromString(self._copy.market)
        self.market, self.measures = Market.restore(saved, self.networks), Measures.from_json(self._copy.measures)

    def _go_back(self) -> None:
        """State and measures as they were before the event that failed; a copy, as the next one may fail as well."""
        self._to_copy()
        for event in self._since:
            if where := self._try(event):
                raise RepairFailed(f"event {event.sequence} folds at one time and fails at another ({where})")
        if len(self._since) >= COPY_EVERY // 20:
            self._make_copy()


def _read(sequence: int, body: bytes | None) -> tuple[events_pb.Event | None, str]:
    """The event, or None and what is wrong with its row."""
    if body is None:
        return None, "the row is missing"
    try:
        event = events_pb.Event.FromString(body)
    except DecodeError:
        return None, "the bytes are no event"
    if event.sequence != sequence:
        return None, f"the bytes are of event {event.sequence}"
    return event, ""


def _is_possible(time: Timestamp) -> bool:
    try:
        check_event_time(time)
    except ValueError:
        return False
    return True


def check_writable(rows: Rows) -> None:
    """Raise ValueError for a value that PostgreSQL cannot hold: a NUL in a text, an integer beyond 64 bits."""
    jobs = [(job.job_id, job.client_id, job.courier_id, job.state) for job in rows.jobs.values()]
    ratings = [(*key, *row[:2]) for key, row in rows.ratings.items()]
    reviews = [(one.review_id, one.subject_id, one.decision_id) for one, _, _ in rows.reviews.values()]
    tables: tuple[Iterable[tuple[Any, ...]], ...] = (
        *(jobs, ratings, reviews),
        *(rows.history, rows.pay, rows.phases, rows.decisions, rows.accesses, rows.opinions),
    )
    for table in tables:
        for row in table:
            for value in row:
                if (isinstance(value, str) and "\0" in value) or (isinstance(value, int) and abs(value) >= INT64):
                    raise ValueError("a value that no table can hold")


def place_of(fault: BaseException) -> str:
    """Return the kind of a fault and the last line of this project's code that it went through; never its text, which
    may quote what people wrote."""
    root = Path(__file__).parents[2]
    for frame in reversed(traceback.extract_tb(fault.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(root) and ".venv" not in path.parts:
            return f"{type(fault).__name__} in {path.relative_to(root)}:{frame.lineno}"
    return type(fault).__name__
