"""Every time and span that protobuf can hold is read, and what is written is always valid."""

from __future__ import annotations

import math

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.times import EARLIEST_US, LATEST_US, LONGEST_US, duration, micros, rounded_us, span, timestamp

SECONDS, NANOS = st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1)


@given(SECONDS, NANOS)
def test_a_time_is_read_as_it_is_or_as_the_nearer_end_of_time(seconds: int, nanos: int) -> None:
    exact = seconds * 1_000_000 + nanos // 1000
    assert micros(Timestamp(seconds=seconds, nanos=nanos)) == min(max(exact, EARLIEST_US), LATEST_US)


@given(SECONDS, NANOS)
def test_a_span_is_read_as_it_is_or_as_the_longest(seconds: int, nanos: int) -> None:
    exact = seconds * 1_000_000 + nanos // 1000
    assert span(Duration(seconds=seconds, nanos=nanos)) == min(max(exact, -LONGEST_US), LONGEST_US)


@given(st.integers(-(2**80), 2**80))
def test_what_is_written_is_valid_and_reads_the_same(micros_: int) -> None:
    stamp, length = timestamp(micros_), duration(micros_)
    stamp.ToJsonString()
    length.ToJsonString()
    assert micros(stamp) == min(max(micros_, EARLIEST_US), LATEST_US)
    assert span(length) == min(max(micros_, -LONGEST_US), LONGEST_US)


@given(st.floats(allow_nan=False))
def test_a_span_in_floats_is_rounded_or_saturates(micros_: float) -> None:
    assert rounded_us(micros_) == (round(micros_) if abs(micros_) <= LONGEST_US else math.copysign(LONGEST_US, micros_))


def test_a_span_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        rounded_us(math.nan)


def test_a_time_and_ten_spans_fit_into_a_column() -> None:
    assert LATEST_US + 10 * LONGEST_US < 2**62 < 2**63 - LATEST_US
