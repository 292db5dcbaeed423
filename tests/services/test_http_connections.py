"""Connections that only take places lose them: to new ones at a limit, and in any case after their time."""

from __future__ import annotations

import resource

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from services import open_files
from services.auth.caller import Caller
from services.http import connections
from services.http.connections import Connections, Entry, HttpLimits, Phase
from services.http.live.seats import Plan, Row, Seats

LIMITS = HttpLimits(connections=8, per_address=4, refused=16, header_s=10, body_s=10, idle_s=20, request_s=60)


class Held:
    """The connections of a port, and which of them were ended."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.connections = Connections(LIMITS, self.refused.append)
        self.ended: list[Entry] = []

    def admit(self, address: str, phase: Phase = Phase.HEADERS) -> Entry | None:
        entry = self.connections.admit(address)
        if entry is not None:
            entry.end = lambda: self.ended.append(entry)
            entry.enter(phase)
        return entry


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(connections, "monotonic", lambda: now[0])
    return now


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(Phase), st.booleans()), max_size=60))
def test_there_are_never_more_than_the_limits_and_silent_ones_keep_nobody_out(
    arrivals: list[tuple[str, Phase, bool]],
) -> None:
    held, alive = Held(), set()
    for address, phase, known in arrivals:
        own = [one for one in alive if one.address == address]
        idle = (Phase.HEADERS, Phase.IDLE)
        entry = held.admit(address, phase)
        alive -= set(held.ended)
        if entry is None:
            full = own if len(own) >= LIMITS.per_address else alive
            assert not any(one.phase in idle for one in full)
            continue
        entry.known = known
        alive.add(entry)
        assert len(held.connections) == len(alive) <= LIMITS.connections
        assert sum(one.address == address for one in alive) <= LIMITS.per_address
    for entry in alive:
        held.connections.forget(entry)
    assert len(held.connections) == 0


def test_the_silent_one_that_waits_longest_makes_room_and_feeds_and_known_callers_stay(clock: list[float]) -> None:
    held = Held()
    feed, known = held.admit("a", Phase.FEED), held.admit("a", Phase.SERVING)
    assert known is not None
    known.known = True
    clock[0] = 1
    idle = held.admit("a", Phase.IDLE)
    clock[0] = 2
    silent = held.admit("a")
    clock[0] = 30
    assert held.admit("a") is not None
    assert held.admit("a", Phase.FEED) is not None
    assert held.ended[0] is silent
    assert idle not in held.ended[:1]
    assert feed not in held.ended
    assert known not in held.ended


def test_who_opens_and_closes_connections_without_pause_is_refused_until_the_next_sweep() -> None:
    held = Held()
    most = LIMITS.per_address + connections.ROOMS_PER_SWEEP
    for _ in range(most):
        entry = held.admit("a")
        assert entry is not None
        held.connections.forget(entry)
    assert held.admit("a") is None
    assert held.refused[-1] == "connections_opened"
    assert held.admit("b") is not None
    held.connections.sweep()
    assert held.admit("a") is not None


def test_each_phase_has_its_time_and_a_feed_has_none(clock: list[float]) -> None:
    held = Held()
    entries = {phase: held.admit(str(phase), phase) for phase in Phase}
    for now_s, gone in ((9, set()), (11, {Phase.HEADERS}), (21, {Phase.HEADERS, Phase.IDLE})):
        clock[0] = now_s
        held.connections.sweep()
        assert {phase for phase, entry in entries.items() if entry in held.ended} == gone
    clock[0] = 1_000
    held.connections.sweep()
    assert len(held.connections) == 1


def test_seats_of_one_kind_of_viewer_are_never_taken_by_another() -> None:
    seats = Seats(Plan(anonymous=Row(4, 2), people=Row(3, 1), staff=Row(2, 1)), lambda _limit: None)
    taken = [seats.taken(None, f"10.0.0.{number // 2}") for number in range(4)]
    for seat in taken:
        seat.__enter__()
    with pytest.raises(web.HTTPServiceUnavailable) as full, seats.taken(None, "10.0.0.9"):
        pass
    assert int(full.value.headers["Retry-After"]) > 0
    with seats.taken(Caller("courier", "bo"), "10.0.0.0"), seats.taken(Caller("operator", "olu"), "10.0.0.0"):
        with pytest.raises(web.HTTPServiceUnavailable), seats.taken(Caller("courier", "bo"), "10.0.0.1"):
            pass
        assert len(seats) == 6
    for seat in taken:
        seat.__exit__(None, None, None)
    assert len(seats) == 0


@given(st.integers(64, 2**20), st.integers(1, 10_000), st.integers(1, 100_000))
def test_the_ports_share_the_files_that_there_are(files: int, http: int, grpc: int) -> None:
    fitting = open_files.shares(files, http, grpc)
    assert 1 <= fitting.http <= http
    assert 1 <= fitting.grpc <= grpc
    assert fitting.http + fitting.grpc + fitting.refused + open_files.RESERVED <= max(files, open_files.RESERVED + 2)


def test_the_limit_of_open_files_is_raised_to_what_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        assert open_files.raise_limit() == min(hard, open_files.ENOUGH)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, open_files.ENOUGH)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
