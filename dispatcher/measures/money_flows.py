"""Fares, pay, what surge adds to both, what the platform keeps, and how pay hangs together with the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dispatcher.measures.histogram import TAKE_RATE_EDGES, Histogram
from dispatcher.measures.records import CourierRecord, LiveJob
from dispatcher.times import SECOND
from gig.v1 import types_pb2 as types_pb

LINES = {number: name.removeprefix("PRICE_LINE_KIND_").lower() for name, number in types_pb.PriceLineKind.items()}
KINDS: dict[int, str] = {types_pb.JOB_KIND_RIDE: "ride", types_pb.JOB_KIND_DELIVERY: "delivery"}
HOUR_US = 3600 * SECOND
TIP = types_pb.PRICE_LINE_KIND_TIP
CLIENT, COURIER, TAX = types_pb.ACCOUNT_CLIENT, types_pb.ACCOUNT_COURIER, types_pb.ACCOUNT_TAX


@dataclass(slots=True)
class Spread:
    """Running sums of like jobs: count, sum and sum of squares of pay a kilometre, then of pay a minute."""

    count: int = 0
    per_km: float = 0.0
    per_km_squared: float = 0.0
    per_minute: float = 0.0
    per_minute_squared: float = 0.0


@dataclass(slots=True)
class Dispersion:
    """Pay for like jobs: of one kind, from one area, completed in one hour, of one length (within a factor of two).

    ``groups`` holds those of the present hour; ``squares`` what the hours before came to: sums over all jobs of squared
    relative deviations from their group's mean, by km and by minute; ``freedom``: jobs less groups.
    """

    hour: int = 0
    groups: dict[str, Spread] = field(default_factory=dict)
    squares: list[float] = field(default_factory=lambda: [0.0, 0.0])
    freedom: int = 0

    def add(self, group: str, hour: int, pay: int, km: float, minutes: float) -> None:
        if hour != self.hour:
            self.squares, self.freedom = self._closed()
            self.hour, self.groups = hour, {}
        like = self.groups.get(group)
        if like is None:
            like = self.groups[group] = Spread()
        per_km, per_minute = pay / km, pay / minutes
        like.count += 1
        like.per_km += per_km
        like.per_km_squared += per_km * per_km
        like.per_minute += per_minute
        like.per_minute_squared += per_minute * per_minute

    def _closed(self) -> tuple[list[float], int]:
        squares, freedom = list(self.squares), self.freedom
        for like in self.groups.values():
            if like.count > 1:
                freedom += like.count - 1
                for row, (total, squared) in enumerate(
                    ((like.per_km, like.per_km_squared), (like.per_minute, like.per_minute_squared))
                ):
                    mean = total / like.count
                    if mean:
                        squares[row] += max(squared / mean**2 - like.count, 0.0)
        return squares, freedom

    def variation(self) -> tuple[float, float] | None:
        """Pooled coefficients of variation within groups: pay a km, pay a minute. None without two like jobs."""
        squares, freedom = self._closed()
        return ((squares[0] / freedom) ** 0.5, (squares[1] / freedom) ** 0.5) if freedom else None


@dataclass(slots=True)
class Coupling:
    """Sums for the regression of pay on a constant, minutes and kilometres: the moments of (1, minutes, km, pay)."""

    moments: list[float] = field(default_factory=lambda: [0.0] * 10)

    def add(self, minutes: float, km: float, pay: int) -> None:
        m = self.moments
        m[0] += 1
        m[1] += minutes
        m[2] += km
        m[3] += pay
        m[4] += minutes * minutes
        m[5] += minutes * km
        m[6] += minutes * pay
        m[7] += km * km
        m[8] += km * pay
        m[9] += pay * pay

    def r_squared(self) -> float | None:
        """Share of the variance of pay that time and distance explain, by least squares; None where pay or the work
        does not vary, or there are fewer than four jobs."""
        n, t, d, y, tt, td, ty, dd, dy, yy = self.moments
        if n < 4:
            return None
        within = np.array([[tt - t * t / n, td - t * d / n], [td - t * d / n, dd - d * d / n]])
        with_pay = np.array([ty - t * y / n, dy - d * y / n])
        total = yy - y * y / n
        if total <= 1e-9 * yy or np.trace(within) <= 1e-9 * (tt + dd):
            return None
        return float(np.clip(with_pay @ np.linalg.lstsq(within, with_pay, rcond=None)[0] / total, 0.0, 1.0))


@dataclass(slots=True)
class MoneyFlows:
    """Minor units since the log began, by kind of job ("ride", "delivery") or by line of pay.

    ``surge``: what surge charged clients and paid couriers, of completed jobs.
    """

    fares: Counter[str] = field(default_factory=Counter)
    taxes: Counter[str] = field(default_factory=Counter)
    job_pay: Counter[str] = field(default_factory=Counter)
    pay: Counter[str] = field(default_factory=Counter)
    tips: int = 0
    other_fares: int = 0
    surge: Counter[str] = field(default_factory=Counter)
    take_rates: Histogram = field(default_factory=lambda: Histogram(TAKE_RATE_EDGES))
    dispersion: Dispersion = field(default_factory=Dispersion)
    coupling: dict[str, Coupling] = field(default_factory=dict)

    def settle(
        self, kind: str, legs: Iterable[types_pb.Posting], couriers: dict[str, CourierRecord]
    ) -> tuple[int, int]:
        """Book the legs of one event, of a job of this kind, or of none (""). Returns what its client paid after tax,
        and what couriers got, tips apart."""
        fare = tax = pay = 0
        courier: CourierRecord | None = None
        for leg in legs:
            account, amount = leg.account, leg.minor_units
            if account == COURIER:
                line = leg.line
                name = LINES[line]
                self.pay[name] += amount
                # All of an event's pay is one courier's.
                courier = courier or couriers.get(leg.holder_id)
                if courier is not None:
                    courier.pay[name] = courier.pay.get(name, 0) + amount
                if line != TIP:
                    pay += amount
            elif account == CLIENT:
                if leg.line != TIP:
                    fare -= amount
                else:
                    self.tips -= amount
            elif account == TAX:
                tax += amount
        if courier is not None:
            courier.earned += pay
        if kind:
            self.fares[kind] += fare
            self.taxes[kind] += tax
            self.job_pay[kind] += pay
        else:
            self.other_fares += fare
        return fare - tax, pay

    def completed(self, job: LiveJob, net: int, pay: int, now_us: int) -> None:
        """``net``: the fare less tax."""
        if net > 0:
            self.take_rates.add((net - pay) / net, job.offer_id)
        self.surge["charged"] += job.charged
        self.surge["paid"] += job.paid
        km, minutes = job.metres / 1000, (now_us - job.picked_up_us) / (60 * SECOND)
        if km > 0 and minutes > 0:
            kind = KINDS[job.kind]
            self.dispersion.add(f"{kind} {job.area} {job.metres.bit_length()}", now_us // HOUR_US, pay, km, minutes)
            coupling = self.coupling.get(kind)
            if coupling is None:
                coupling = self.coupling[kind] = Coupling()
            coupling.add(minutes, km, job.base_pay)

    def fares_all(self) -> int:
        return sum(self.fares.values()) + self.other_fares

    def pay_without_tips(self) -> int:
        return sum(amount for line, amount in self.pay.items() if line != "tip")
