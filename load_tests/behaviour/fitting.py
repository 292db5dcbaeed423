"""Behaviour from what a trace recorded: offers and their answers, clients who gave up, time at pickups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tomli_w

from dispatcher.currencies import minor_units_in
from geo.units import Floats
from load_tests.behaviour.settings import (
    Acceptance,
    Answer,
    Behaviour,
    Boarding,
    Clients,
    Couriers,
    Patience,
)
from load_tests.traces.reading import Trace

# Of answers of each kind, and of clients who gave up: fewer say too little.
LEAST_ANSWERS = 25
LEAST_DELAYS = 50
TERMS = ("intercept", "pay_per_hour", "pickup_minutes", "waited_minutes")


@dataclass(frozen=True, slots=True)
class Fit:
    """``errors``: standard errors of the acceptance's coefficients. ``notes``: what was fitted from how much, and what
    could not be."""

    behaviour: Behaviour
    errors: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def fit(trace: Trace) -> Fit:
    """What the trace does not hold stays as in the preset "fixed"."""
    notes: list[str] = []
    acceptance, errors = fit_acceptance(trace.offers, trace.about.currency, notes)
    behaviour = Behaviour(
        name=f"fitted-{trace.about.name}",
        description=f"Fitted from {trace.about.name}.",
        couriers=Couriers(acceptance=acceptance, answer=fit_answer(trace.offers, notes)),
        clients=Clients(patience=fit_patience(trace.requests, notes), boarding=fit_boarding(trace.requests, notes)),
    )
    return Fit(behaviour, errors, notes)


def fit_acceptance(offers: pa.Table, currency: str, notes: list[str]) -> tuple[Acceptance, dict[str, float]]:
    """Logit by maximum likelihood on accepted and declined offers; standard errors from the Fisher information."""
    answered = offers.filter(pc.is_in(offers["outcome"], value_set=pa.array(["accepted", "declined"])))
    taken = (answered["outcome"].to_numpy(zero_copy_only=False) == "accepted").astype(np.float64)
    if min(taken.sum(), taken.size - taken.sum()) < LEAST_ANSWERS:
        notes.append(f"acceptance: {taken.size} answers, too few of one kind to fit; always accepted")
        return Acceptance(), {}
    seconds = np.maximum(answered["pickup_s"].to_numpy() + answered["trip_s"].to_numpy(), 1.0)
    inputs = np.column_stack(
        [
            np.ones(taken.size),
            answered["pay_minor"].to_numpy() / minor_units_in(currency) / seconds * 3600,
            answered["pickup_s"].to_numpy() / 60,
            answered["waited_s"].to_numpy() / 60,
        ]
    )
    weights, deviations = logit(inputs, taken)
    notes.append(f"acceptance: logit on {taken.size} answers, {taken.mean():.1%} accepted")
    named = dict(zip(TERMS, weights.tolist(), strict=True))
    return Acceptance(model="logit", **named), dict(zip(TERMS, deviations.tolist(), strict=True))


def logit(inputs: Floats, taken: Floats) -> tuple[Floats, Floats]:
    """Coefficients and their standard errors. ``inputs``: shape (n, k), the first column ones; a ridge of 1e-6 keeps a
    column that never varies from running away."""
    from scipy.optimize import minimize

    scale = np.where(inputs.std(axis=0) > 0, inputs.std(axis=0), 1.0)
    scaled = inputs / scale

    def loss(weights: Floats) -> tuple[float, Floats]:
        utility = scaled @ weights
        value = np.logaddexp(0, utility).sum() - (taken * utility).sum() + 1e-6 * (weights**2).sum()
        gradient = scaled.T @ (1 / (1 + np.exp(-utility)) - taken) + 2e-6 * weights
        return float(value), gradient

    found = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="BFGS").x
    chance = 1 / (1 + np.exp(-scaled @ found))
    information = (scaled * (chance * (1 - chance))[:, None]).T @ scaled + 2e-6 * np.eye(found.size)
    return found / scale, np.sqrt(np.diag(np.linalg.inv(information))) / scale


def fit_answer(offers: pa.Table, notes: list[str]) -> Answer:
    """Lognormal delays of answers by their logs' mean and deviation; the share of offers that nobody answered."""
    outcome = offers["outcome"].to_numpy(zero_copy_only=False)
    delays = _span_s(offers["make_time"], offers["answer_time"])
    delays = delays[delays > 0]
    if delays.size < LEAST_DELAYS:
        notes.append(f"answers: {delays.size} delays, too few to fit; at once")
        return Answer()
    silent = float((outcome == "timed_out").sum() / max((outcome != "withdrawn").sum(), 1))
    notes.append(f"answers: lognormal on {delays.size} delays, {silent:.1%} of offers unanswered")
    return Answer(**lognormal(delays), silent_share=silent)


