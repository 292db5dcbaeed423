"""Data that the log holds of people's movements, and how old they are."""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.times import SECOND


@dataclass(slots=True)
class Harvest:
    """``count`` positions of couriers; ``time_sum_s``: their Unix times in sum, from which the mean age follows."""

    count: int = 0
    time_sum_s: float = 0.0

    def points(self, count: int, now_us: int) -> None:
        self.count += count
        self.time_sum_s += count * (now_us / SECOND)

    def mean_age_s(self, now_us: int) -> float | None:
        return now_us / SECOND - self.time_sum_s / self.count if self.count else None
