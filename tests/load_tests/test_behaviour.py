"""Behaviour is seeded, shared between policies, fitted back from what it made, and refused where it is nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.behaviour import acts, chance, fitting, settings
from load_tests.behaviour.chance import About
from load_tests.behaviour.settings import Acceptance, Answer, Boarding, OutsideWork, Patience
from load_tests.traces.errors import TraceError
from load_tests.traces.reading import Trace

KEYS = st.integers(0, 2**40)


@given(seed=st.integers(0, 2**31), keys=st.lists(KEYS, min_size=1, max_size=20))
def test_one_draw_is_the_same_as_among_many(seed: int, keys: list[int]) -> None:
    many = chance.draws(seed, About.PATIENCE, np.array(keys, np.int64))
    assert many.tolist() == [chance.draw(seed, About.PATIENCE, key) for key in keys]


def test_draws_are_uniform_and_those_for_different_things_are_independent() -> None:
    keys = np.arange(200_000)
    first, second = chance.draws(7, About.PATIENCE, keys), chance.draws(7, About.BOARDING, keys)
    assert np.abs(np.histogram(first, 20, (0, 1))[0] / keys.size - 0.05).max() < 0.003
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.01
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.01


MODEL = Acceptance(model="logit", intercept=-0.5, pay_per_hour=0.05, pickup_minutes=-0.2, waited_minutes=0.04)
AMOUNT = st.floats(0, 200)


@given(seed=st.integers(0, 1000), courier=KEYS, job=KEYS, pay=AMOUNT, more=AMOUNT, pickup=st.floats(0, 3000))
def test_who_takes_a_job_takes_it_for_more_too(seed, courier, job, pay, more, pickup) -> None:
    arguments = (pickup, 600.0, 120.0)
    if acts.accepts(MODEL, seed, courier, job, pay, *arguments):
        assert acts.accepts(MODEL, seed, courier, job, pay + more, *arguments)


def test_in_the_preset_for_instances_everyone_does_as_they_are_told() -> None:
    fixed = settings.load("fixed")
    assert acts.accepts(fixed.couriers.acceptance, 1, 2, 3, 0.0, 9999.0, 1.0, 0.0)
    assert acts.answer_delay_s(fixed.couriers.answer, 1, 2, 3) == 0.0
    assert np.isinf(acts.patience_s(fixed.clients.patience, 1, 10)).all()
    assert not acts.multi_homes(fixed.couriers.outside_work, 1, 2)
    assert acts.stars_given(fixed, 1, 2) == 0


def test_acceptance_is_found_again_from_the_answers_that_it_made() -> None:
    rng = np.random.default_rng(1)
    count = 20_000
    pay, pickup, trip, waited = (
        rng.uniform(3, 30, count),
        rng.uniform(60, 1200, count),
        rng.uniform(300, 1500, count),
        rng.uniform(0, 1800, count),
    )
    chances = [acts.acceptance(MODEL, *row) for row in zip(pay, pickup, trip, waited, strict=True)]
    taken = (rng.random(count) < np.array(chances)).astype(float)
    inputs = np.column_stack([np.ones(count), pay / (pickup + trip) * 3600, pickup / 60, waited / 60])
    found, errors = fitting.logit(inputs, taken)
    truth = np.array([MODEL.intercept, MODEL.pay_per_hour, MODEL.pickup_minutes, MODEL.waited_minutes])
    assert (abs(found - truth) < 4 * errors).all()
    assert (errors < 0.2 * abs(truth) + 0.02).all()


def test_patience_is_found_again_though_most_clients_were_matched_before() -> None:
    patience = acts.patience_s(Patience(scale_s=600.0, shape=1.5), 3, 20_000)
    matched = np.random.default_rng(2).exponential(240.0, 20_000)
    shape, scale = fitting.weibull(patience[patience < matched], matched[matched <= patience])
    assert shape == pytest.approx(1.5, rel=0.05)
    assert scale == pytest.approx(600.0, rel=0.05)


def test_delays_have_the_median_that_is_asked_for() -> None:
    delays = [
        acts.answer_delay_s(Answer(median_s=5.0, sigma=0.5, silent_share=0.1), 1, 7, job) for job in range(20_000)
    ]
    known = [delay for delay in delays if delay is not None]
    assert len(known) / len(delays) == pytest.approx(0.9, abs=0.01)
    assert np.median(known) == pytest.approx(5.0, rel=0.03)
    assert np.median(acts.boarding_s(Boarding(median_s=45.0, sigma=0.7), 1, 20_000)) == pytest.approx(45.0, rel=0.03)


def test_outside_work_comes_at_its_rate() -> None:
    model = OutsideWork(share=1.0, per_idle_hour=2.0)
    waits = [acts.outside_offer_in_s(model, 1, 5, spell) for spell in range(20_000)]
    assert np.mean(waits) == pytest.approx(1800.0, rel=0.03)


def test_a_log_is_fitted_whole_and_says_from_how_much(log_trace: Trace) -> None:
    found = fitting.fit(log_trace)
    made = settings.load("lively").couriers
    assert found.behaviour.couriers.answer.median_s == pytest.approx(made.answer.median_s, rel=0.2)
    assert found.behaviour.clients.boarding.median_s == pytest.approx(45.0, rel=0.25)
    assert any(note.startswith("acceptance: logit on") for note in found.notes)
    again = settings.parse(fitting.as_toml(found), "fitted")
    assert again == found.behaviour


def test_what_a_trace_does_not_hold_is_not_made_up(day: Trace) -> None:
    found = fitting.fit(day)
    fixed = settings.load("fixed")
    assert (found.behaviour.couriers, found.behaviour.clients) == (fixed.couriers, fixed.clients)
    assert len(found.notes) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name = "x"\n[couriers.answer]\nsilent_share = 1.5', "couriers.answer.silent_share"),
        ('name = "x"\n[clients.ratings]\nstars = [1, 1, 0, 0, 0]', "clients.ratings"),
        ('name = "x"\n[couriers.patience]\nscale_s = 3', "couriers.patience"),
        ("name = ", "Invalid value"),
    ],
)
def test_a_wrong_parameter_is_named(text: str, told: str) -> None:
    with pytest.raises(TraceError, match=told):
        settings.parse(text, "mine.toml")
