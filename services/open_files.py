"""The limit of open files, and the numbers of connections that it allows."""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass

log = logging.getLogger(__name__)

# The most that is asked for, where the system sets no limit or a very large one.
ENOUGH = 1 << 20
# Files that are not connections of clients: the database, child processes, exports.
RESERVED = 256
# Refused connections that may wait to be closed, for each that may be open.
REFUSED_FOR_EACH = 4


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return ENOUGH if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        log.warning("the limit of open files stays at %d: raise it (ulimit -n) to serve more connections", soft)
        return soft
    return wanted


@dataclass(frozen=True, slots=True)
class Shares:
    """Connections that HTTP and gRPC may hold, and refused ones of HTTP that wait to be closed."""

    http: int
    grpc: int
    refused: int


def shares(files: int, http: int, grpc: int) -> Shares:
    """Return the connections that the files allow: as many as wanted, or fewer."""
    left = max(files - RESERVED, 2)
    fitting_http = min(http, max(left // 4, 1))
    refused = min(REFUSED_FOR_EACH * fitting_http, left // 4)
    fitting_grpc = min(grpc, left - fitting_http - refused)
    if (fitting_http, fitting_grpc) != (http, grpc):
        log.warning(
            "%d open files allow %d connections for HTTP and %d for gRPC: raise the limit (ulimit -n) for more",
            *(files, fitting_http, fitting_grpc),
        )
    return Shares(fitting_http, fitting_grpc, refused)
