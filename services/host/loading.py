"""Complete what a snapshot of an earlier version lacks, from the log."""

from __future__ import annotations

import logging

from dispatcher.log.store import LogStore
from dispatcher.market import requests
from dispatcher.market.state import MarketState
from dispatcher.measures import Measures
from services.host.publication import fold_measures
from services.host.quarantine import Quarantine

log = logging.getLogger(__name__)


async def recall_requests(store: LogStore, state: MarketState, sequence: int) -> None:
    """Complete the requests of an earlier version's snapshot from the log: once, after an upgrade.

    ``sequence``: the last event that the state holds.
    """
    since_us = requests.incomplete_since(state)
    if since_us is not None:
        async for event in store.read_since(since_us, sequence):
            requests.recall(state, [event])


async def measures_of(store: LogStore, kept: str, sequence: int, quarantine: Quarantine) -> Measures:
    """Return the measures of a snapshot; where they cannot be read, fold them from the log up to ``sequence``."""
    try:
        return Measures.from_json(kept)
    except ValueError:
        log.warning("the measures were kept in another form: folding %d events", sequence)
    measures = Measures()
    async for event in store.read(0):
        if event.sequence > sequence:
            break
        fold_measures(measures, event, quarantine)
    return measures
