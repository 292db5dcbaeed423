"""Events being decided: numbered after the state's last event, all of the same moment."""

from __future__ import annotations

from typing import Any

from dispatcher.commands import Command
from dispatcher.ids import made_id
from dispatcher.market.requests import signature
from dispatcher.market.state import MarketState
from dispatcher.times import timestamp
from gig.v1 import events_pb2 as events_pb


class Drafts:
    """Collects the events of one decision; the first carries the request, so that its repetition is known."""

    def __init__(self, state: MarketState, now_us: int) -> None:
        self.events: list[events_pb.Event] = []
        self._state = state
        self._sequence = state.sequence
        self._time = timestamp(now_us)

    def add(self, **body: Any) -> events_pb.Event:
        event = events_pb.Event(sequence=self._sequence + len(self.events) + 1, time=self._time, **body)
        self.events.append(event)
        return event

    def new_id(self, kind: str, event: events_pb.Event, index: int = 0) -> str:
        """Return the identifier of the ``index``-th thing of a kind that a draft makes."""
        return made_id(self._state.market_id, self._state.secret, kind, event.sequence, index)

    def sign(self, command: Command, subject_id: str) -> None:
        """Name the request, and what a repetition of it should find."""
        if command.request is not None and self.events:
            signed = signature(self._state.secret, command.request)
            self.events[0].request.call_key = signed.call_key
            self.events[0].request.digest = signed.digest
            self.events[0].request.subject_id = subject_id
