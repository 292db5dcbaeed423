"""Repair a log that cannot be folded: skip the events that fail, and take their subjects out of the market.

An event that fails is replaced in place by an EventSkipped that holds it: every reader of the log (a start, snapshots,
reruns, tables, measures, exports, backups, replays) then passes over it without a list of what to skip. A
SubjectQuarantined for each subject follows at the end of the log, in the same transaction, and says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dispatcher.errors import PolicyError, StaleWriter, UnfoldableLog
from dispatcher.log.projections import Projections, Rows
from dispatcher.log.rewriting import begin_rewriting
from dispatcher.log.sql import query
from dispatcher.log.store import LogStore
from dispatcher.market import Market
from dispatcher.market.market import Networks
from dispatcher.measures import Measures
from dispatcher.times import micros
from gig.v1 import events_pb2 as events_pb
from services.host.applied import applied
from services.host.log_writer import STORE_FAULTS
from services.host.trial import RepairFailed, TrialFold, Unfoldable, place_of

log = logging.getLogger(__name__)

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair would do, or did. ``events``: the log's length before it; ``skipped``: what stands in the place of
    each event that cannot be folded; ``quarantined``: the events for its end."""

    events: int
    unfoldable: Sequence[Unfoldable]
    skipped: Sequence[events_pb.Event]
    quarantined: Sequence[events_pb.Event]
    broken_snapshots: Sequence[int]

    @property
    def needed(self) -> bool:
        return bool(self.unfoldable or self.broken_snapshots)


async def survey(
    store: LogStore, networks: Networks, *, reason: str, operator_id: str, now_us: int, report: Callable[[int], None]
) -> Repair:
    """Fold the whole log for a trial, and write nothing. ``report`` is called with each sequence. Raises RepairFailed.

    The fold begins at the first event, not at a snapshot: a restore from a backup and measures in another form fold the
    whole log too.
    """
    trial, count = TrialFold(networks), 0
    async for sequence, body in store.read_rows():
        trial.add(sequence, body)
        count = sequence
        report(count)
    trial.finish()
    if count and not trial.market.state.policy.version:
        raise RepairFailed(
            f"no event of market {store.market_id!r} sets a policy that can be used: restore the market from a backup"
        )
    made = trial.quarantine(reason, operator_id, now_us)
    skipped = [trial.skipped[sequence] for sequence in sorted(trial.skipped)]
    return Repair(count, trial.found, skipped, made, await _broken_snapshots(store, networks))


async def _broken_snapshots(store: LogStore, networks: Networks) -> list[int]:
    """Return the sequences of the latest snapshots that cannot be restored, up to the first that can."""
    broken = []
    for row in await store.pool.fetch(query("snapshot_sequences"), store.market_id):
        try:
            saved = await store.latest_snapshot(before=row["sequence"] + 1)
            assert saved is not None, "just listed"
            Market.restore(saved[0], networks)
        except (PolicyError, *STORE_FAULTS):
            raise
        except Exception as fault:
            log.warning("the snapshot at event %d cannot be used (%s)", row["sequence"], place_of(fault))
            broken.append(row["sequence"])
            continue
        break
    return broken


async def carry_out(store: LogStore, repair: Repair, networks: Networks, report: Callable[[int], None]) -> None:
    """Write the repair in one transaction; then, where tables show a skipped event, rebuild them from the log.

    ``store`` must have acquired the market. Raises StaleWriter where another process has acquired it since.
    """
    first = repair.skipped[0].sequence if repair.skipped else 0
    projections = Projections(store.pool, store.market_id)
    shown = bool(first) and first <= await projections.load()
    await _commit(store, repair, first, shown=shown)
    if shown:
        await _make_tables(store, projections, networks, report)


async def _commit(store: LogStore, repair: Repair, first: int, *, shown: bool) -> None:
    market_id = store.market_id
    async with store.pool.acquire() as connection, connection.transaction():
        await begin_rewriting(connection, market_id)
        if await connection.fetchval(query("lock_market"), market_id) != store.epoch:
            raise StaleWriter(market_id)
        if repair.skipped:
            rows = [(one.sequence, micros(one.time), one.SerializeToString()) for one in repair.skipped]
            await connection.execute(query("put_events"), market_id, *map(list, zip(*rows, strict=True)))
            await store.append(repair.quarantined, connection)
            # They hold what the skipped events did; where the tables begin again, no snapshot may be ahead of them.
            await connection.execute(query("drop_snapshots_from"), market_id, 0 if shown else first)
        for sequence in repair.broken_snapshots:
            await connection.execute(query("drop_snapshot"), market_id, sequence)
        if shown:
            await connection.execute(query("reset_tables"), market_id)


async def _make_tables(
    store: LogStore, projections: Projections, networks: Networks, report: Callable[[int], None]
) -> None:
    """Fold the repaired log into tables and a snapshot. Where this is cut short, the next start does the rest."""
    await projections.load()
    market, measures, rows = Market.new(networks), Measures(), Rows()
    async for event in store.read():
        market.apply([event])
        measures.fold(event)
        one = applied(market, event)
        rows.add(one.event, one.kind, one.jobs, one.phases)
        if event.sequence % BATCH == 0:
            await projections.write(rows)
            rows = Rows()
            report(event.sequence)
    if rows.sequence:
        await projections.write(rows)
    body = market.snapshot().SerializeToString(deterministic=True)
    await store.save_snapshot(body, measures.to_json(), market.sequence)


def unfoldable(market_id: str, event: events_pb.Event, fault: BaseException) -> UnfoldableLog:
    """The error of a fold that an event ends."""
    return UnfoldableLog(market_id, event.sequence, event.WhichOneof("body") or "unreadable", place_of(fault))
