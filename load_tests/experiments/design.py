"""What an experiment compares: a trace, policies, a behaviour, seeds; and the cells that follow from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from gig.v1 import policy_pb2 as policy_pb
from load_tests.behaviour.settings import Behaviour
from load_tests.traces.formats.parquet import OFFER_FILE, REQUEST_FILE, SHIFT_FILE


@dataclass(frozen=True, slots=True)
class Variant:
    """A policy under the name that reports show."""

    label: str
    policy: policy_pb.Policy


@dataclass(frozen=True, slots=True)
class Experiment:
    """``trace``: the folder of a trace in Parquet form. ``own_travel``: each policy keeps its own travel model.
    ``zones``: the market's zones, a GeoJSON document; empty: none."""

    trace: Path
    variants: tuple[Variant, ...]
    behaviour: Behaviour
    seeds: tuple[int, ...]
    own_travel: bool = False
    keeps_logs: bool = False
    zones: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One replay: a policy and a seed. ``digest``: of everything that its outcome follows from."""

    label: str
    policy_bytes: bytes
    behaviour_json: str
    seed: int
    trace: Path
    folder: Path
    digest: str
    own_travel: bool
    keeps_log: bool
    zones: str = ""


def cells_of(experiment: Experiment, out: Path) -> list[Cell]:
    """By seed, then by policy: what is compared is run side by side."""
    about_trace = trace_digest(experiment.trace)
    behaviour_json = experiment.behaviour.model_dump_json()
    found = []
    for seed in experiment.seeds:
        for variant in experiment.variants:
            policy_bytes = variant.policy.SerializeToString(deterministic=True)
            parts = (
                about_trace.encode(),
                policy_bytes,
                behaviour_json.encode(),
                f"{seed} {experiment.own_travel} {version('gig-dispatch')}".encode(),
                *([experiment.zones.encode()] if experiment.zones else []),
            )
            digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
            folder = out / "cells" / variant.label.replace("/", "_") / f"seed-{seed}"
            found.append(
                Cell(
                    variant.label,
                    policy_bytes,
                    behaviour_json,
                    seed,
                    experiment.trace,
                    folder,
                    digest,
                    experiment.own_travel,
                    experiment.keeps_logs,
                    experiment.zones,
                )
            )
    return found


def trace_digest(folder: Path) -> str:
    """Of a Parquet trace's tables."""
    state = hashlib.sha256()
    for name in (REQUEST_FILE, SHIFT_FILE, OFFER_FILE):
        state.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return state.hexdigest()
