"""The libraries of the extra ``research``, and the message for a command that lacks one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.failures import FAILED, fail

# Import names of what the extra installs. Replays, experiments, trace files, load and benchmarks need them.
RESEARCH = frozenset(
    {
        *("grpc_status", "hdrh", "jinja2", "markupsafe", "optuna", "plotly"),
        *("polars", "pyarrow", "pyproj", "shapefile", "tomli_w"),
    }
)


@contextmanager
def missing_extra_reported() -> Iterator[None]:
    """End the command with a sentence where it imports a library of the extra that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in RESEARCH:
            raise
        fail(
            f"this command needs {error.name}, which is not installed. Run: pip install 'gig-dispatch[research]'",
            FAILED,
        )
