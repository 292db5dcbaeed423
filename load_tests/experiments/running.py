"""Run the cells of an experiment over processes; those that are done already are not run again."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import lru_cache
from pathlib import Path
from typing import Any

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
from matching.child_process import pool_of

DONE = "outcome.json"
POLL_S = 0.25

# Called with the share of the whole that is done, and the number of cells.
ReportProgress = Callable[[float, int], None]

# In a worker: how far each cell has come, seen by the parent.
_shares: Any = None


def is_done(cell: Cell) -> bool:
    """Whether its outcome is there, of these very inputs."""
    try:
        found = json.loads((cell.folder / DONE).read_text("utf-8-sig"))
    except (OSError, json.JSONDecodeError):
        return False
    return found.get("digest") == cell.digest and (not cell.keeps_log or (cell.folder / "events.log.gz").exists())


def run_cells(cells: Sequence[Cell], processes: int, report: ReportProgress = lambda _share, _done: None) -> None:
    """Raises what a cell raised; cells that were finished before stay done."""
    todo = [cell for cell in cells if not is_done(cell)]
    before = len(cells) - len(todo)
    report(before / max(len(cells), 1), before)
    if not todo:
        return
    shares = multiprocessing.get_context("spawn").Array("d", len(todo))
    with pool_of(min(processes, len(todo)), _begin, (shares,)) as pool:
        waiting: set[Future[None]] = {pool.submit(_run, cell, place) for place, cell in enumerate(todo)}
        done = before
        while waiting:
            finished, waiting = wait(waiting, POLL_S, FIRST_COMPLETED)
            for future in finished:
                future.result()
            done += len(finished)
            report((before + sum(shares[:])) / len(cells), done)


def _begin(shares: Any) -> None:
    global _shares
    _shares = shares


def _run(cell: Cell, place: int) -> None:
    def progress(share: float) -> None:
        _shares[place] = min(share, 0.999)

    run_cell(cell, progress)
    _shares[place] = 1.0


def run_cell(cell: Cell, progress: Callable[[float], None] = lambda _share: None) -> None:
    """Replay it, and write its folder; nothing is called done before all of it is there."""
    behaviour = Behaviour.model_validate_json(cell.behaviour_json)
    day = prepare(_trace(str(cell.trace)), behaviour, cell.seed)
    policy = under_trace(policy_pb.Policy.FromString(cell.policy_bytes), day, cell.own_travel)
    shutil.rmtree(cell.folder, ignore_errors=True)
    cell.folder.mkdir(parents=True)
    log = open_log(cell.folder / "events.log.gz", "wb") if cell.keeps_log else None
    try:
        record, replay = replay_day(day, policy, behaviour, cell.seed, log=log, progress=progress)
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
    """A worker reads the trace once."""
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
