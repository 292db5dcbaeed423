"""Files for every reader, sound ones changed: each ends by reading or by a clear error, and soon."""

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

# Files that one task reads, with chance of its own: results do not depend on the number of processes.
CHUNK = 500
# Of the files, those in which values are changed; in the others, bytes are.
VALUES_SHARE = 0.7
# A file of a few kilobytes is read within.
LIMIT_S = 20
KEPT = 10
LEAST_READ = 0.2

Found = dict[str, Any]


class _TooLong(BaseException):
    """A reader that does not end; no handler of ordinary errors catches it."""


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
            _lay(folder, sample)
            reader.read(folder)  # a sound one is read
        before: Files = {}
        for _ in range(count):
            sample = samples[int(rng.integers(len(samples)))]
            harmed = [*sample][int(rng.integers(len(sample)))]
            change = reader.change if rng.random() < VALUES_SHARE else None
            data = sample[harmed]
            try:
                data = change(rng, harmed, data) if change else mutated(rng, data, others)
                # Files that the last round left as they are in this sample need not be written again.
                changed = {**sample, harmed: data}
                _lay(folder, {name: data for name, data in changed.items() if before.get(name) is not data})
                before = changed
                with _within(LIMIT_S):
                    reader.read(folder)
            except reader.errors:
                found["refused"] += 1
            except (Exception, _TooLong) as fault:  # what no reader may do is what is looked for
                if len(found["unclear"]) < KEPT:
                    found["unclear"].append(_described(fault, harmed, data))
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


def _lay(folder: Path, files: Files) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
