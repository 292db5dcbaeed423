"""Faults as the log tells them: what and where, never the text of one that may hold what people are or wrote."""

from __future__ import annotations

import traceback

import asyncpg

# Classes of SQLSTATE whose messages are about the database itself: connection, resources, operator, system.
ABOUT_THE_DATABASE = frozenset({"08", "53", "57", "58", "XX"})


def told(fault: BaseException) -> str:
    """In a line. Messages of statements may quote values, those of the system may not."""
    kind = type(fault).__name__
    if isinstance(fault, asyncpg.PostgresError):
        state = str(fault.sqlstate or "")
        safe = state[:2] in ABOUT_THE_DATABASE and fault.args
        return f"{kind} {state}: {fault.args[0]}" if safe else f"{kind} {state}"
    if isinstance(fault, OSError):
        return f"{kind}: {fault.strerror or 'no answer'}"
    return kind


def where(fault: BaseException) -> str:
    """The kind of a fault that nobody foresaw, and the lines of code that it went through."""
    return f"{type(fault).__name__}\n{''.join(traceback.format_tb(fault.__traceback__))}"
