"""What people do, drawn from their models by common random numbers."""

from __future__ import annotations

from math import exp, log

import numpy as np

from geo.units import Floats
from load_tests.behaviour.chance import About, draw, draws, normal_quantiles
from load_tests.behaviour.settings import Acceptance, Answer, Behaviour, Boarding, OutsideWork, Patience


def accepts(
    model: Acceptance, seed: int, courier: int, job: int, pay: float, pickup_s: float, trip_s: float, waited_s: float
) -> bool:
    """``pay`` in units of the currency. The draw belongs to the pair: a better offer of the same job to the same
    courier is never refused where a worse one would have been taken."""
    if model.model == "always":
        return True
    return draw(seed, About.ACCEPTANCE, courier, job) < acceptance(model, pay, pickup_s, trip_s, waited_s)


def acceptance(model: Acceptance, pay: float, pickup_s: float, trip_s: float, waited_s: float) -> float:
    """The probability that an offer is accepted."""
    hourly = pay / max(pickup_s + trip_s, 1.0) * 3600
    utility = (
        model.intercept
        + model.pay_per_hour * hourly
        + model.pickup_minutes * pickup_s / 60
        + model.waited_minutes * waited_s / 60
    )
    return 1 / (1 + exp(-max(min(utility, 40.0), -40.0)))


def answer_delay_s(model: Answer, seed: int, courier: int, job: int) -> float | None:
    """None: the offer is not answered at all."""
    if model.silent_share and draw(seed, About.SILENCE, courier, job) < model.silent_share:
        return None
    return lognormal(model.median_s, model.sigma, draw(seed, About.ANSWER_DELAY, courier, job))


def patience_s(model: Patience, seed: int, requests: int) -> Floats:
    """Of each request in the trace's order; infinite where nobody gives up."""
    if model.scale_s is None:
        return np.full(requests, np.inf)
    left = 1 - draws(seed, About.PATIENCE, np.arange(requests))
    found: Floats = model.scale_s * (-np.log(left)) ** (1 / model.shape)
    return found


def boarding_s(model: Boarding, seed: int, requests: int) -> Floats:
    """Of each request in the trace's order."""
    if not model.median_s:
        return np.zeros(requests)
    drawn = normal_quantiles(draws(seed, About.BOARDING, np.arange(requests)))
    found: Floats = model.median_s * np.exp(model.sigma * drawn)
    return found


def multi_homes(model: OutsideWork, seed: int, courier: int) -> bool:
    return model.share > 0 and draw(seed, About.MULTI_HOMES, courier) < model.share


def outside_offer_in_s(model: OutsideWork, seed: int, courier: int, spell: int) -> float:
    """Seconds until somebody else has work for a free courier, from the beginning of their ``spell``-th idle spell."""
    if not model.per_idle_hour:
        return float("inf")
    return -log(1 - draw(seed, About.OUTSIDE_WORK, courier, spell)) / model.per_idle_hour * 3600


def outside_work_s(model: OutsideWork, seed: int, courier: int, spell: int) -> float:
    return lognormal(model.median_minutes * 60, model.sigma, draw(seed, About.OUTSIDE_TIME, courier, spell))


def stars_given(behaviour: Behaviour, seed: int, job: int) -> int:
    """1 to 5, or 0 where the client says nothing."""
    model = behaviour.clients.ratings
    drawn = draw(seed, About.RATING, job)
    if drawn >= model.share:
        return 0
    at, passed = drawn / model.share, 0.0
    for stars, share in enumerate(model.stars, start=1):
        passed += share
        if at < passed:
            return stars
    return 5


def lognormal(median: float, sigma: float, drawn: float) -> float:
    if not median or not sigma:
        return median
    return median * exp(sigma * float(normal_quantiles(drawn)))
