"""Connections of one courier take over from each other a few times, and then ever more rarely."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import TakenOver
from services.host.sessions import Sessions, Stream
from services.host.takeovers import CALM_S, FIRST_BACKOFF_S, FREE_OTHER, FREE_SAME, LONGEST_BACKOFF_S


class Phones:
    """Phones of one courier that connect to the sessions, at times that a test chooses."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.sessions = Sessions(lambda: self.now_s)
        self.tokens: dict[int, str] = {}
        self.streams: list[Stream] = []
        self.waits_s: list[float] = []

    def connect(self, phone: int) -> bool:
        """Whether the phone's connection is open now."""
        stream = Stream()
        try:
            session = self.sessions.open("bo", self.tokens.get(phone, ""), stream)
        except TakenOver as fault:
            self.waits_s.append(fault.retry_s)
            return False
        self.tokens[phone], self._session = session.token, session
        self.streams.append(stream)
        return True

    def cut(self) -> None:
        """The open stream ends."""
        self._session.stream = None

    def open_streams(self) -> int:
        return sum(not stream.taken_over.is_set() for stream in self.streams)


@given(
    attempts=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 5)), min_size=1, max_size=80), keeps_token=st.booleans()
)
@settings(max_examples=100, deadline=None)
def test_whatever_phones_try_one_stream_is_open_and_take_overs_become_rare(
    attempts: list[tuple[int, float]], keeps_token: bool
) -> None:
    phones = Phones()
    began = phones.now_s
    for phone, pause_s in attempts:
        phones.now_s += pause_s
        if not keeps_token:
            phones.tokens.clear()
        phones.connect(phone)
        assert phones.open_streams() == 1
    assert all(0 < wait_s <= LONGEST_BACKOFF_S for wait_s in phones.waits_s)
    passed_s = phones.now_s - began
    # Each take-over after the free ones comes at least FIRST_BACKOFF_S after the one before, and each wait doubles.
    most = FREE_OTHER + FREE_SAME
    while passed_s >= FIRST_BACKOFF_S:
        most, passed_s = most + 2, passed_s / 2
    assert phones.sessions.taken_over <= most


@pytest.mark.parametrize(("keeps_token", "free"), [(False, FREE_OTHER), (True, FREE_SAME)])
def test_after_the_free_take_overs_each_wait_is_twice_the_one_before(keeps_token: bool, free: int) -> None:
    phones = Phones()
    phones.connect(0)
    for _ in range(free):
        assert phones.connect(0 if keeps_token else 1)
        if not keeps_token:
            phones.tokens.clear()
    wait_s = FIRST_BACKOFF_S
    for _ in range(8):
        phones.now_s += wait_s - 0.01
        assert not phones.connect(0 if keeps_token else 1)
        phones.now_s += 0.02
        assert phones.connect(0 if keeps_token else 1)
        if not keeps_token:
            phones.tokens.clear()
        wait_s = min(2 * wait_s, LONGEST_BACKOFF_S)
    phones.now_s += CALM_S
    assert phones.connect(0 if keeps_token else 1)


def test_a_phone_whose_connection_was_cut_comes_back_at_once_as_often_as_it_likes() -> None:
    """A stream that has ended is no take-over."""
    phones = Phones()
    for _ in range(100):
        assert phones.connect(0)
        phones.cut()
    assert phones.sessions.taken_over == 0
