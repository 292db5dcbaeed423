"""Where couriers are now: the live index, its intake, and what both mean for the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from dispatcher import commands
from dispatcher.market import MovedCouriers
from dispatcher.market.limits import position_limit_us
from dispatcher.market.state import MarketState
from dispatcher.times import duration, micros, span, timestamp
from geo.live_index import LiveIndex
from geo.sightings import Sightings
from geo.units import Ints, from_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb
from services.clock import MarketClock
from services.host.device_clocks import DeviceClocks
from services.host.locations import LocationIntake
from services.host.position_trail import PositionTrail
from services.host.quarantine import Item, Kind, Loop, Quarantine
from services.host.refusal_notices import RefusalNotices


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device's clock showed in a message, and when the message arrived by the market's clock; Unix
    milliseconds."""

    device_ms: int
    received_ms: int

    @classmethod
    def of(cls, message: courier_pb.Hello | courier_pb.GoOnline, received_us: int) -> Reading | None:
        """Return the reading that a message brings, or None."""
        if not message.HasField("client_time"):
            return None
        return cls(message.client_time.ToMilliseconds(), received_us // 1000)


class Positions:
    """``state``: returns the market's state, which is another one after a reload. ``notify``: sends a notice to the
    courier of this id."""

    def __init__(
        self,
        state: Callable[[], MarketState],
        clock: MarketClock,
        quarantine: Quarantine,
        notify: Callable[[str, courier_pb.Notice], None],
    ) -> None:
        self._state, self._clock, self._quarantine = state, clock, quarantine
        # When couriers were last heard of, by number; the others, when the market was loaded.
        self._heard_ms: dict[int, int] = {}
        self._loaded_ms = 0
        self.index = LiveIndex()
        self.trail = PositionTrail()
        self.clocks = DeviceClocks(self._logged_offset_ms)
        self._notices = RefusalNotices(
            lambda number, notice: notify(self._name(number), notice), self.clocks.estimate_ms
        )
        self.intake = LocationIntake(self.index, self.clocks, self._refused, self._notices, self.trail)

    def place(self, courier_ids: Iterable[str]) -> None:
        """After a load, place couriers where the log saw them last, until they report their positions.

        A phone that was silent stays silent since its last sign of life; the others count as heard of now.
        """
        self.clocks.clear()
        self._notices.clear()
        state, now_ms = self._state(), self._clock.now() // 1000
        # Nobody could be heard of while the market was away.
        self._heard_ms.clear()
        self._loaded_ms = now_ms
        columns = state.columns
        for courier_id in courier_ids:
            number = state.numbers[courier_id]
            courier = state.couriers[courier_id]
            if courier.HasField("silent_since"):
                self._heard_ms[number] = micros(courier.silent_since) // 1000
            seen_ms = min(int(columns.position_us[number]) // 1000, now_ms)
            self.index.place(number, int(columns.latitude_e7[number]), int(columns.longitude_e7[number]), seen_ms)

    def hear(self, courier_id: str) -> None:
        """Note a sign of life. No position follows from it."""
        number = self._state().numbers.get(courier_id)
        if number is not None:
            self._heard_ms[number] = self._clock.now() // 1000

    def heard_ms(self, number: int) -> int:
        """Return when the courier was last heard of, in Unix milliseconds of the market's clock."""
        return self._heard_ms.get(number, self._loaded_ms)

    def stale(self, numbers: Ints, now_us: int) -> Ints:
        """Return those of the couriers whose position is too old for matching, in their order."""
        oldest_ms = (now_us - position_limit_us(self._state().policy)) // 1000
        found: Ints = numbers[self.index.times_ms(numbers) < oldest_ms]
        return found

    def stale_online(self, now_us: int) -> frozenset[int]:
        """Return the numbers of couriers online whose position is too old for matching."""
        return frozenset(self.stale(self._state().columns.online_numbers(), now_us).tolist())

    def live(self, courier_id: str) -> courier_pb.LivePosition | None:
        """Return the newest position of a courier with its age; None while the courier is offline."""
        state, now = self._state(), self._clock.now()
        courier, seen = state.couriers.get(courier_id), self.seen(courier_id)
        if courier is None or seen is None or courier.state == courier_pb.COURIER_STATE_OFFLINE:
            return None
        age_us = max(now - seen.time_us, 0)
        return courier_pb.LivePosition(
            position=types_pb.Position(latitude=seen.latitude, longitude=seen.longitude),
            time=timestamp(now - age_us),
            age=duration(age_us),
            stale=bool(self.stale(np.array([state.numbers[courier_id]]), now).size),
            limit=duration(position_limit_us(state.policy)),
        )

    def read_clock(self, courier_id: str, reading: Reading, *, first: bool) -> bool:
        """Take a reading of a device's clock. ``first``: of this connection, so that the device may be another one.

        Return False, without effect, for a courier who was never online.
        """
        number = self._state().numbers.get(courier_id)
        if number is None:
            return False
        take = self.clocks.begin if first else self.clocks.read
        take(number, reading.device_ms, reading.received_ms)
        return True

    def arrived(self, body: events_pb.CourierOnline) -> None:
        """Place a courier who has come online. One who cannot be placed is set aside."""
        now_ms = self._clock.now() // 1000
        self._heard_ms[body.courier_number] = now_ms
        try:
            self.index.place(body.courier_number, body.latitude_e7, body.longitude_e7, now_ms)
        except Exception as fault:  # a failure stays with its courier
            self._refused(body.courier_number, fault)

    def moved(self, numbers: Ints) -> MovedCouriers:
        """Return those of the couriers whose live position differs from the one on the log."""
        columns = self._state().columns
        latitude, longitude = self.index.positions_e7(numbers)
        differs = (latitude != columns.latitude_e7[numbers]) | (longitude != columns.longitude_e7[numbers])
        found = np.flatnonzero(self.index.known(numbers) & differs)
        return MovedCouriers(numbers[found], latitude[found], longitude[found])

    def sightings(self, courier_id: str) -> Sightings:
        """Return where a courier was lately, with the positions that wait for the intake."""
        number = self._state().numbers.get(courier_id)
        if number is None:
            return Sightings.none()
        self.intake.drain()
        return self.trail.of(number)

    def clocks_to_log(self) -> list[commands.NoteClock]:
        """Return the estimates of devices' clocks that the log does not hold yet."""
        return [
            commands.NoteClock(courier_id=self._name(number), offset_us=offset_ms * 1000)
            for number, offset_ms in self.clocks.to_log(self._clock.now() // 1000)
        ]

    def _logged_offset_ms(self, number: int) -> int | None:
        courier = self._state().couriers.get(self._name(number))
        if courier is None or not courier.HasField("clock_offset"):
            return None
        return span(courier.clock_offset) // 1000

    def _name(self, number: int) -> str:
        ids = self._state().columns.ids
        return ids[number] if number < len(ids) else ""

    def seen(self, courier_id: str) -> commands.SeenAt | None:
        """Return the newest position of a courier and when it was taken; None where none is known."""
        number = self._state().numbers.get(courier_id)
        if number is None or (last_ms := self.index.last_ms(number)) < 0:
            return None
        latitude, longitude = self.index.positions_e7(np.array([number]))
        return commands.SeenAt(from_e7(int(latitude[0])), from_e7(int(longitude[0])), last_ms * 1000)

    def _refused(self, number: int, fault: Exception) -> None:
        """Set aside a courier whose positions cannot be taken in."""
        self._quarantine.add(Loop.LOCATIONS, Item(Kind.COURIER, self._name(number)), fault, "taking in positions")
