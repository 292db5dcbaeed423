"""The trace formats, one a module, and the table of them."""

from __future__ import annotations

from load_tests.traces.formats.chicago import ChicagoFormat
from load_tests.traces.formats.event_log import EventLogFormat
from load_tests.traces.formats.mdrp import MdrpFormat
from load_tests.traces.formats.parquet import ParquetFormat
from load_tests.traces.formats.plain_csv import PlainCsvFormat
from load_tests.traces.formats.tlc import GREEN, HIGH_VOLUME, YELLOW
from load_tests.traces.source import Format

# In the order in which they are tried.
FORMATS: tuple[Format, ...] = (
    ParquetFormat(),
    EventLogFormat(),
    MdrpFormat(),
    HIGH_VOLUME,
    YELLOW,
    GREEN,
    ChicagoFormat(),
    PlainCsvFormat(),
)

__all__ = ["FORMATS"]
