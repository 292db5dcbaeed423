"""The clocks of all couriers' devices, by courier number, and which estimates are to be put on the log."""

from __future__ import annotations

from collections.abc import Callable

from services.host.device_clock import DeviceClock

# The log gets an estimate that differs from the one on it by this much, and no more often than this (milliseconds).
LOGGED_FROM_MS, LOGGED_EVERY_MS = 5_000, 60_000


class DeviceClocks:
    """``logged``: returns the offset of a courier that is on the log, in milliseconds, or None."""

    def __init__(self, logged: Callable[[int], int | None]) -> None:
        self._logged = logged
        self._clocks: dict[int, DeviceClock] = {}
        # Numbers whose estimate may differ from the log's.
        self._changed: set[int] = set()
        # When an estimate was last put on the log.
        self._noted_ms: dict[int, int] = {}

    def clear(self) -> None:
        """Forget all estimates: those on the log count, and a number may name another courier."""
        self._clocks.clear()
        self._changed.clear()
        self._noted_ms.clear()

    def offset_ms(self, number: int) -> int:
        return self._clock(number).offset_ms

    def estimate_ms(self, number: int) -> int | None:
        """Return the offset, or None while no reading of the clock is known."""
        clock = self._clock(number)
        return clock.offset_ms if clock.known else None

    def begin(self, number: int, device_ms: int, received_ms: int) -> None:
        """Take the first reading of a connection; see DeviceClock."""
        self._clock(number).begin(device_ms, received_ms)
        self._changed.add(number)

    def read(self, number: int, device_ms: int, received_ms: int) -> None:
        """Take a later reading of the clock; see DeviceClock."""
        self._clock(number).read(device_ms, received_ms)
        self._changed.add(number)

    def observe(self, number: int, newest_ms: int, received_ms: int) -> None:
        """Take the time of the newest position of a batch; see DeviceClock."""
        clock = self._clock(number)
        before = clock.offset_ms
        clock.observe(newest_ms, received_ms)
        if clock.offset_ms != before:
            self._changed.add(number)

    def to_log(self, now_ms: int) -> list[tuple[int, int]]:
        """Return (number, offset) of the estimates that differ from the log by enough, and count them as noted."""
        found: list[tuple[int, int]] = []
        for number in sorted(self._changed):
            clock = self._clock(number)
            if not clock.known or abs(clock.offset_ms - (self._logged(number) or 0)) < LOGGED_FROM_MS:
                self._changed.discard(number)
            elif now_ms - self._noted_ms.get(number, now_ms - LOGGED_EVERY_MS) >= LOGGED_EVERY_MS:
                self._changed.discard(number)
                self._noted_ms[number] = now_ms
                found.append((number, clock.offset_ms))
        return found

    def _clock(self, number: int) -> DeviceClock:
        clock = self._clocks.get(number)
        if clock is None:
            logged = self._logged(number)
            clock = self._clocks[number] = DeviceClock(logged or 0, logged is not None)
        return clock
