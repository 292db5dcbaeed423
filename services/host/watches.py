"""Who watches which job: each watcher gets every change, or only the latest ones where it reads too slowly."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from gig.v1 import job_pb2 as job_pb

# A watcher who falls this far behind loses the oldest changes; each change is the whole job.
LARGEST_QUEUE = 64


class JobWatches:
    def __init__(self) -> None:
        self._queues: defaultdict[str, set[asyncio.Queue[job_pb.Job | None]]] = defaultdict(set)

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Queue[job_pb.Job | None]]:
        """A queue of the job's records after each change; None when the service ends."""
        queue: asyncio.Queue[job_pb.Job | None] = asyncio.Queue(LARGEST_QUEUE)
        self._queues[job_id].add(queue)
        try:
            yield queue
        finally:
            self._queues[job_id].discard(queue)
            if not self._queues[job_id]:
                del self._queues[job_id]

    def publish(self, job: job_pb.Job) -> None:
        for queue in self._queues.get(job.job_id, ()):
            _put(queue, job)

    def count(self) -> int:
        return sum(map(len, self._queues.values()))

    def end(self) -> None:
        for queues in self._queues.values():
            for queue in queues:
                _put(queue, None)


def _put(queue: asyncio.Queue[job_pb.Job | None], job: job_pb.Job | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(job)
