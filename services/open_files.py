"""How many files and connections this process may hold open."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger(__name__)

# Where the system sets no limit, or a very large one.
ENOUGH = 1 << 20
# For the database, files, children and what comes up.
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
        log.warning("the limit of open files stays at %d", soft)
        return soft
    return wanted


def shares(files: int, http: int, grpc: int) -> tuple[int, int]:
    """Return how many connections HTTP and gRPC may hold: as wanted, or less where there are fewer files."""
    left = max(files - RESERVED, 2)
    fitting_http = min(http, max(left // 4, 1))
    fitting_grpc = min(grpc, left - fitting_http)
    if (fitting_http, fitting_grpc) != (http, grpc):
        log.warning(
            "%d open files allow %d connections for HTTP and %d for gRPC: raise the limit (ulimit -n) for more",
            *(files, fitting_http, fitting_grpc),
        )
    return fitting_http, fitting_grpc
