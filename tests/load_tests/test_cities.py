"""Cities ask for what they say: inside their zones, in order of time, repeatably."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from geo.geojson import zones_from_geojson
from load_tests.cities.generated import GeneratedCity
from load_tests.cities.manhattan import Manhattan
from load_tests.cities.manhattan_data import data_folder
from load_tests.traces.cargo import CargoCity, read_instance
from load_tests.traces.errors import TraceError


def city(kind: str, seed: int):
    rng = np.random.default_rng(seed)
    if kind == "generated":
        return GeneratedCity(rng), rng
    folder = data_folder()
    if folder is None:
        pytest.skip("the data of Manhattan are not installed (make setup)")
    return Manhattan(folder, rng), rng


@pytest.mark.parametrize("kind", ["generated", "manhattan"])
def test_every_request_lies_in_the_service_area_and_takes_time(kind: str) -> None:
    place, rng = city(kind, 3)
    zones = zones_from_geojson(place.zones_geojson)
    demands = list(islice(place.demands(rng, 30.0), 400))
    assert [demand.at_s for demand in demands] == sorted(demand.at_s for demand in demands)
    assert 10 < demands[-1].at_s / 60 < 17
    for demand in demands:
        for end, spot in (("pickup", demand.pickup), ("dropoff", demand.dropoff)):
            assert zones.refusal(spot.latitude, spot.longitude, end) is None
        assert place.leg(demand.pickup, demand.dropoff, 0.0).seconds >= 0
    assert len({demand.kind for demand in demands}) == 2


@pytest.mark.parametrize("kind", ["generated", "manhattan"])
def test_a_seed_is_a_city(kind: str) -> None:
    (one, rng_one), (two, rng_two) = city(kind, 5), city(kind, 5)
    assert list(islice(one.demands(rng_one, 20.0), 50)) == list(islice(two.demands(rng_two, 20.0), 50))


def cargo(folder: Path, **changes: str) -> Path:
    files = {
        "tiny.instance": (
            "tiny\nnet TAXI\nVEHICLES 1\nCUSTOMERS 1\n\nID ORIGIN DEST Q EARLY LATE\n1 0 -1 -3 0 -1\n2 1 2 1 5 400\n"
        ),
        "net.rnet": "0 0 1 -73.98 40.75 -73.97 40.75\n1 1 2 -73.97 40.75 -73.97 40.76\n",
        "net.edges": "3 2\n0 1 900\n1 2 1200\n",
    } | {name.replace("_", "."): text for name, text in changes.items()}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder / "tiny.instance"


def test_a_cargo_instance_plays_its_requests_on_its_roads(tmp_path: Path) -> None:
    place = CargoCity(read_instance(cargo(tmp_path)))
    (demand,) = place.demands(np.random.default_rng(0), 1.0)
    (home,) = place.homes(np.random.default_rng(0), 5)
    assert demand.at_s == 5
    assert place.leg(home, demand.pickup, 0.0).metres == 900
    assert place.leg(demand.pickup, demand.dropoff, 0.0).seconds == 120
    assert demand.patience_s == 400 - 5 - 120
    assert (home.latitude, home.longitude) == (40.75, -73.98)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tiny_instance": "x\n"}, "must begin with"),
        ({"tiny_instance": "t\nnet T\nVEHICLES 0\nCUSTOMERS 1\n1 a b 1 1 1\n"}, "line 5"),
        ({"tiny_instance": "t\nnet T\nVEHICLES 2\nCUSTOMERS 0\n1 0 -1 -3 0 -1\n"}, "holds 1 vehicles"),
        ({"tiny_instance": "t\nnet T\nVEHICLES 1\nCUSTOMERS 0\n1 9 -1 -3 0 -1\n"}, "node 9 is not in"),
        ({"net_rnet": "what\n"}, "net.rnet"),
    ],
)
def test_a_faulty_cargo_instance_says_where(tmp_path: Path, changes, said) -> None:
    with pytest.raises(TraceError, match=said):
        read_instance(cargo(tmp_path, **changes))
