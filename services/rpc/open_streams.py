"""Streams that need no token, of health and reflection: a bound on how many are open at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2

from dispatcher.errors import Exhausted
from services.auth.bulkheads import RETRY_S
from services.rpc import errors


class OpenToAll:
    """Limits how many streams that need no token are open at a time."""

    def __init__(self, places: int) -> None:
        self._places, self._taken = places, 0

    @asynccontextmanager
    async def taken(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        if self._taken >= self._places:
            text = f"all {self._places} streams for health and reflection are taken: come back later"
            await errors.abort(context, errors.status_of(Exhausted("TOO_MANY_STREAMS", text, RETRY_S)))
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class BoundedHealth(health.aio.HealthServicer):
    def __init__(self, places: OpenToAll) -> None:
        super().__init__()
        self._places = places

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext) -> None:
        async with self._places.taken(context):
            await super().Watch(request, context)
