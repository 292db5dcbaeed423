"""Give changed files to every reader, which must read each or refuse it with its clear error, in bounded time."""

from __future__ import annotations

import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from load_tests.fuzz.mutation import mutated
from load_tests.fuzz.readers import READERS
from load_tests.fuzz.samples import Files
from matching.child_process import pool_of

# Files that one task reads, from a seed of its own: results do not depend on the number of processes.
CHUNK = 500
# Of the files, those in which values are changed; in the others, bytes are.
VALUES_SHARE = 0.7
# Seconds within which a file of a few kilobytes must be read.
LIMIT_S = 20
KEPT = 10
LEAST_READ = 0.2

Found = dict[str, Any]


class _TooLong(BaseException):
    """A reader takes too long. No handler of ordinary errors catches this one."""


def fuzz_reader(
    name: str, count: int, seed: int, jobs: int = 1, progress: Callable[[int], None] | None = None
) -> Found:
    """Return how many files were read and refused, and ``unclear``: the first that ended in another way, with where.

    ``jobs``: processes that share the work.
    """
    sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    total: Found = {"files": 0, "read": 0, "refused": 0, "unclear": []}
    for found in _chunks(name, sizes, seed, jobs):
        for key in ("files", "read", "refused"):
            total[key] += found[key]
        total["unclear"] = [*total["unclear"], *found["unclear"]][:KEPT]
        if progress is not None:
            progress(total["files"])
    total["read_share"] = round(total["read"] / count, 3)
    return total


def _chunks(name: str, sizes: list[int], seed: int, jobs: int) -> Iterator[Found]:
    if jobs == 1 or len(sizes) == 1:
        for number, size in enumerate(sizes):
            yield _fuzz_chunk(name, size, seed, number)
        return
    with pool_of(jobs) as pool:
        yield from pool.map(_fuzz_chunk, [name] * len(sizes), sizes, [seed] * len(sizes), range(len(sizes)))


def _fuzz_chunk(name: str, count: int, seed: int, number: int) -> Found:
    # The files are small: threads only cost switches.
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    reader, rng = READERS[name], np.random.default_rng([seed, number, *name.encode()])
    samples = reader.samples()
    others = [data for sample in samples for data in sample.values()]
    found: Found = {"files": count, "read": 0, "refused": 0, "unclear": []}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        folder = Path(place)
        for sample in samples:
            _write(folder, sample)
            reader.read(folder)  # must succeed: it is not changed
        before: Files = {}
        for _ in range(count):
            sample = samples[int(rng.integers(len(samples)))]
            chosen = [*sample][int(rng.integers(len(sample)))]
            change = reader.change if rng.random() < VALUES_SHARE else None
            data = sample[chosen]
            try:
                data = change(rng, chosen, data) if change else mutated(rng, data, others)
                # Write only the files that differ from those of the last round.
                changed = {**sample, chosen: data}
                _write(folder, {name: data for name, data in changed.items() if before.get(name) is not data})
                before = changed
                with _within(LIMIT_S):
                    reader.read(folder)
            except reader.errors:
                found["refused"] += 1
            except (Exception, _TooLong) as fault:  # any other end of a reader is a fault of it
                if len(found["unclear"]) < KEPT:
                    found["unclear"].append(_described(fault, chosen, data))
            else:
                found["read"] += 1
    return found


def _described(fault: BaseException, name: str, data: bytes) -> str:
    where = traceback.extract_tb(fault.__traceback__)[-1]
    said = f"{type(fault).__name__} at {Path(where.filename).name}:{where.lineno}: {fault}"
    return f"{said[:300]} {name} {data[:200]!r}"


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raise _TooLong in the main thread where the block takes longer."""

    def stop(_signal: int, _frame: object) -> None:
        raise _TooLong(f"not read within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _write(folder: Path, files: Files) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
