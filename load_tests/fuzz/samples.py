"""Sound files for the readers, as their writers make them."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapefile
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dispatcher.log.files import read_log, write_log
from load_tests.bench.busy_market import BusyMarket
from load_tests.cities.generated import GeneratedCity
from load_tests.traces.reading import open_trace
from load_tests.traces.writing import write_trace
from services.auth.issuing import Issuer, jwks, new_key, write_private_key

Files = Mapping[str, bytes]

MDRP = {
    "orders.txt": (
        "order\tx\ty\tplacement_time\trestaurant\tready_time\n"
        "o1\t1000\t2000\t600\tr1\t610\no2\t-1000\t500\t605.5\tr1\t620\n"
    ),
    "restaurants.txt": "restaurant\tx\ty\nr1\t0\t0\n",
    "couriers.txt": "courier\tx\ty\ton_time\toff_time\nc1\t0\t100\t0\t900\n",
    "instance_parameters.txt": (
        "meters_per_minute\tpickup service minutes\tdropoff service minutes\ttarget click-to-door\t"
        "maximum click-to-door\tpay per order\tguaranteed pay per hour\n320\t4\t4\t40\t90\t10\t15\n"
    ),
}
MDRP_SOLUTION = {
    "solution_info_assignments.txt": "assignment_time pickup_time courier order\n600 614 c1 o1 o2\n",
    "solution_info_orders.txt": (
        "order placement_time ready_time pickup_time dropoff_time courier\n"
        "o1 600 610 614 625 c1\no2 605.5 620 614 640 c1\n"
    ),
    "solution_info_couriers.txt": "courier departure_time origin destination\nc1 600 0 r1\nc1 616 r1 o1\n",
}
CARGO = {
    "day.instance": (
        "day\nmini road\nVEHICLES 1\nCUSTOMERS 1\n\nID ORIGIN DEST Q EARLY LATE\n0 0 -1 -3 0 -1\n1 1 2 1 0 600\n"
    ),
    "mini.rnet": "0 0 1 8.00 50.00 8.01 50.00\n1 1 2 8.01 50.00 8.01 50.01\n2 2 0 8.01 50.01 8.00 50.00\n",
    "mini.edges": "3 3\n0 1 700\n1 2 1100\n2 0 1300\n",
}
ROUTES = {"routes.txt": "vehicle time_s node action customer\n0 0.000000 0 . .\n0 70.5 1 + 1\n0 180.25 2 - 1\n"}
PLAIN = {
    "file.csv": (
        "request_id,request_time,pickup_latitude,pickup_longitude,dropoff_latitude,dropoff_longitude,kind,persons\n"
        "a,2026-05-01T10:00:00Z,50.0,8.0,50.1,8.1,delivery,\nb,2026-05-01T10:01:00Z,50.0,8.0,50.1,8.1,,3\n"
        "c,2026-05-01 10:02:00 UTC,50.01,8.05,50.11,8.15,ride,1\n"
    ),
    "file.shifts.csv": (
        "courier_id,online_time,offline_time,latitude,longitude,vehicle\n"
        "k,2026-05-01T09:00:00Z,2026-05-01T12:00:00Z,50.0,8.0,car\nl,2026-05-01T09:00:00Z,2026-05-01T12:00:00Z,50,8,\n"
    ),
}
CHICAGO = (
    "Trip ID,Trip Start Timestamp,Trip Seconds,Trip Miles,Pickup Centroid Latitude,Pickup Centroid Longitude,"
    "Dropoff Centroid Latitude,Dropoff Centroid Longitude,Fare,Tip\n"
    "a,08/01/2019 05:15:00 PM,600,2.5,41.88,-87.63,41.90,-87.65,10,2\n"
    "b,1564701300,700,3.5,41.89,-87.64,41.91,-87.66,12,0\n"
)
TAXI = (
    "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,PULocationID,DOLocationID,"
    "fare_amount,tip_amount\n"
    "1,2025-11-02 00:50:00,2025-11-02 01:10:00,1,1.6,152,230,7.0,2.15\n"
    "2,2025-11-02 00:50:00,2025-11-02 01:10:00,1,1.6,152,230,-7.0,0\n"
    "2,2025-11-02 02:11:55,2025-11-02 02:19:00,5,0.79,230,230,5.0,0.0\n"
)
CENTROIDS = "LocationID,latitude,longitude\n152,40.8184,-73.9540\n230,40.7598,-73.9848\n"
SETTINGS = 'market = "main"\nclock_speed = 2.0\ncalls_per_second = 50\nwithout_token = ["health"]\n'
JOURNAL = (
    '{"kind": "placed", "client_id": "ann", "request_id": "r", "job_id": "j"}\n'
    '{"kind": "answered", "courier_id": "bo", "offer_id": "o", "accepted": true}\n'
)
LONGITUDE_LATITUDE = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]]'
)


def encoded(files: Mapping[str, str]) -> list[Files]:
    return [{name: text.encode() for name, text in files.items()}]


def presets(package: str) -> list[Files]:
    found = [
        entry.read_text("utf-8-sig") for entry in resources.files(package).iterdir() if entry.name.endswith(".toml")
    ]
    return [{"file": text.encode()} for text in found]


@cache
def log() -> bytes:
    """Return the log of a market that three couriers serve for some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        write_log(path, BusyMarket(3, 3.0, 0.3).run())
        return path.read_bytes()


