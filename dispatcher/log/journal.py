"""What clients and couriers were promised, kept on their side as JSON Lines, and compared with the log.

One line for each acknowledgement:
``{"kind": "placed", "client_id": …, "request_id": …, "job_id": …}``,
``{"kind": "cancelled", "client_id": …, "job_id": …}``,
``{"kind": "answered", "courier_id": …, "offer_id": …, "accepted": true}``,
``{"kind": "progress", "courier_id": …, "job_id": …, "step": "PROGRESS_STEP_COMPLETED"}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispatcher.commands import Request
from dispatcher.market.requests import former_key, signature
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb

Line = Mapping[str, Any]
_FIELDS: Mapping[str, Mapping[str, type]] = {
    "placed": {"client_id": str, "request_id": str, "job_id": str},
    "cancelled": {"client_id": str, "job_id": str},
    "answered": {"courier_id": str, "offer_id": str, "accepted": bool},
    "progress": {"courier_id": str, "job_id": str, "step": str},
}
_EVENT_OF_STEP = {
    "PROGRESS_STEP_ARRIVED": "courier_arrived",
    "PROGRESS_STEP_PICKED_UP": "job_picked_up",
    "PROGRESS_STEP_COMPLETED": "job_completed",
}


class JournalError(ValueError):
    """A file that is no journal; the message says which line and why."""


def write_journal(path: Path, lines: Iterable[Line]) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")


def read_journal(path: Path) -> Iterator[Line]:
    """Raises JournalError or OSError."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError) as fault:
                raise JournalError(f"{path}:{number}: is no JSON: {fault}") from fault
            wrong = _fault(line)
            if wrong:
                raise JournalError(f"{path}:{number}: {wrong}")
            yield line


def _fault(line: Any) -> str:
    if not isinstance(line, dict) or not isinstance(line.get("kind"), str) or line["kind"] not in _FIELDS:
        return f"kind must be one of {', '.join(_FIELDS)}"
    for name, kind in _FIELDS[line["kind"]].items():
        if not isinstance(line.get(name), kind):
            return f"{name} must be a {'text' if kind is str else 'true or false'}"
    return ""


@dataclass(slots=True)
class JournalCheck:
    """Feed it every event in order, then ask for what is ``missing``: each job that was acknowledged is on the log
    once, under the request that asked for it; each cancellation, answer and step as well."""

    lines: list[Line]
    _secret: bytes = b""
    # By call_key, or by the textual key of an earlier version: the jobs that the request placed.
    _placed: dict[bytes | str, list[str]] = field(default_factory=dict)
    _happened: set[tuple[str, ...]] = field(default_factory=set)

    def check(self, event: events_pb.Event) -> None:
        if event.HasField("event_skipped"):
            # Acknowledged and durable, though a repair keeps it from having an effect.
            event = event.event_skipped.original
        name = event.WhichOneof("body")
        if name is None:
            return
        body = getattr(event, name)
        match body:
            case events_pb.MarketOpened() | events_pb.MarketResumed():
                self._secret = body.secret or self._secret
            case events_pb.JobPlaced():
                key = event.request.call_key or event.request.key
                self._placed.setdefault(key, []).append(body.job.job_id)
            case events_pb.JobCancelled():
                self._happened.add(("cancelled", body.job_id))
            case events_pb.OfferAnswered():
                accepted = body.outcome == courier_pb.OFFER_OUTCOME_ACCEPTED
                self._happened.add(("answered", body.offer_id, body.courier_id, str(accepted)))
            case events_pb.CourierArrived() | events_pb.JobPickedUp() | events_pb.JobCompleted():
                self._happened.add((name, body.job_id, body.courier_id))

    def missing(self) -> Iterator[str]:
        """A sentence for each promise that the log does not keep."""
        for line in self.lines:
            match line["kind"]:
                case "placed":
                    jobs = self._jobs_of(line["client_id"], line["request_id"])
                    if line["job_id"] not in jobs:
                        yield f"job {line['job_id']} was acknowledged, and is not on the log"
                    if len(jobs) > 1:
                        yield f"one request became {len(jobs)} jobs: {', '.join(jobs)}"
                case "cancelled":
                    if ("cancelled", line["job_id"]) not in self._happened:
                        yield f"the cancellation of job {line['job_id']} was acknowledged, and is not on the log"
                case "answered":
                    wanted = "answered", line["offer_id"], line["courier_id"], str(line["accepted"])
                    if wanted not in self._happened:
                        yield f"the answer to offer {line['offer_id']} was acknowledged, and is not on the log"
                case "progress":
                    event = _EVENT_OF_STEP.get(line["step"])
                    if event is not None and (event, line["job_id"], line["courier_id"]) not in self._happened:
                        yield f"{line['step']} of job {line['job_id']} was acknowledged, and is not on the log"

    def _jobs_of(self, client_id: str, request_id: str) -> list[str]:
        """The jobs that a client's request placed; also under the key of earlier versions."""
        request = Request("client", client_id, "JobService/PlaceJob", (request_id,), 0)
        keys = signature(self._secret, request).call_key, former_key(request)
        return [job_id for key in keys for job_id in self._placed.get(key, ())]
