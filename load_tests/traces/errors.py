"""What is wrong with a trace."""

from __future__ import annotations


class TraceError(ValueError):
    """A trace that cannot be read; the message names the file, the place and the fault."""
