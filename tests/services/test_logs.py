"""Strangers cannot fill the service's own log."""

from __future__ import annotations

import logging

import pytest

from services import logs
from services.logs import OncePerSecond


def record(text: str, *arguments: object, name: str = "asyncio") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, text, arguments, None)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Holds the time in seconds."""
    now = [100.0]
    monkeypatch.setattr(logs, "monotonic", lambda: now[0])
    return now


def test_records_of_one_kind_pass_once_a_second_and_the_next_one_counts_the_others(clock: list[float]) -> None:
    often = OncePerSecond()
    passed = [often.filter(record("accept: %s", number)) for number in range(1000)]
    assert passed == [True] + [False] * 999
    clock[0] += 1.0
    after = record("accept: %s", 1001)
    assert often.filter(after)
    assert after.getMessage() == "accept: 1001 (and 999 more like it)"


@pytest.mark.parametrize("name", ["asyncio", "grpc._cython.cygrpc", "grpc.aio._call", "aiohttp.server"])
def test_every_library_that_strangers_can_make_write_is_bounded(name: str) -> None:
    often = OncePerSecond()
    assert sum(often.filter(record(f"fault of {number}", name=name)) for number in range(50)) == 50
    assert sum(often.filter(record("fault", name=name)) for _ in range(50)) == 1


def test_the_service_s_own_records_all_pass() -> None:
    often = OncePerSecond()
    assert all(often.filter(record("incident %s", number, name="services.rpc.errors")) for number in range(100))
