"""Where couriers are now: the live index, its intake, and what both mean for the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from dispatcher import commands
from dispatcher.market import MovedCouriers
from dispatcher.market.state import MarketState
from dispatcher.times import micros, span
from geo.live_index import LiveIndex
from geo.units import Ints
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from services.clock import MarketClock
from services.host.device_clocks import DeviceClocks
from services.host.locations import LocationIntake
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
        self.index = LiveIndex()
        self.clocks = DeviceClocks(self._logged_offset_ms)
        self._notices = RefusalNotices(
            lambda number, notice: notify(self._name(number), notice), self.clocks.estimate_ms
        )
        self.intake = LocationIntake(self.index, self.clocks, self._refused, self._notices)

    def place(self, courier_ids: Iterable[str]) -> None:
        """After a load, place couriers where the log saw them last, until they report their positions.

        That is no sign of life of a phone that is silent: its position keeps the time of the last one.
        """
        self.clocks.clear()
        self._notices.clear()
        state, now_ms = self._state(), self._clock.now() // 1000
        columns = state.columns
        for courier_id in courier_ids:
            number = state.numbers[courier_id]
            courier = state.couriers[courier_id]
            at_ms = micros(courier.silent_since) // 1000 if courier.HasField("silent_since") else now_ms
            self.index.place(number, int(columns.latitude_e7[number]), int(columns.longitude_e7[number]), at_ms)

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

    def _refused(self, number: int, fault: Exception) -> None:
        """Set aside a courier whose positions cannot be taken in."""
        self._quarantine.add(Loop.LOCATIONS, Item(Kind.COURIER, self._name(number)), fault, "taking in positions")
