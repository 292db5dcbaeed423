"""Errors of the ports on which the server listens."""

from __future__ import annotations


class PortTaken(RuntimeError):
    """The address to listen on is not free."""
