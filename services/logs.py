"""The server's own log, with a limit on how often clients can make it write."""

from __future__ import annotations

import logging
from time import monotonic

# Libraries that log what clients without a token can cause: asyncio each connection that cannot be accepted, gRPC and
# aiohttp each call that ends in an unusual way.
LIMITED = ("asyncio", "grpc", "aiohttp")
EVERY_S = 1.0
FORMAT = "%(asctime)s %(levelname)s %(message)s"
# Kinds of records that the filter remembers.
KINDS = 1_000


class OncePerSecond(logging.Filter):
    """Pass one record of each kind in ``every_s`` seconds; the next one that passes says how many were left out.

    Records are of one kind when the same library makes them from the same template. Records of other loggers pass.
    """

    def __init__(self, libraries: tuple[str, ...] = LIMITED, every_s: float = EVERY_S) -> None:
        super().__init__()
        self._libraries, self._every_s = libraries, every_s
        # By kind: when the last record passed, and how many were left out since.
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in self._libraries:
            return True
        kind, now_s = (record.name, str(record.msg).partition("\n")[0][:80]), monotonic()
        passed_s, left_out = self._seen.get(kind, (float("-inf"), 0))
        if now_s < passed_s + self._every_s:
            self._seen[kind] = passed_s, left_out + 1
            return False
        if len(self._seen) >= KINDS:
            self._seen.clear()
        self._seen[kind] = now_s, 0
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} more like it)", ()
        return True


def set_up() -> None:
    """Log to standard error; of the limited libraries at most one record of a kind a second."""
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    for handler in logging.getLogger().handlers:
        handler.addFilter(OncePerSecond())