def lognormal(seconds: Floats) -> dict[str, float]:
    """``median_s`` and ``sigma`` of what is above zero, by maximum likelihood."""
    logs = np.log(seconds)
    return {"median_s": float(np.exp(logs.mean())), "sigma": float(logs.std())}


def fit_patience(requests: pa.Table, notes: list[str]) -> Patience:
    """Weibull by maximum likelihood: who gave up without a courier waited so long; whoever got one would have waited at
    least until then (censored)."""
    state = requests["recorded_state"].to_numpy(zero_copy_only=False)
    assigned, ended = (
        _span_s(requests["request_time"], requests[name]) for name in ("recorded_assign_time", "recorded_end_time")
    )
    gave_up = (state == "cancelled") & ~np.isfinite(assigned) & (ended > 0)
    matched = np.isfinite(assigned) & (assigned > 0)
    if gave_up.sum() < LEAST_ANSWERS:
        notes.append(f"patience: {int(gave_up.sum())} gave up, too few to fit; nobody does")
        return Patience()
    shape, scale = weibull(ended[gave_up], assigned[matched])
    notes.append(f"patience: Weibull on {int(gave_up.sum())} who gave up, {int(matched.sum())} who were matched before")
    return Patience(scale_s=scale, shape=shape)


def weibull(over: Floats, censored: Floats) -> tuple[float, float]:
    """Shape and scale, by maximum likelihood with right-censoring."""
    from scipy.optimize import minimize

    every = np.concatenate([over, censored])

    def loss(logs: Floats) -> float:
        shape, scale = np.exp(np.clip(logs, -4, 30))
        hazard = over.size * (np.log(shape) - shape * np.log(scale)) + (shape - 1) * np.log(over).sum()
        return float(((every / scale) ** shape).sum() - hazard)

    start = np.array([0.0, np.log(every.sum() / over.size)])
    shape, scale = np.exp(minimize(loss, start, method="Nelder-Mead").x).tolist()
    return shape, scale


def fit_boarding(requests: pa.Table, notes: list[str]) -> Boarding:
    """Lognormal time from arrival to pickup, of those who did not wait for something to be ready."""
    arrived, left, ready = (
        requests[name].cast(pa.int64()).to_numpy(zero_copy_only=False) / 1e6
        for name in ("recorded_arrive_time", "recorded_pickup_time", "pickup_after")
    )
    waited = left - np.fmax(arrived, ready)
    waited = waited[np.isfinite(waited) & (waited > 0)]
    if waited.size < LEAST_DELAYS:
        notes.append(f"boarding: {waited.size} recorded, too few to fit; at once")
        return Boarding()
    notes.append(f"boarding: lognormal on {waited.size} pickups")
    return Boarding(**lognormal(waited))


def _span_s(start: pa.ChunkedArray, end: pa.ChunkedArray) -> Floats:
    """Seconds from one time to the other; NaN where either is missing."""
    found: Floats = pc.subtract(end.cast(pa.int64()), start.cast(pa.int64())).to_numpy(zero_copy_only=False) / 1e6
    return found


def as_toml(found: Fit) -> str:
    """As people read it, with what each part was fitted from."""
    kept: dict[str, Any] = found.behaviour.model_dump(exclude_none=True, exclude_defaults=True)
    text = "".join(f"# {note}\n" for note in found.notes)
    text += "".join(f"# {name}: standard error {error:.4g}\n" for name, error in found.errors.items())
    return text + tomli_w.dumps(kept)
