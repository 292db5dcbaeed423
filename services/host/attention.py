"""The operator's inbox: what needs attention now, computed from the market's state at each call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from dispatcher.ids import derived_id
from dispatcher.market.contact import lost_jobs, task_sentence
from dispatcher.market.limits import position_limit_us
from dispatcher.market.moments import span_text
from dispatcher.market.stuck import stuck_jobs
from dispatcher.times import micros, timestamp
from gig.v1 import oversight_service_pb2 as pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from gig.v1 import types_pb2
from services.host.market_host import MarketHost
from services.host.quarantine import Incident

QUARANTINED, STUCK_JOB = pb.ATTENTION_KIND_QUARANTINED, pb.ATTENTION_KIND_STUCK_JOB
LOST_CONTACT = pb.ATTENTION_KIND_LOST_CONTACT
STALE_POSITION = pb.ATTENTION_KIND_STALE_POSITION
# Stale positions that are listed; the metric counts all.
MOST_STALE = 1_000


def attention(host: MarketHost) -> list[pb.AttentionItem]:
    """Return all items, the oldest first."""
    found = [*_few(host), *_stale_positions(host)]
    return sorted(found, key=lambda item: (micros(item.since), item.id))


def counts(host: MarketHost) -> dict[str, int]:
    """Return the number of items by the lower-case name of their kind; every kind has a key."""
    found = Counter(item.kind for item in _few(host))
    found[STALE_POSITION] = len(host.positions.stale_online(host.clock.now()))
    return {
        name.removeprefix("ATTENTION_KIND_").lower(): found[number]
        for name, number in pb.AttentionKind.items()
        if number
    }


def _few(host: MarketHost) -> Iterator[pb.AttentionItem]:
    """All items of the kinds that are rare; stale positions may be those of everyone online, after a restart."""
    for incident in host.quarantine.items():
        yield _of_incident(incident)
    state = host.market.state
    for kept in state.quarantined.values():
        yield _of_quarantined(kept)
    for stuck in stuck_jobs(state, host.lonely, host.clock.now()):
        yield pb.AttentionItem(
            id=derived_id(state.market_id, state.secret, "stuck job", stuck.job_id),
            kind=STUCK_JOB,
            subject=stuck.job_id,
            since=timestamp(stuck.since_us),
            sentence=stuck.sentence,
        )
    for courier_id in state.silent:
        for lost in lost_jobs(state, courier_id):
            yield pb.AttentionItem(
                id=derived_id(state.market_id, state.secret, "lost contact", lost.job_id),
                kind=LOST_CONTACT,
                subject=lost.job_id,
                since=timestamp(lost.silent_since_us),
                sentence=task_sentence(state, lost, host.clock.now()),
            )


def _stale_positions(host: MarketHost) -> Iterator[pb.AttentionItem]:
    """Couriers online who get no offers because their last position is too old, those with the oldest ones."""
    state, now, index = host.market.state, host.clock.now(), host.positions.index
    limit_us = position_limit_us(state.policy)
    numbers = host.positions.stale(state.columns.online_numbers(), now)
    oldest = numbers[np.argsort(index.times_ms(numbers), kind="stable")][:MOST_STALE]
    for number in oldest.tolist():
        courier_id = state.columns.ids[number]
        seen_us = index.last_ms(number) * 1000
        stream = "the app's stream is open" if host.sessions.connected(courier_id) else "the app has no open stream"
        yield pb.AttentionItem(
            id=derived_id(state.market_id, state.secret, "stale position", courier_id),
            kind=STALE_POSITION,
            subject=courier_id,
            since=timestamp(seen_us + limit_us),
            sentence=(
                f"The last position of courier {courier_id} is {span_text(now - seen_us)} old, and {stream}. "
                f"Positions older than {span_text(limit_us)} are not used: the courier gets no offers until a newer "
                "one arrives. Ask the courier to open the app and to allow it the location."
            ),
        )


def _of_incident(incident: Incident) -> pb.AttentionItem:
    return pb.AttentionItem(
        id=incident.incident_id,
        kind=QUARANTINED,
        subject=incident.subject,
        since=timestamp(incident.since_us),
        sentence=incident.sentence(),
    )


def _of_quarantined(kept: snapshot_pb.QuarantinedSubject) -> pb.AttentionItem:
    """A subject that `gig log repair` took out of the market."""
    body = kept.quarantine
    kind = types_pb2.SubjectKind.Name(body.kind).removeprefix("SUBJECT_KIND_").lower()
    skipped = ", ".join(map(str, body.skipped_sequences[:5])) + (" and more" if len(body.skipped_sequences) > 5 else "")
    return pb.AttentionItem(
        id=f"repair-{kept.sequence}",
        kind=QUARANTINED,
        subject=body.subject_id,
        since=kept.time,
        sentence=(
            f"The {kind} {body.subject_id} was taken out of the market by a repair of its log, because events "
            f"{skipped} could not be applied. All others are served. Notify the people concerned; once the cause "
            "is removed, the subject can take part again."
        ),
    )
