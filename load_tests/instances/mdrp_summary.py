"""What a replayed day comes to, in the figures of the literature."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from dispatcher.measures import Measures
from load_tests.instances.mdrp_day import Day, Delivery
from load_tests.replay.simulation import log_sha256, round_times


def summarise(day: Day) -> dict[str, Any]:
    """Times in minutes, pay in dollars.

    ``utilisation`` is a ratio of sums: minutes driving and at service / minutes of all shifts.
    ``share_on_guarantee``: couriers whose orders earned less than the guarantee.
    """
    deliveries, rules = day.deliveries, day.instance.parameters
    measures = Measures()
    for event in day.events:
        measures.fold(event)
    served = [
        (order, d.pickup, dropoff) for d in deliveries for order, dropoff in zip(d.orders, d.dropoffs, strict=True)
    ]
    click_to_door = np.array([dropoff - order.placement for order, _, dropoff in served])
    ready_to_door = np.array([dropoff - order.ready for order, _, dropoff in served])
    ready_to_pickup = np.array([pickup - order.ready for order, pickup, _ in served])
    working: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    for delivery in deliveries:
        working[delivery.courier] += _minutes_at_work(day, delivery)
        count[delivery.courier] += len(delivery.orders)
    shifts = {shift.name: shift.off - shift.on for shift in day.instance.shifts}
    on_guarantee = sum(
        count[name] * rules.pay_per_order < rules.guaranteed_pay_per_hour * minutes / 60
        for name, minutes in shifts.items()
    )
    return {
        "instance": day.instance.name,
        "policy": day.policy.name,
        "orders": len(day.instance.orders),
        "delivered": len(served),
        "undelivered_share": _ratio(len(day.instance.orders) - len(served), len(day.instance.orders)),
        "orders_per_bundle": _ratio(len(served), len(deliveries)),
        "click_to_door_mean_min": _mean(click_to_door),
        "click_to_door_p90_min": _p90(click_to_door),
        "ready_to_door_mean_min": _mean(ready_to_door),
        "ready_to_pickup_mean_min": _mean(ready_to_pickup),
        "ready_to_pickup_p90_min": _p90(ready_to_pickup),
        "over_target_share": _mean(click_to_door > rules.target_click_to_door),
        "courier_pay": measures.money.pay_without_tips() / 100,
        "pay_per_order": _ratio(measures.money.pay_without_tips() / 100, len(served)),
        "share_on_guarantee": _ratio(on_guarantee, len(shifts)),
        "utilisation": _ratio(sum(working.values()), sum(shifts.values())),
        **round_times(day.round_s),
        "log_events": len(day.events),
        "log_sha256": log_sha256(day.events),
    }


def _minutes_at_work(day: Day, delivery: Delivery) -> float:
    """Driving and service; waiting for the kitchen is not counted."""
    rules = day.instance.parameters
    after_pickup = delivery.dropoffs[-1] + rules.dropoff_service / 2 - delivery.pickup
    return delivery.minutes_to_restaurant + rules.pickup_service / 2 + after_pickup


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 3) if values.size else None


def _p90(values: np.ndarray) -> float | None:
    return round(float(np.percentile(values, 90)), 3) if values.size else None


def _ratio(numerator: float, denominator: float) -> float | None:
    return round(numerator / denominator, 4) if denominator else None
