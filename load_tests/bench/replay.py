"""How fast a day replays, and whether cost and memory grow with it."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

from dispatcher import policy as policies
from load_tests.behaviour import settings
from load_tests.bench.machine import machine
from load_tests.replay.day import prepare
from load_tests.replay.policies import under_trace
from load_tests.replay.run import replay_day
from load_tests.traces.reading import Trace

KIB_A_MIB = 1024
# Of the standing benchmark.
WINDOW_S = 30


def bench_replay(
    trace: Trace, policy_name: str, window_s: int, seed: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """A trace on the Market, one process, everyone doing as they are told, with all measures and the log's hash.

    ``memory_mib``: resident memory after each tenth of the day's time, and at its end; trace and roster included.
    """
    policy = policies.load(policy_name)
    policy.matching.batch_window.seconds = window_s
    behaviour = settings.load("fixed")
    day = prepare(trace, behaviour, seed)
    ruled = under_trace(policy, day)
    requests = len(day.requests)
    resident: list[tuple[float, float]] = []

    def note(share: float) -> None:
        if not resident or share - resident[-1][0] >= 0.1:
            resident.append((share, _resident_mib()))
            progress(f"replaying {requests:,} requests: {share:.0%} of the day")

    began, cpu = time.perf_counter(), time.process_time()
    record, replay = replay_day(day, ruled, behaviour, seed, keeps_jobs=False, progress=note)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    service = record.service()
    return {
        "machine": machine(),
        "trace": trace.about.name,
        "policy": policy.name,
        "requests": requests,
        "couriers": len(set(day.roster.courier_ids)),
        "batch_window_s": policy.matching.batch_window.seconds,
        "seconds": round(took, 2),
        "cpu_seconds": round(used, 2),
        "requests_per_s": round(requests / took, 1),
        "simulated_s_per_s": round((day.end_us - day.start_us) / 1e6 / took, 1),
        "service_rate": round(service["service_rate"] or 0.0, 4),
        "mean_wait_s": round(service["wait_mean_s"] or 0.0, 1),
        "rounds": len(replay.round_s),
        "events": record.events,
        "events_per_s": round(record.events / took),
        "memory_mib": [round(mib) for _, mib in resident] + [round(_resident_mib())],
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_MIB),
        "log_sha256": record.sha256,
    }


def _resident_mib() -> float:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_MIB
