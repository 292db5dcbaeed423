"""The attacks, each at the full force of one core; loopback only, bounded in connections and time."""

from __future__ import annotations

from collections.abc import Mapping

from load_tests.bench.hostile import calls, connections, streams
from load_tests.bench.hostile.attack import Attack

ATTACKS: Mapping[str, type[Attack]] = {
    "compressed_bomb": calls.CompressedBomb,
    "slow_headers": connections.SlowHeaders,
    "slow_body": connections.SlowBody,
    "connections": connections.IdleConnections,
    "anonymous_feeds": connections.AnonymousFeeds,
    "explain_flood": calls.ExplainFlood,
    "erasure_repeat": calls.ErasureRepeat,
    "queue_zones": calls.QueueZones,
    "empty_batches": streams.EmptyBatches,
    "repeated_numbers": streams.RepeatedNumbers,
}
