"""The limit of open files, and the numbers of connections that it allows."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger(__name__)

# The most that is asked for, where the system sets no limit or a very large one.
ENOUGH = 1 << 20
# Files that are not connections of clients: the database, child processes, exports.
RESERVED = 256


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


def shares(files: int, http: int, grpc: int) -> tuple[int, int]:
    """Return how many connections HTTP and gRPC may hold: as wanted, or fewer where the files do not suffice.

    HTTP takes as many files again for connections that it refuses and closes late.
    """
    left = max(files - RESERVED, 3)
    fitting_http = min(http, max(left // 8, 1))
    fitting_grpc = min(grpc, left - 2 * fitting_http)
    if (fitting_http, fitting_grpc) != (http, grpc):
        log.warning(
            "%d open files allow %d connections for HTTP and %d for gRPC: raise the limit (ulimit -n) for more",
            *(files, fitting_http, fitting_grpc),
        )
    return fitting_http, fitting_grpc
