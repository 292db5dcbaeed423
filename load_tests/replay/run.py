"""One replay from start to end: a day under a policy."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gig.v1 import policy_pb2 as policy_pb
from load_tests.behaviour.settings import Behaviour
from load_tests.replay.day import Day
from load_tests.replay.outcome import Record
from load_tests.replay.simulation import Progress
from load_tests.replay.trace_replay import TraceReplay


def replay_day(
    day: Day,
    policy: policy_pb.Policy,
    behaviour: Behaviour,
    seed: int,
    keeps_jobs: bool = True,
    log: Any = None,
    progress: Progress = lambda _share: None,
    zones: str = "",
) -> tuple[Record, TraceReplay]:
    """``policy``: as ``policies.under_trace`` gives it. ``log``: an open file for the events, or None. ``zones``: the
    market's, a GeoJSON document."""
    box: list[Record] = []
    replay = TraceReplay(day, policy, behaviour, seed, lambda events: box[0].keep(events))
    box.append(Record(replay.market, keeps_jobs, log))
    with _without_collector():
        replay.run(progress, zones)
    return box[0], replay


@contextmanager
def _without_collector() -> Iterator[None]:
    """Neither events nor what is made of them hold cycles: looking for garbage in them is time lost."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
