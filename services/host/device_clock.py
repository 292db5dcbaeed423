"""Estimate how far the clock of a courier's device is off, from what it shows and when its messages arrive.

A message takes time, so each comparison of the two clocks gives the offset plus a delay that is never negative. The
estimate therefore follows lower samples at once and higher ones slowly. A sample far from the estimate is a late
message or a clock that was set: it counts once several samples agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# A clock that is off by more is not corrected (milliseconds).
LARGEST_OFFSET_MS = 86_400_000
# A sample this near to the estimate refines it.
NEAR_MS = 5_000
# Samples far from the estimate count once so many in a row agree with the first of them to within AGREEMENT_MS. Higher
# ones must also span CONFIRMED_AFTER_MS: messages that were held up arrive in a burst, and each looks like a clock that
# is behind. The span is longer than the agreement, so that a position that is sent again and again, which looks older
# each time by as much as has passed, never counts.
CONFIRMATIONS, AGREEMENT_MS, CONFIRMED_AFTER_MS = 3, 8_000, 10_000
# A higher sample moves the estimate by this part of the difference.
SMOOTHING = 8


@dataclass(slots=True)
class DeviceClock:
    """``offset_ms``: how far the clock is behind the server's, negative where it is ahead. ``known``: whether anything
    but the initial guess of 0 stands behind it."""

    offset_ms: int = 0
    known: bool = False
    # (arrival, sample) of the samples in a row that lie far from the estimate.
    _far: list[tuple[int, int]] = field(default_factory=list)

    def begin(self, device_ms: int, received_ms: int) -> None:
        """Adopt the first reading of a connection: it was taken just now, and the device may be another one."""
        sample = received_ms - device_ms
        if abs(sample) <= LARGEST_OFFSET_MS:
            self._adopt(sample)

    def read(self, device_ms: int, received_ms: int) -> None:
        """Follow a later reading of the clock."""
        sample = received_ms - device_ms
        if abs(sample) > LARGEST_OFFSET_MS:
            return
        if not self.known or sample < self.offset_ms:
            # No message arrives before it is sent, so a lower sample is nearer to the truth.
            self._adopt(sample)
        elif sample - self.offset_ms <= NEAR_MS:
            self.offset_ms += (sample - self.offset_ms) // SMOOTHING
            self._far.clear()
        else:
            self._note_far(received_ms, sample)

    def observe(self, newest_ms: int, received_ms: int) -> None:
        """Follow the time of the newest position of a batch that brings no reading of the clock.

        Positions may be old, and a single one may have a wrong time: alone they only lower the estimate a little.
        """
        sample = received_ms - newest_ms
        if abs(sample) > LARGEST_OFFSET_MS:
            return
        if abs(sample - self.offset_ms) > NEAR_MS:
            self._note_far(received_ms, sample)
            return
        self._far.clear()
        if sample < self.offset_ms:
            self._adopt(sample)

    def _adopt(self, sample: int) -> None:
        self.offset_ms, self.known = sample, True
        self._far.clear()

    def _note_far(self, received_ms: int, sample: int) -> None:
        """Adopt the least of several samples in a row that agree."""
        if self._far and abs(sample - self._far[0][1]) > AGREEMENT_MS:
            self._far.clear()
        self._far.append((received_ms, sample))
        lasting = sample < self.offset_ms or received_ms - self._far[0][0] >= CONFIRMED_AFTER_MS
        if len(self._far) >= CONFIRMATIONS and lasting:
            self._adopt(min(far for _, far in self._far))
        elif len(self._far) > CONFIRMATIONS:
            # The first one dates the row; the last ones stand for it.
            del self._far[1]
