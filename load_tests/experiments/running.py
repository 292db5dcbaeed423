"""Run the cells of an experiment over processes; those that are done already are not run again."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from dispatcher.log.files import open_log
from gig.v1 import policy_pb2 as policy_pb
from load_tests.behaviour.settings import Behaviour
from load_tests.experiments.design import Cell
from load_tests.replay.day import prepare
from load_tests.replay.outcome import measured
from load_tests.replay.policies import under_trace
from load_tests.replay.run import replay_day
from load_tests.traces.reading import Trace, read_trace
from matching.child_process import end, new_pool

DONE = "outcome.json"
POLL_S = 0.25

# The largest share of a replay that counts as done before its outcome is written.
NEARLY = 0.999

# Called with the share of the whole that is done, and the number of cells.
ReportProgress = Callable[[float, int], None]


def _silent(_share: float, _done: int) -> None:
    """Report nothing."""


# In a worker: the share that is done of each worker's replay, which the parent reads, and this worker's place in it.
_shares: Any = None
_place = 0


def is_done(cell: Cell) -> bool:
    """Whether its outcome is there, of these very inputs."""
    try:
        found = json.loads((cell.folder / DONE).read_text("utf-8-sig"))
    except (OSError, json.JSONDecodeError):
        return False
    return found.get("digest") == cell.digest and (not cell.keeps_log or (cell.folder / "events.log.gz").exists())


class Workers:
    """Run replays, several at a time; a context manager.

    A single replay at a time runs in this process. Several run in processes that start with the first replays that
    need them, serve every later call of ``run``, and end with the block.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._shares: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _trace.cache_clear()
        if self._pool is not None:
            end(self._pool)

    def run(self, cells: Sequence[Cell], report: ReportProgress = _silent) -> None:
        """Replay the cells that are not done yet. Raise what a cell raises; cells that are finished by then stay done.

        All calls of one block must replay the same trace.
        """
        todo = [cell for cell in cells if not is_done(cell)]
        before = len(cells) - len(todo)
        report(before / max(len(cells), 1), before)
        if self._pool is None and min(self.processes, len(todo)) <= 1:
            self._run_here(todo, before, report)
        else:
            self._run_in_pool(todo, before, report)

    def _run_here(self, todo: Sequence[Cell], before: int, report: ReportProgress) -> None:
        total = before + len(todo)
        for done, cell in enumerate(todo, before):
            run_cell(cell, partial(_report_share, report, done, total))
            report((done + 1) / total, done + 1)

    def _run_in_pool(self, todo: Sequence[Cell], before: int, report: ReportProgress) -> None:
        pool = self._started()
        waiting = {pool.submit(_run, cell) for cell in todo}
        done, total, shown = before, before + len(todo), 0.0
        while waiting:
            finished, waiting = wait(waiting, POLL_S, FIRST_COMPLETED)
            for future in finished:
                future.result()
            done += len(finished)
            # A worker may have begun its next replay before this process counts the one that it finished.
            shown = max(shown, min(done + sum(self._shares[:]), total) / total)
            report(shown, done)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._shares, places = context.Array("d", self.processes), context.Value("i", 0)
            self._pool = new_pool(self.processes, _begin, (self._shares, places))
        return self._pool


def _report_share(report: ReportProgress, done: int, total: int, share: float) -> None:
    """Report how far a replay is that runs after ``done`` others."""
    report((done + min(share, NEARLY)) / total, done)


def _begin(shares: Any, places: Any) -> None:
    global _shares, _place
    _shares = shares
    with places.get_lock():
        _place = places.value
        places.value += 1


def _run(cell: Cell) -> None:
    def progress(share: float) -> None:
        _shares[_place] = min(share, NEARLY)

    run_cell(cell, progress)
    _shares[_place] = 0.0


def run_cell(cell: Cell, progress: Callable[[float], None] = lambda _share: None) -> None:
    """Replay it, and write its folder; nothing is called done before all of it is there."""
    behaviour = Behaviour.model_validate_json(cell.behaviour_json)
    day = prepare(_trace(str(cell.trace)), behaviour, cell.seed)
    policy = under_trace(policy_pb.Policy.FromString(cell.policy_bytes), day, cell.own_travel)
    shutil.rmtree(cell.folder, ignore_errors=True)
    cell.folder.mkdir(parents=True)
    log = open_log(cell.folder / "events.log.gz", "wb") if cell.keeps_log else None
    try:
        record, replay = replay_day(day, policy, behaviour, cell.seed, log=log, progress=progress, zones=cell.zones)
    finally:
        if log is not None:
            log.close()
    pq.write_table(record.jobs(), cell.folder / "jobs.parquet", compression="zstd")
    pq.write_table(record.couriers(), cell.folder / "couriers.parquet", compression="zstd")
    outcome = {
        "digest": cell.digest,
        "policy": cell.label,
        "seed": cell.seed,
        "log_sha256": record.sha256,
        "events": record.events,
        "currency": policy.currency_code,
        "service": record.service(),
        "refused": dict(replay.refused),
        "measures": measured(record.reading()),
    }
    (cell.folder / DONE).write_text(json.dumps(outcome, indent=1) + "\n", "utf-8")


@lru_cache(maxsize=1)
def _trace(folder: str) -> Trace:
    """Read a trace; a worker reads the one of its replays once."""
    return read_trace(Path(folder))


def outcome_of(cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((cell.folder / DONE).read_text("utf-8-sig"))
    return found


def tables_of(cells: Sequence[Cell], name: str) -> pa.Table:
    """The jobs or couriers of all cells, with the policy and the seed in front."""
    parts = []
    for cell in cells:
        table = pq.read_table(cell.folder / f"{name}.parquet")
        labels = pa.array([cell.label] * table.num_rows, pa.string())
        seeds = pa.array([cell.seed] * table.num_rows, pa.int64())
        parts.append(table.add_column(0, "seed", seeds).add_column(0, "policy", labels))
    return pa.concat_tables(parts)
