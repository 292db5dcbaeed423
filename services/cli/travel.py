"""`gig travel`: what a log's trips say of travel times, how far each model is off, and road networks to use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dispatcher.log.files import LogFileError, read_log
from dispatcher.market.travel import travel_model
from dispatcher.market.trips import trips_of_log
from geo.learned_travel import LearnedTravel
from geo.travel import TravelTime
from geo.travel_error import Trips, errors, fitted_straight_line, fitted_trip_times, predicted_s, sound, split
from gig.v1 import policy_pb2 as policy_pb
from services.cli import options
from services.cli.failures import FAILED, USAGE, fail, reported
from services.roads import PROFILES, networks, prepare

travel_app = typer.Typer(
    help="Travel times: fit models to a log's trips, and tell how far each is off.", no_args_is_help=True
)

Log = Annotated[Path, typer.Argument(help="A log file: of `gig log export`, or of `gig replay`.")]
Resolution = Annotated[int, typer.Option(min=5, max=10, help="H3 resolution of the learned model's cells.")]
PriorTrips = Annotated[float, typer.Option(min=0.1, help="Trips that a coarser estimate counts for.")]
HeldOut = Annotated[float, typer.Option(min=0.05, max=0.9, help="Share of the trips, the latest, to test on.")]
# Fewer trips say nothing.
FEWEST = 20
USUAL_CIRCUITY = 1.3


@travel_app.command()
def fit(
    log: Log,
    resolution: Resolution = 8,
    prior_trips: PriorTrips = 10.0,
    as_json: options.Json = False,
) -> None:
    """Fit the straight line and the learned model to all trips; print them as a policy's [travel], ready to paste.

    A market with the learned model goes on learning from its own trips. Errors are on the latest quarter of the trips,
    by models fitted to the others.
    """
    with _reading(log) as (trips, policy):
        straight = fitted_straight_line(trips, _circuity(policy))
        rows = _evaluated(trips, policy, resolution, prior_trips, 0.25)
    speeds = [round(speed, 3) for speed in straight.speeds_mps]
    if as_json:
        fitted = {"circuity": straight.circuity, "speeds_mps": speeds}
        print(json.dumps({"trips": len(trips), "straight_line": fitted, "held_out": rows}))
        return
    line = f"circuity = {straight.circuity:g}\nspeeds_mps = {speeds}"
    typer.echo(f"# {len(trips)} trips; either this:\n[travel.straight_line]\n{line}\n")
    typer.echo(f"# or this:\n[travel.learned]\nresolution = {resolution}\nprior_trips = {prior_trips}")
    typer.echo(f"\n[travel.learned.straight_line]\n{line}\n")
    _show(rows)


@travel_app.command()
def evaluate(
    log: Log,
    resolution: Resolution = 8,
    prior_trips: PriorTrips = 10.0,
    held_out: HeldOut = 0.25,
    roads: options.Roads = None,
    as_json: options.Json = False,
) -> None:
    """Errors of each model on the latest trips, where the models that learn have seen only the earlier ones.

    MAE: mean absolute error; MAPE: the same as a share of the time taken; bias: mean of predicted - taken.
    """
    with _reading(log) as (trips, policy):
        rows = _evaluated(trips, policy, resolution, prior_trips, held_out, networks(roads))
    if as_json:
        print(json.dumps({"trips": len(trips), "held_out": rows}))
    else:
        _show(rows)


@travel_app.command()
def roads(
    extract: Annotated[Path, typer.Argument(help="An OpenStreetMap extract: .osm.pbf, .osm.bz2 or .osm.")],
    out: Annotated[Path, typer.Option(help="The network's path: its last part is the name that a policy calls it by.")],
    profile: Annotated[str, typer.Option(help=f"Who drives there: {', '.join(PROFILES)}.")] = "car",
) -> None:
    """Prepare a road network for `gig serve --roads` and `gig travel evaluate --roads`.

    A policy uses it with: [travel.roads] network = "NAME". Needs the extra gig-dispatch[roads].
    """
    if profile not in PROFILES:
        fail(f"--profile must be one of {', '.join(PROFILES)}, not {profile!r}", USAGE)
    with reported(), Console(stderr=True).status("preparing") as status:
        prepare(extract, out, profile, lambda step: status.update(f"{step}ing {extract}"))
    typer.echo(f"road network {out.name!r}: gig serve --roads {out}")


@contextmanager
def _reading(log: Path) -> Iterator[tuple[Trips, policy_pb.Policy]]:
    """The log's trips and its last policy; what is wrong with it is said in a sentence."""
    with reported():
        try:
            with Console(stderr=True).status(f"reading {log}"):
                trips, market = trips_of_log(read_log(log))
        except (LogFileError, OSError) as fault:
            fail(f"{log}: {fault}", USAGE)
        policy = market.state.policy
        if policy.travel.HasField("planar"):
            fail(f"{log}: a day on a plane has no positions on Earth to learn travel times for", FAILED)
        kept = sound(trips)
        if len(kept) < len(trips):
            left_out = len(trips) - len(kept)
            typer.echo(f"{left_out} trips left out: nobody can have made them as they were recorded", err=True)
        if len(kept) < FEWEST:
            fail(f"{log}: holds {len(kept)} trips straight from pickup to drop-off; {FEWEST} are needed", FAILED)
        yield kept, policy


def _circuity(policy: policy_pb.Policy) -> float:
    """The policy's, or the usual of cities where it has none."""
    travel = policy.travel
    if travel.HasField("learned"):
        return float(travel.learned.straight_line.circuity)
    return float(travel.straight_line.circuity) if travel.HasField("straight_line") else USUAL_CIRCUITY


def _evaluated(
    trips: Trips,
    policy: policy_pb.Policy,
    resolution: int,
    prior_trips: float,
    held_out: float,
    roads: dict[str, TravelTime] | None = None,
) -> list[dict[str, Any]]:
    learn, test = split(trips, held_out)
    fitted = fitted_straight_line(learn, _circuity(policy))
    models: dict[str, TravelTime] = {}
    if policy.travel.HasField("straight_line"):
        models["the log's policy"] = travel_model(policy, {})
    models["straight line, fitted"] = fitted
    models["learned"] = LearnedTravel(fitted, fitted_trip_times(learn, fitted, resolution), prior_trips)
    models |= {f"roads {name}": network for name, network in (roads or {}).items()}
    return [
        {"model": name, "learned_from": len(learn), "tested_on": len(test)}
        | {key: round(value, 4) for key, value in asdict(errors(predicted_s(model, test), test.taken_s)).items()}
        for name, model in models.items()
    ]


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("model", "MAE, s", "MAPE", "bias, s", box=None)
    for row in rows:
        table.add_row(row["model"], f"{row['mae_s']:.1f}", f"{row['mape']:.1%}", f"{row['bias_s']:+.1f}")
    Console().print(table)
    typer.echo(f"learned from {rows[0]['learned_from']} trips, tested on the {rows[0]['tested_on']} after them")
