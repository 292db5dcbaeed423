"""Travel models agree with known distances, and with themselves one by one and all at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.travel import Planar, StraightLine

LAT, LNG = st.floats(-89, 89), st.floats(-180, 180)
MODELS = [StraightLine(1.3, (5.5,)), Planar(320.0, 60.0)]


def test_paris_to_london_is_344_km() -> None:
    metres, seconds = StraightLine(1.0, (10.0,)).leg(48.8566, 2.3522, 51.5074, -0.1278, 0.0)
    assert metres == pytest.approx(343_560, rel=1e-3)
    assert seconds == pytest.approx(metres / 10)


def test_speed_follows_the_hour() -> None:
    model = StraightLine(1.0, tuple(float(hour + 1) for hour in range(24)))
    assert model.speed(3 * 3600) == 4.0
    assert model.speed(86_400 + 23.5 * 3600) == 24.0


def test_the_plane_rounds_up_to_a_minute() -> None:
    metres, seconds = Planar(320.0, 60.0).leg(0.0, 0.0, 321.0, 0.0, 0.0)
    assert (metres, seconds) == (321.0, 120.0)


@pytest.mark.parametrize("model", MODELS, ids=["great circle", "plane"])
@given(a=LAT, b=LNG, c=LAT, d=LNG)
def test_one_leg_is_the_same_as_many(model, a, b, c, d) -> None:
    many = model.legs(np.array([a]), np.array([b]), np.array([c]), np.array([d]), 0.0)
    one = model.leg(a, b, c, d, 0.0)
    assert [float(many[0][0]), float(many[1][0])] == pytest.approx(one, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=["great circle", "plane"])
@given(a=LAT, b=LNG, c=LAT, d=LNG)
def test_no_leg_within_the_seconds_lies_outside_their_radius(model, a, b, c, d) -> None:
    _, seconds = model.leg(a, b, c, d, 0.0)
    points = model.embed(np.array([a, c]), np.array([b, d]))
    assert np.linalg.norm(points[0] - points[1]) <= model.radius(seconds, 0.0) * (1 + 1e-9) + 1e-6


def test_the_nearest_across_the_antimeridian_is_the_nearest() -> None:
    points = StraightLine(1.0, (10.0,)).embed(np.array([0.0, 0.0, 0.0]), np.array([179.9, -179.9, 178.0]))
    assert np.linalg.norm(points[0] - points[1]) < np.linalg.norm(points[0] - points[2])
