"""A courier's positions and offers, which only the log itself holds, picked from it in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from dispatcher.decisions.privacy import offer_for_courier
from geo.units import from_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb

Row = dict[str, Any]


@dataclass(slots=True)
class CourierTrail:
    """``pick`` events in the order of the log, then ``finish``: positions and offers as JSON Lines."""

    person_id: str
    locations: IO[str]
    offers: IO[str]
    number: int = 0
    latitude_e7: int = 0
    longitude_e7: int = 0
    open: dict[str, Row] = field(default_factory=dict)

    def pick(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            self._event(events_pb.Event.FromString(body))

    def _event(self, event: events_pb.Event) -> None:
        match event.WhichOneof("body"):
            case "courier_online" if event.courier_online.courier_id == self.person_id:
                online = event.courier_online
                self.number, self.latitude_e7, self.longitude_e7 = (
                    online.courier_number,
                    online.latitude_e7,
                    online.longitude_e7,
                )
                self._location(event)
            case "round_settled" if self.number:
                self._round(event)
            case "offer_made" if event.offer_made.offer.courier_id == self.person_id:
                offer = event.offer_made.offer
                self.open[offer.offer_id] = {
                    "offer": MessageToDict(offer_for_courier(offer), preserving_proto_field_name=True)
                }
            case "offer_answered" if event.offer_answered.courier_id == self.person_id:
                answered = event.offer_answered
                row = self.open.pop(answered.offer_id, {})
                row["outcome"] = courier_pb.OfferOutcome.Name(answered.outcome)
                row["reason"], row["answer_time"] = answered.reason, event.time.ToJsonString()
                self._write(self.offers, row)

    def _round(self, event: events_pb.Event) -> None:
        body = event.round_settled
        numbers = np.cumsum(np.array(body.moved_number_deltas, np.int64))
        place = int(np.searchsorted(numbers, self.number))
        if place < numbers.size and int(numbers[place]) == self.number:
            self.latitude_e7 += body.moved_latitude_e7_deltas[place]
            self.longitude_e7 += body.moved_longitude_e7_deltas[place]
            self._location(event)

    def _location(self, event: events_pb.Event) -> None:
        position = from_e7(self.latitude_e7), from_e7(self.longitude_e7)
        row = {"time": event.time.ToJsonString(), "latitude": position[0], "longitude": position[1]}
        self._write(self.locations, row)

    def finish(self) -> None:
        for row in self.open.values():
            self._write(self.offers, row)

    @staticmethod
    def _write(file: IO[str], row: Row) -> None:
        file.write(json.dumps(row) + "\n")
