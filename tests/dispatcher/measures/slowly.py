"""The measures once more, slowly and obviously: from whole lists of intervals and rows, with nothing carried along."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from dispatcher.times import micros
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb

P1, P2, P2W, P3 = range(4)
Interval = tuple[int, int]


@dataclass
class Work:
    """Of one courier: spells online, phases of jobs with their job, open offers."""

    online: list[Interval] = field(default_factory=list)
    phases: list[tuple[int, int, int, str]] = field(default_factory=list)
    offers: list[Interval] = field(default_factory=list)

    def segments(self) -> list[tuple[int, int, int, str, bool]]:
        """(from, until, phase, its job, with an open offer), for every stretch online in which nothing changes."""
        edges = {edge for spell in (*self.online, *self.offers) for edge in spell}
        edges |= {edge for start, end, _, _ in self.phases for edge in (start, end)}
        found = []
        for start, end in pairwise(sorted(edges)):
            if not any(a <= start < b for a, b in self.online):
                continue
            held = [(phase, job) for a, b, phase, job in self.phases if a <= start < b]
            phase, job = max(held, key=lambda pair: pair[0], default=(P1, ""))
            found.append((start, end, phase, job, any(a <= start < b for a, b in self.offers)))
        return found


@dataclass
class Day:
    """A whole log, as rows and intervals. Everything that still runs ends with the log."""

    log: list[events_pb.Event]
    work: dict[str, Work] = field(default_factory=lambda: defaultdict(Work))
    end_us: int = 0

    def __post_init__(self) -> None:
        self.end_us = micros(self.log[-1].time)
        online: dict[str, int] = {}
        offers: dict[str, tuple[str, int]] = {}
        # job -> courier, and when each phase began
        held: dict[str, tuple[str, list[tuple[int, int]]]] = {}
        for event in self.log:
            now, kind = micros(event.time), event.WhichOneof("body")
            body = getattr(event, kind)
            if kind == "courier_online":
                online[body.courier_id] = now
            elif kind == "courier_offline":
                self.work[body.courier_id].online.append((online.pop(body.courier_id), now))
            elif kind == "offer_made":
                offers[body.offer.offer_id] = (body.offer.courier_id, now)
            elif kind == "offer_answered":
                courier, since = offers.pop(body.offer_id)
                self.work[courier].offers.append((since, now))
                if body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED:
                    for job in body.job_ids:
                        held[job] = (courier, [(now, P2)])
            elif kind == "courier_arrived":
                held[body.job_id][1].append((now, P2W))
            elif kind == "job_picked_up":
                held[body.job_id][1].append((now, P3))
            elif kind in ("job_completed", "job_cancelled", "job_failed", "job_released") and body.job_id in held:
                self._close(body.job_id, *held.pop(body.job_id), now)
        for courier, since in online.items():
            self.work[courier].online.append((since, self.end_us))
        for courier, since in offers.values():
            self.work[courier].offers.append((since, self.end_us))
        for job, (courier, phases) in held.items():
            self._close(job, courier, phases, self.end_us)

    def _close(self, job: str, courier: str, phases: list[tuple[int, int]], end_us: int) -> None:
        for (start, phase), (stop, _) in pairwise([*phases, (end_us, P1)]):
            self.work[courier].phases.append((start, stop, phase, job))

    @cached_property
    def postings(self) -> sqlite3.Connection:
        """A table of all legs: sequence, time, body, job, account, holder, line, amount."""
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE leg (sequence, at_us, body, job, account, holder, line, amount)")
        for event in self.log:
            kind = event.WhichOneof("body")
            body = getattr(event, kind)
            for leg in body.postings.legs if hasattr(body, "postings") else ():
                row = (
                    *(event.sequence, micros(event.time), kind, getattr(body, "job_id", "")),
                    types_pb.Account.Name(leg.account).removeprefix("ACCOUNT_"),
                    leg.holder_id,
                    types_pb.PriceLineKind.Name(leg.line).removeprefix("PRICE_LINE_KIND_"),
                    leg.minor_units,
                )
                database.execute("INSERT INTO leg VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        return database

    def bodies(self, kind: str) -> list[tuple[int, object]]:
        """(time, body) of all events of a kind."""
        return [(micros(event.time), getattr(event, kind)) for event in self.log if event.HasField(kind)]
