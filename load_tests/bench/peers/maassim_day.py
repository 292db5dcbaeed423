"""A trace on MaaSSim 0.9.5, a public simulator (MIT), for comparison: same requests, same couriers, same ways.

Run by a Python that has it, not by this project's:

    python3 -m venv maassim
    maassim/bin/pip install "pandas<3" "numpy<2.2" simpy networkx dotmap scipy matplotlib seaborn pyarrow
    maassim/bin/pip install --no-deps MaaSSim==0.9.5
    maassim/bin/python load_tests/bench/peers/maassim_day.py day

``day`` is a folder that `gig trace generate --all-day` wrote: MaaSSim 0.9.5 keeps offering to couriers whose shift is
over, and ends with an error. Couriers accept everything; a request waits twenty minutes at most; ways are great circles
times 1.2 at 5.5 m/s, as the policy "plain" has them. Two seconds pass between asking and setting out.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

# MaaSSim imports these for its own maps and pooled rides, of which nothing is used here; neither installs any more.
for name in ("osmnx", "osmnx.distance", "ExMAS", "ExMAS.main"):
    module = types.ModuleType(name)
    module.get_nearest_node = module.matching = module.main = None  # type: ignore[attr-defined]
    sys.modules[name] = module

from dotmap import DotMap  # noqa: E402
from MaaSSim.data_structures import structures  # noqa: E402
from MaaSSim.driver import driverEvent  # noqa: E402
from MaaSSim.maassim import Simulator  # noqa: E402

CIRCUITY, SPEED_MPS, PATIENCE_S = 1.2, 5.5, 1_200
EARTH_M = 6_371_008.8
ENDS = ("pickup", "dropoff")


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    requests, shifts = _table(folder / "requests.parquet"), _table(folder / "shifts.parquet")
    data = structures.copy()
    places = pd.concat(
        [
            *(requests[[f"{end}_latitude", f"{end}_longitude"]].set_axis(["y", "x"], axis=1) for end in ENDS),
            shifts[["latitude", "longitude"]].set_axis(["y", "x"], axis=1),
        ],
        ignore_index=True,
    )
    count = len(requests)
    data.nodes = places
    data.skim = pd.DataFrame(_metres(places.y.to_numpy(), places.x.to_numpy()))
    start = requests.request_time.min()
    data.requests = _requests(requests)
    data.passengers = pd.DataFrame(
        {"pos": data.requests.origin, "event": None, "platforms": [[0]] * count}, index=data.requests.index
    )
    data.vehicles = pd.DataFrame(
        {
            "pos": range(2 * count, 2 * count + len(shifts)),
            "event": driverEvent.STARTS_DAY,
            "shift_start": (shifts.online_time - start).dt.total_seconds().clip(lower=0).astype(int),
            "shift_end": (shifts.offline_time - start).dt.total_seconds().astype(int),
            "platform": 0,
            "expected_income": 0,
        }
    )
    data.vehicles.index += 1
    data.platforms = pd.DataFrame({"fare": [1.0], "name": ["only"], "batch_time": [30]})
    hours = int(np.ceil((shifts.offline_time.max() - start).total_seconds() / 3600))
    params = DotMap(
        {
            "city": "straight lines",
            "nP": count,
            "nV": len(shifts),
            "simTime": hours,
            "sleep": 0,
            "assert_me": False,
            "times": {
                "request": 1,
                "transaction": 1,
                "pickup": 0,
                "dropoff": 0,
                "patience": PATIENCE_S,
                "pickup_patience": 90,
            },
            "speeds": {"walk": 1.2, "ride": SPEED_MPS},
        }
    )
    began = time.perf_counter()
    simulator = Simulator(data, params=params, logger_level=logging.ERROR)
    simulator.make_and_run(run_id=0)
    took = time.perf_counter() - began
    trips = simulator.runs[0].trips
    asked = trips[trips.event == "REQUESTS_RIDE"].set_index("pax").t
    met = trips[trips.event == "MEETS_DRIVER_AT_PICKUP"].set_index("pax").t
    done = trips[trips.event == "ARRIVES_AT_DEST"].pax.nunique()
    figures = {
        "requests": count,
        "couriers": len(shifts),
        "seconds": round(took, 1),
        "requests_per_s": round(count / took, 1),
        "service_rate": round(done / count, 4),
        "mean_wait_s": round(float((met - asked.reindex(met.index)).mean()), 1),
    }
    print(json.dumps(figures))


def _table(path: Path) -> pd.DataFrame:
    """Column by column: as plain as it can be."""
    table = pq.read_table(path)
    return pd.DataFrame({name: table[name].to_numpy() for name in table.column_names})


def _requests(requests: pd.DataFrame) -> pd.DataFrame:
    """MaaSSim's table: each request with the schedule of one who rides alone."""
    count = len(requests)
    table = pd.DataFrame(
        {
            "pax_id": range(count),
            "origin": range(count),
            "destination": range(count, 2 * count),
            "treq": requests.request_time,
            "ttrav": pd.Timedelta(0),
            "dist": 0.0,
            "shareable": False,
            "ride_id": range(count),
            "position": 0,
        }
    )
    table["sim_schedule"] = [
        pd.DataFrame(
            {"node": [None, row, count + row], "time": None, "req_id": [None, row, row], "od": [None, "o", "d"]}
        )
        for row in range(count)
    ]
    return table


def _metres(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Shape (n, n): great circles times the circuity."""
    y, x = np.radians(latitude)[:, None], np.radians(longitude)[:, None]
    chord = np.sin((y - y.T) / 2) ** 2 + np.cos(y) * np.cos(y.T) * np.sin((x - x.T) / 2) ** 2
    found: np.ndarray = 2 * EARTH_M * np.arcsin(np.sqrt(chord)) * CIRCUITY
    return found.astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