def backup() -> list[Files]:
    events = sum(1 for _ in _events(log()))
    return [{f"main-{1:012d}-{events:012d}.log.gz": gzip.compress(log())}]


def _events(data: bytes) -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        path.write_bytes(data)
        yield from read_log(path)


@cache
def converted() -> Files:
    """Return a trace as `gig trace convert` writes it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in PLAIN.items():
            (folder / file).write_text(text, "utf-8")
        write_trace(open_trace(folder / "file.csv"), folder / "trace")
        return {f"trace/{path.name}": path.read_bytes() for path in (folder / "trace").iterdir()}


def records(prefix: str) -> Callable[[], list[Files]]:
    """Return TLC's records of a kind: ``prefix`` is tpep, lpep, or empty for high-volume vehicles."""

    def made() -> list[Files]:
        start = datetime(2025, 11, 2, 0, 30)
        at = [start + timedelta(minutes=20 * number) for number in range(5)]
        over = [moment + timedelta(minutes=15) for moment in at]
        columns = {
            "PULocationID": pa.array([152, 230, 152, 230, 152], pa.int32()),
            "DOLocationID": pa.array([230, 230, 152, 152, 230], pa.int32()),
        }
        if prefix:
            columns |= {f"{prefix}_pickup_datetime": at, f"{prefix}_dropoff_datetime": over}
            columns |= {"passenger_count": [1.0, 2.0, None, 6.0, 0.0], "trip_distance": [2.0, 0.5, 0.0, 3.0, 1.0]}
            columns |= {"fare_amount": [15.6, 5.0, 4.5, 20.0, -20.0], "tip_amount": [3.1, 0.0, 0.0, 1.0, 0.0]}
        else:
            columns |= {"request_datetime": at, "on_scene_datetime": [at[0], None, *at[2:]]}
            columns |= {"pickup_datetime": [moment + timedelta(minutes=2) for moment in at], "dropoff_datetime": over}
            columns |= {"trip_miles": [2.0, 0.5, 0.7, 3.0, 1.0], "base_passenger_fare": [15.6, 5.0, 4.5, 20.0, 9.0]}
            columns |= {"driver_pay": [12.0, 4.0, 4.0, 15.0, 7.0], "tips": [0.0, 1.0, 0.0, 0.0, 0.0]}
        out = io.BytesIO()
        pq.write_table(pa.table(columns), out)
        return [{"file.parquet": out.getvalue(), "zones.csv": CENTROIDS.encode()}]

    return made


def taxi_csv() -> list[Files]:
    return [{"file.csv": TAXI.encode(), "zones.csv": CENTROIDS.encode()}]


def zones_geojson() -> list[Files]:
    city = GeneratedCity(np.random.default_rng(1)).zones_geojson.encode()
    ring = "[[179.9, 1.0], [-179.9, 1.0], [-179.9, 1.2], [179.9, 1.2], [179.9, 1.0]]"
    polygon = f'{{"type": "Polygon", "coordinates": [{ring}]}}'
    across = f'{{"type": "Feature", "id": 7, "properties": null, "geometry": {polygon}}}'
    return [{"file": city}, {"file": across.encode()}]


def trace_zones_geojson() -> list[Files]:
    """Return four zones of sixteen corners with the attributes that published zones have."""
    turn = np.linspace(0, 2 * np.pi, 17)
    features = []
    for number in range(1, 5):
        ring = np.column_stack([8 + number / 10 + 0.04 * np.cos(turn), 50 + 0.04 * np.sin(turn)]).round(6)
        ring[-1] = ring[0]
        properties = {"LocationID": f"{number}.0", "zone": f"zone {number}", "borough": "Bornheim", "shape_area": 0.005}
        geometry = {"type": "Polygon", "coordinates": [ring.tolist()]}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return [{"file.geojson": json.dumps({"type": "FeatureCollection", "features": features}).encode()}]


@cache
def shapes() -> Files:
    """Return two zones as a shapefile."""
    shp, shx, dbf = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with shapefile.Writer(shp=shp, shx=shx, dbf=dbf) as writer:
        writer.field("LocationID", "N")
        writer.field("zone", "C")
        for number in (1, 2):
            west = 8 + number / 10
            writer.poly([[[west, 50.0], [west, 50.1], [west + 0.05, 50.1], [west + 0.05, 50.0], [west, 50.0]]])
            writer.record(number, f"zone {number}")
    parts = {"shp": shp.getvalue(), "shx": shx.getvalue(), "dbf": dbf.getvalue(), "prj": LONGITUDE_LATITUDE.encode()}
    return {f"file.{suffix}": data for suffix, data in parts.items()}


def archive() -> list[Files]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in shapes().items():
            file.writestr(name, data)
    return [{"file.zip": out.getvalue()}]


def key_set() -> list[Files]:
    return [{"file": jwks([Issuer(new_key()), Issuer(new_key("EdDSA"))]).encode()}]


def public_keys() -> list[Files]:
    keys = (new_key(), new_key("EdDSA"))
    return [{"file": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)} for key in keys]


def private_keys() -> list[Files]:
    found: list[Files] = []
    for kind in ("ES256", "EdDSA"):
        with tempfile.TemporaryDirectory() as folder:
            write_private_key(Path(folder, "key"), new_key(kind))
            found.append({"file": Path(folder, "key").read_bytes()})
    return found
