"""Ten times as many calls as a suite takes: whether those that it takes stay quick, and memory level."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from gig.v1 import job_service_pb2_grpc as rpc
from load_tests.bench.place import place_request
from load_tests.bench.running import running_suite
from load_tests.live.suite_process import SuiteProcess
from load_tests.live.wallet import Wallet

FLOOD = "h2load"
# Requests a second of each of its connections.
RATE_OF_CONNECTION = 10
# Of the measured client: share of the capacity, over so many clients.
MEASURED_SHARE, CLIENTS = 0.75, 50
WARM_UP_S = 2.0
# The flood is at its full height so many seconds after it begins.
RISE_S = 2.0
# After the flood: windows in which the p99 is looked at.
WINDOW_S, WINDOWS = 1.0, 10
CALL_LIMIT_S = 10.0
# Those that ended, carried out or refused.
CALLS = "gig_grpc_calls_total"


class FloodMissing(RuntimeError):
    """There is no program here that calls as often as that."""


@dataclass
class Heard:
    """Latencies of calls that were carried out, in milliseconds from when they were due; codes of all."""

    latencies_ms: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        found = np.array(self.latencies_ms or [float("nan")])
        p50, p99 = np.percentile(found, [50, 99])
        return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "calls": dict(self.codes)}


async def bench_overload(
    capacity: int, times: float, seconds: float, progress: Callable[[str], None]
) -> dict[str, Any]:
    """``p99_ratio``: of calls that were carried out, under the flood and before it, by the same client."""
    if shutil.which(FLOOD) is None:
        raise FloodMissing(f"{FLOOD} is not here: install it (Debian: apt-get install nghttp2-client)")
    flags = ("--capacity", str(capacity), "--calls-per-second", "1000000")
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with running_suite(*flags) as suite, grpc.aio.insecure_channel(suite.target, options) as channel:
        client = Caller(rpc.JobServiceStub(channel).PlaceJob, suite.wallet, capacity * MEASURED_SHARE)
        await client.run(WARM_UP_S, "warm")
        progress("calm")
        calm = await client.run(seconds, "calm")
        resident = [_resident_mib(suite.pid)]
        with _flood(suite, capacity * times, seconds):
            await asyncio.sleep(2 * RISE_S)
            progress("flood")
            before = await suite.metric(CALLS, method="JobService/PlaceJob")
            began = time.perf_counter()
            flooded = await client.run(seconds, "flood")
            offered = (await suite.metric(CALLS, method="JobService/PlaceJob") - before) / (time.perf_counter() - began)
            resident.append(_resident_mib(suite.pid))
        progress("after")
        recovery_s = await _recovery(client, calm.summary()["p99_ms"])
        resident.append(_resident_mib(suite.pid))
    was, is_ = calm.summary(), flooded.summary()
    return {
        "capacity": capacity,
        "offered_per_s": round(offered),
        "offered_times": round(offered / capacity, 1),
        "calm": was,
        "flooded": is_,
        "p99_ratio": round(is_["p99_ms"] / was["p99_ms"], 2),
        "recovery_s": recovery_s,
        "resident_mib": resident,
    }


class Caller:
    """Places real jobs at a steady rate, whatever is answered."""

    def __init__(self, place: Any, wallet: Wallet, rate: float) -> None:
        self._place, self._wallet, self._rate = place, wallet, rate

    async def run(self, seconds: float, name: str) -> Heard:
        heard, began = Heard(), time.perf_counter()
        calls = []
        for number in range(int(self._rate * seconds)):
            due = began + number / self._rate
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            calls.append(asyncio.create_task(self._one(heard, due, number, name)))
        await asyncio.gather(*calls)
        return heard

    async def _one(self, heard: Heard, due: float, number: int, name: str) -> None:
        client_id = f"{name}-{number % CLIENTS}"
        request = place_request(client_id, f"{name}-{number}")
        try:
            await self._place(request, metadata=self._wallet.client(client_id), timeout=CALL_LIMIT_S)
        except grpc.aio.AioRpcError as fault:
            heard.codes[fault.code().name] += 1
            return
        heard.codes["OK"] += 1
        heard.latencies_ms.append((time.perf_counter() - due) * 1000)


@contextlib.contextmanager
def _flood(suite: SuiteProcess, rate: float, seconds: float) -> Iterator[None]:
    """A client who repeats a request, as an app does that gets no answer, over many connections: at a steady rate, and
    with little work for this machine, which serves at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        body = place_request("flood", "again").SerializeToString()
        path = Path(folder, "request")
        # gRPC's frame: not compressed, four bytes of length.
        path.write_bytes(b"\0" + struct.pack(">I", len(body)) + body)
        headers = {"authorization": suite.wallet.client("flood")[0][1], "te": "trailers"}
        headers["content-type"] = "application/grpc"
        connections = math.ceil(rate / RATE_OF_CONNECTION)
        command = ["nice", FLOOD, f"--clients={connections}", f"--rps={RATE_OF_CONNECTION}", "--threads=1"]
        # Connections that are made one after another send one after another.
        command += ["--rate=1", f"--rate-period={max(round(1000 * RISE_S / connections), 1)}ms"]
        command += [f"--requests={math.ceil(rate * (seconds + 4 * RISE_S))}"]
        command += [f"--data={path}", *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}"))]
        url = f"http://{suite.target}/gig.v1.JobService/PlaceJob"
        quiet = subprocess.DEVNULL
        with subprocess.Popen([*command, url], stdout=quiet, stderr=quiet) as flood:
            yield
            flood.terminate()


async def _recovery(client: Caller, calm_p99_ms: float) -> float | None:
    """Seconds until a window's p99 is under twice the calm one and nothing is refused; None where none was."""
    for window in range(WINDOWS):
        heard = await client.run(WINDOW_S, f"after-{window}")
        if set(heard.codes) == {"OK"} and heard.summary()["p99_ms"] < 2 * calm_p99_ms:
            return (window + 1) * WINDOW_S
    return None


def _resident_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("utf-8-sig").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024
