"""`gig bench hostile`: what others notice of each attack: latency, refusals, memory; medians of several runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import shutil
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load_tests.bench.hostile.attacker import GRACE_S, READY
from load_tests.bench.hostile.attacks import ATTACKS
from load_tests.bench.hostile.history import copy_of, history_directory
from load_tests.bench.hostile.memory import peak_of
from load_tests.bench.hostile.order import Order
from load_tests.bench.hostile.others import Measured, Others
from load_tests.bench.hostile.staging import stage
from load_tests.live.suite_process import SuiteFailed, SuiteProcess

# An attack passes where the others' p99 stays within this many times its calm value, or within so much more.
P99_TIMES, P99_MORE_MS, MEMORY_MORE_MIB = 2.0, 20.0, 200.0
WARM_UP_S = 2.0
# Building a bomb takes seconds.
READY_LIMIT_S = 60.0
NONE = "none"
ERASURE = "erasure_repeat"


@dataclass(frozen=True, slots=True)
class Plan:
    """``seconds`` are measured calm, and as many under attack. ``history``: jobs of the client who is erased."""

    names: tuple[str, ...] = tuple(ATTACKS)
    runs: int = 3
    seconds: float = 10.0
    history: int = 40_000
    seed: int = 1


@dataclass(slots=True)
class Run:
    """One run of one attack."""

    calm: Measured
    calm_mib: float
    attacked: Measured
    peak_mib: float
    exited: bool
    attacker: dict[str, int] = field(default_factory=dict)


async def bench_hostile(plan: Plan, progress: Callable[[str], None]) -> dict[str, Any]:
    """``attacks``: medians over the runs, but refusals in sum. ``noise``: the same measurement without an attack.
    ``failed``: sentences about attacks that others noticed more than they may."""
    directories = _Directories(plan.history)
    attacks, failed = [], list[str]()
    try:
        noise = _row(NONE, [await _run(NONE, plan, directories, number, progress) for number in range(plan.runs)])
        for name in plan.names:
            runs = [await _run(name, plan, directories, number, progress) for number in range(plan.runs)]
            row = _row(name, runs)
            attacks.append(row)
            failed += faults_of(row)
    finally:
        directories.remove()
    return {
        "attacks": attacks,
        "noise": {"p99_ms_first": noise["p99_ms_calm"], "p99_ms_second": noise["p99_ms_attacked"]},
        "runs": plan.runs,
        "seconds": plan.seconds,
        "failed": failed,
    }


def faults_of(row: dict[str, Any]) -> list[str]:
    """Return in sentences what others notice of an attack beyond what they may."""
    name, calm, attacked = row["name"], row["p99_ms_calm"], row["p99_ms_attacked"]
    found = []
    if row["exited"]:
        found.append(f"{name}: the server exited in {row['exited']} runs")
    if calm is None or attacked is None:
        found.append(f"{name}: no call of others was carried out")
    elif attacked > max(P99_TIMES * calm, calm + P99_MORE_MS):
        found.append(f"{name}: p99 of others rose from {calm:g} to {attacked:g} ms")
    if row["refused_of_others"]:
        found.append(f"{name}: {row['refused_of_others']} calls of others were refused")
    if row["peak_mib"] > row["calm_mib"] + MEMORY_MORE_MIB:
        found.append(f"{name}: memory rose from {row['calm_mib']:g} to {row['peak_mib']:g} MiB")
    return found


def _row(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    refused: dict[str, int] = {}
    for run in runs:
        for what, count in run.attacked.refused.items():
            refused[what] = refused.get(what, 0) + count
    return {
        "name": name,
        "p99_ms_calm": _median([run.calm.p99_ms for run in runs]),
        "p99_ms_attacked": _median([run.attacked.p99_ms for run in runs]),
        "refused_of_others": sum(refused.values()),
        "calm_mib": _median([run.calm_mib for run in runs]),
        "peak_mib": _median([run.peak_mib for run in runs]),
        "refusals": refused,
        "exited": sum(run.exited for run in runs),
        "calls_of_others": sum(run.attacked.calls for run in runs),
        "attacker": runs[-1].attacker,
        "p99_ms_runs": [run.attacked.p99_ms for run in runs],
    }


def _median(values: Sequence[float | None]) -> Any:
    """None where a run has no value: it must not be hidden."""
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 2) if len(known) == len(values) and known else None


async def _run(name: str, plan: Plan, directories: _Directories, number: int, progress: Callable[[str], None]) -> Run:
    what = f"{name}, run {number + 1} of {plan.runs}"
    progress(f"{what}: starting a server")
    # A pause of this process would count as one of the server.
    gc.collect()
    gc.disable()
    async with _served(await directories.of(name)) as server:
        others = Others(server, plan.seed + number)
        await others.open()
        try:
            tokens, facts = await stage(name, server)
            await others.measure(min(WARM_UP_S, plan.seconds))
            progress(f"{what}: calm")
            async with peak_of(server.pid) as calm_peak:
                calm = await others.measure(plan.seconds)
            progress(f"{what}: attacked")
            core = max(os.sched_getaffinity(0)) if len(os.sched_getaffinity(0)) > 1 else None
            order = Order(name, server.grpc_port, server.http_port, plan.seconds, core, tokens, facts)
            async with _attacked(order) as counts, peak_of(server.pid) as peak:
                attacked = await others.measure(plan.seconds)
            return Run(calm, calm_peak.mib, attacked, peak.mib, not server.running, counts)
        finally:
            await others.close()
            gc.enable()


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[SuiteProcess]:
    """A server with the limits that it has by default."""
    server = SuiteProcess(data_dir=folder, output=folder / "server.log")
    try:
        await server.start()
        yield server
        await server.stop()
    except SuiteFailed:
        if server.running:
            raise
    finally:
        if server.running:
            server.kill()
            await server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _attacked(order: Order) -> AsyncIterator[dict[str, int]]:
    """An attacker's process for as long as the block runs; the dict gets what it counted."""
    counts: dict[str, int] = {}
    if order.name == NONE:
        yield counts
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "load_tests.bench.hostile.attacker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{order.to_json()}\n".encode())
        async with asyncio.timeout(READY_LIMIT_S):
            line = (await process.stdout.readline()).decode().strip()
        if line != READY:
            raise RuntimeError(f"the attacker of {order.name} did not begin")
        yield counts
        with contextlib.suppress(TimeoutError, ValueError):
            async with asyncio.timeout(GRACE_S):
                counts |= json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class _Directories:
    """Data directories, made once and copied for each run."""

    def __init__(self, history: int) -> None:
        self._history = history
        self._made: dict[bool, Path] = {}

    async def of(self, name: str) -> Path:
        """Return a fresh copy for a run of this attack."""
        long = name == ERASURE
        if long not in self._made:
            self._made[long] = await history_directory(self._history if long else 0)
        return await asyncio.to_thread(copy_of, self._made[long])

    def remove(self) -> None:
        for folder in self._made.values():
            shutil.rmtree(folder, ignore_errors=True)
