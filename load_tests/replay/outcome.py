"""What a replay came to: the log's hash, the catalogue of measures, and tables of jobs and couriers."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dispatcher.log.files import write_event
from dispatcher.market.market import Market
from dispatcher.measures import Measures, figures
from dispatcher.measures.catalogue import CATALOGUE, Reading
from dispatcher.times import SECOND, micros
from geo.units import Floats
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from load_tests.traces.schema import TIME, table_of, table_of_rows

JOBS = pa.schema(
    [
        ("job_id", pa.string()),
        ("courier_id", pa.string()),
        # completed, cancelled, expired, failed.
        ("state", pa.string()),
        ("request_time", TIME),
        ("assign_time", TIME),
        ("pickup_time", TIME),
        ("end_time", TIME),
        ("offers", pa.int32()),
        # From the request (or the time asked for, if later) to the pickup; null without one.
        ("wait_s", pa.float64()),
        ("fare_minor", pa.int64()),
        ("pay_minor", pa.int64()),
        ("platform_minor", pa.int64()),
        ("tip_minor", pa.int64()),
    ]
)
COURIERS = pa.schema(
    [
        ("courier_id", pa.string()),
        ("jobs", pa.int32()),
        ("offers", pa.int32()),
        ("declined", pa.int32()),
        ("earned_minor", pa.int64()),
        # Online: waiting, to the pickup, waiting there, with a job (TLC's P1, P2, P2w, P3).
        ("p1_s", pa.float64()),
        ("p2_s", pa.float64()),
        ("p2w_s", pa.float64()),
        ("p3_s", pa.float64()),
        ("metres", pa.float64()),
    ]
)
END_STATES = {
    "job_completed": "completed",
    "job_cancelled": "cancelled",
    "job_expired": "expired",
    "job_failed": "failed",
}


@dataclass(slots=True)
class Record:
    """Folds a replay's events as they come. ``keeps_jobs``: a row for each job; without it memory does not grow with
    the trace. ``log``: a file that all events are written to."""

    market: Market
    keeps_jobs: bool = True
    log: Any = None
    measures: Measures = field(default_factory=Measures)
    events: int = 0
    states: Counter[str] = field(default_factory=Counter)
    waits_s: array[float] = field(default_factory=lambda: array("f"))
    _hash: Any = field(default_factory=hashlib.sha256)
    _jobs: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in JOBS.names})

    def keep(self, events: list[events_pb.Event]) -> None:
        """The market must have applied them."""
        update, fold = self._hash.update, self.measures.fold
        for event in events:
            fold(event)
            # No event holds a map, of which alone the order could differ.
            update(event.SerializeToString())
            body = event.WhichOneof("body")
            if body in END_STATES:
                self._ended(getattr(event, body).job_id, END_STATES[body])
            if self.log is not None:
                write_event(self.log, event)
        self.events += len(events)

    def _ended(self, job_id: str, state: str) -> None:
        job = self.market.state.jobs[job_id]
        self.states[state] += 1
        wait = _wait_s(job) if job.HasField("pickup_time") else None
        if state == "completed" and wait is not None:
            self.waits_s.append(wait)
        if self.keeps_jobs:
            self._keep_job(job, state, wait)

    def _keep_job(self, job: job_pb.Job, state: str, wait: float | None) -> None:
        row = (
            job.job_id,
            job.courier_id,
            state,
            micros(job.place_time),
            micros(job.assign_time) if job.HasField("assign_time") else None,
            micros(job.pickup_time) if job.HasField("pickup_time") else None,
            micros(job.end_time),
            job.offers_made,
            wait,
            job.money.fare_minor_units,
            job.money.pay_minor_units,
            job.money.platform_minor_units,
            job.money.tip_minor_units,
        )
        for column, value in zip(self._jobs.values(), row, strict=True):
            column.append(value)

    # --- once it is over

    @property
    def sha256(self) -> str:
        """Of the events' bytes, one after the other: two equal logs, and no others, share it."""
        return str(self._hash.hexdigest())

    def reading(self) -> Reading:
        self.measures.bring_to(self.measures.time_us)
        return Reading(self.measures, figures(self.measures))

    def jobs(self) -> pa.Table:
        """In the order of their ends."""
        return table_of(JOBS, self._jobs)

    def couriers(self) -> pa.Table:
        """Everyone who was online, by name."""
        records = sorted(self.measures.couriers.items())
        rows = [
            (
                courier_id,
                record.jobs_done,
                record.offers_made,
                record.offers.get("declined", 0),
                record.earned,
                *(us / SECOND for us in record.phases_us),
                record.metres,
            )
            for courier_id, record in records
        ]
        return table_of_rows(COURIERS, rows)

    def service(self) -> dict[str, float | None]:
        """What clients got. Shares of ended jobs, and of completed ones; seconds."""
        ended, completed = sum(self.states.values()), self.states["completed"]
        return {
            "requests": ended,
            "service_rate": completed / ended if ended else None,
            "cancelled_share": self.states["cancelled"] / ended if ended else None,
            "expired_share": self.states["expired"] / ended if ended else None,
            **_waits(np.array(self.waits_s, np.float64)),
        }


def _wait_s(job: job_pb.Job) -> float:
    """Until the pickup, from when it was asked for."""
    wanted = micros(job.place_time)
    if job.spec.HasField("pickup_after"):
        wanted = max(wanted, micros(job.spec.pickup_after))
    return (micros(job.pickup_time) - wanted) / SECOND


def _waits(waits: Floats) -> dict[str, float | None]:
    if not waits.size:
        return dict.fromkeys(("wait_mean_s", "wait_p50_s", "wait_p90_s", "wait_p99_s"))
    edges = np.quantile(waits, (0.5, 0.9, 0.99)).tolist()
    return {
        "wait_mean_s": float(waits.mean()),
        **dict(zip(("wait_p50_s", "wait_p90_s", "wait_p99_s"), edges, strict=True)),
    }


def measured(reading: Reading) -> dict[str, tuple[str, float | None]]:
    """Every measure of the catalogue, part by part: "name" or "name: part" -> (unit, value). Parts that are no numbers
    are left out."""
    found: dict[str, tuple[str, float | None]] = {}
    for measure in CATALOGUE:
        value = measure.value(reading)
        parts = value.items() if isinstance(value, Mapping) else (("", value),)
        for part, number in parts:
            if number is None or isinstance(number, int | float):
                found[f"{measure.name}: {part}" if part else measure.name] = (measure.unit, number)
    return found
