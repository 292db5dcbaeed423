"""The results of messages: counts by code, and the first ones that show a fault of the server."""

from __future__ import annotations

from collections import Counter
from typing import Any

# Codes that may answer bad input; INTERNAL, UNKNOWN, UNIMPLEMENTED and silence are faults of the server.
CLEAR = frozenset(
    {
        "OK",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "RESOURCE_EXHAUSTED",
    }
)
# How a call ends when the server restarts, or a stream when another one of the same courier takes its place.
CUT = "CUT"
# Codes which say that something is no longer as the caller knew it.
STALE = frozenset({"FAILED_PRECONDITION", "NOT_FOUND"})
# Faults that are kept with their text, and of one method and code; more are counted.
KEPT, KEPT_ALIKE = 20, 3


class Findings:
    """``unclear``: sentences about faults of the server, at most KEPT; ``faults``: how many there were."""

    def __init__(self) -> None:
        self.codes: dict[str, Counter[str]] = {}
        self.methods: dict[str, Counter[str]] = {}
        self.unclear: list[str] = []
        self.faults = 0

    def note(self, path: str, code: str, details: str = "", data: bytes = b"") -> None:
        """Count an answer; a code that is not clear becomes a fault."""
        self.codes.setdefault(path.partition("/")[0], Counter())[code] += 1
        self.methods.setdefault(path, Counter())[code] += 1
        if code not in CLEAR and code != CUT:
            alike = self.methods[path][code] <= KEPT_ALIKE
            self.fault(f"{path}: {code}: {details} for {data[:400].hex()}" if alike else "")

    def fault(self, sentence: str) -> None:
        """Count a fault of the server, and keep its sentence while there is room."""
        self.faults += 1
        if sentence and len(self.unclear) < KEPT:
            self.unclear.append(sentence)

    def messages(self) -> int:
        """Return how many messages have ended, of all services."""
        return sum(codes.total() for codes in self.codes.values())

    def accepted_share(self) -> dict[str, float]:
        """Return by service which share of its messages was answered OK; those that were cut do not count."""
        shares = {}
        for service, codes in self.codes.items():
            answered = codes.total() - codes[CUT]
            shares[service] = round(codes["OK"] / answered, 3) if answered else 0.0
        return shares

    def summary(self) -> dict[str, Any]:
        return {
            "codes": {name: dict(sorted(codes.items())) for name, codes in self.codes.items()},
            "accepted_share": self.accepted_share(),
            "unclear": self.unclear,
            "faults": self.faults,
        }
