"""A server and a phone that vanishes: the half minute until the server notices passes while other tests run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from gig.v1 import courier_service_pb2_grpc as courier_rpc
from load_tests.bench.running import running_suite
from load_tests.live.suite_process import SuiteProcess
from tests.faults.wire import Wire, wire_to
from tests.service.stream import CourierClient


@dataclass(frozen=True, slots=True)
class Vanished:
    """``wire``: the dead connection of a phone whose courier is online. ``promised``: what the log must hold."""

    suite: SuiteProcess
    wire: Wire
    promised: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="package")
async def vanished() -> AsyncIterator[Vanished]:
    """Tests of one module use it at the beginning of a unit, those of another at its end: see tests/distribution.py."""
    async with (
        running_suite("--clock-speed", "1") as suite,
        wire_to(suite.grpc_port) as wire,
        grpc.aio.insecure_channel(wire.target) as channel,
    ):
        await CourierClient(courier_rpc.CourierServiceStub(channel), "cleo", suite.wallet).online((2.0, 2.0))
        wire.cut = True
        assert await suite.metric("gig_courier_streams") == 1
        yield Vanished(suite, wire)
