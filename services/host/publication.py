"""Hand durable events to measures, courier streams, watchers and tables. A failure stays with its event."""

from __future__ import annotations

from collections.abc import Sequence

from dispatcher.measures import Measures
from gig.v1 import events_pb2 as events_pb
from services.host.applied import Applied
from services.host.projector import Projector
from services.host.quarantine import Item, Kind, Loop, Quarantine
from services.host.sessions import Sessions
from services.host.subjects import people_of
from services.host.watches import JobWatches

# Stands in a snapshot for measures that lack an event: the next start folds them from the log.
INCOMPLETE = ""


def event_item(event: events_pb.Event) -> Item:
    return Item(Kind.EVENT, str(event.sequence), str(event.WhichOneof("body")))


def fold_measures(measures: Measures, event: events_pb.Event, quarantine: Quarantine) -> None:
    """Fold an event. One that fails is set aside, and the measures lack it until the next start folds them from the
    log."""
    try:
        measures.fold(event)
    except Exception as fault:
        quarantine.add(Loop.MEASURES, event_item(event), fault, "folding the measures")


class Publication:
    def __init__(self, sessions: Sessions, watches: JobWatches, quarantine: Quarantine) -> None:
        self._sessions, self._watches, self._quarantine = sessions, watches, quarantine

    def publish(self, batch: Sequence[Applied], measures: Measures, projector: Projector) -> None:
        """Hand each event to each reader, in order. No failure leaves this function."""
        for one in batch:
            fold_measures(measures, one.event, self._quarantine)
            self._to_streams(one)
            self._to_watchers(one)
        projector.add(batch)

    def _to_streams(self, one: Applied) -> None:
        try:
            self._sessions.publish(one)
        except Exception as fault:
            self._quarantine.add(Loop.SESSIONS, event_item(one.event), fault, "making the messages of a courier")
            # The app connects again and reads the state, which has all that the message would have said.
            for person_id in people_of(one.event):
                self._sessions.end_stream(person_id)

    def _to_watchers(self, one: Applied) -> None:
        for job in one.jobs:
            try:
                self._watches.publish(job)
            except Exception as fault:
                self._quarantine.add(Loop.WATCHES, event_item(one.event), fault, "notifying watchers of a job")
