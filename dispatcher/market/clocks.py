"""What each courier's time went into: the clocks of the shift, and the work of the pay period."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.complete import complete, numbers_of
from dispatcher.times import duration
from gig.v1 import courier_service_pb2 as courier_pb

# Phases, after New York's Taxi and Limousine Commission: P1 waiting for work, P2 to the pickup, P2w waiting there, P3.
P1, P2, P2W, P3 = range(4)
PHASE_OF = complete(
    {
        courier_pb.COURIER_STATE_FREE: P1,
        courier_pb.COURIER_STATE_OFFERED: P1,
        courier_pb.COURIER_STATE_TO_PICKUP: P2,
        courier_pb.COURIER_STATE_AT_PICKUP: P2W,
        courier_pb.COURIER_STATE_WITH_JOB: P3,
    },
    numbers_of(courier_pb.CourierState),
    "phases of couriers",
    without={courier_pb.COURIER_STATE_OFFLINE},
)


@dataclass(slots=True)
class Clock:
    """Microseconds, as of ``since_us``: ``shift_us`` by phase; ``engaged_us``, ``engaged_metres`` and ``earned`` (minor
    units, without tips) of the pay period that began at ``period_us``, 0 where none is open."""

    since_us: int = 0
    shift_us: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    period_us: int = 0
    engaged_us: int = 0
    engaged_metres: int = 0
    earned: int = 0

    def advance(self, state: courier_pb.CourierState, at_us: int) -> None:
        """Count the time up to ``at_us`` as spent in ``state``. What is counted already stays as it is."""
        passed = max(at_us - self.since_us, 0)
        phase = PHASE_OF.get(state)
        if phase is not None:
            self.shift_us[phase] += passed
            if phase != P1:
                self.engaged_us += passed
        self.since_us += passed

    def engaged_until(self, state: courier_pb.CourierState, now_us: int) -> int:
        """Engaged time of the period, the running phase included."""
        running = PHASE_OF.get(state, P1) != P1
        return self.engaged_us + (now_us - self.since_us if running else 0)

    def begin_shift(self, now_us: int) -> None:
        self.since_us, self.shift_us = now_us, [0, 0, 0, 0]

    def begin_period(self, now_us: int) -> None:
        """``now_us`` 0: none is open until there is work again."""
        self.period_us, self.engaged_us, self.engaged_metres, self.earned = now_us, 0, 0, 0

    def view(self, state: courier_pb.CourierState, now_us: int) -> courier_pb.WorkClocks:
        spent = list(self.shift_us)
        phase = PHASE_OF.get(state)
        if phase is not None:
            spent[phase] += now_us - self.since_us
        return courier_pb.WorkClocks(
            waiting=duration(spent[P1]),
            to_pickup=duration(spent[P2]),
            at_pickup=duration(spent[P2W]),
            with_job=duration(spent[P3]),
        )
