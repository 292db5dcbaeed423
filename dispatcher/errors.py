"""What can go wrong, one class for a condition. Translated to gRPC status in services/rpc/errors.py alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from dispatcher.subclasses import subclasses_in


class DispatchError(Exception):
    """Base. ``reason`` is a stable UPPER_SNAKE_CASE word for programs, the message is for people."""

    def __init__(self, reason: str, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata


class InvalidField(DispatchError):
    """A request that no state of the market could accept; ``field`` is its path in the request."""

    def __init__(self, field: str, message: str, reason: str = "INVALID_FIELD") -> None:
        super().__init__(reason, f"{field}: {message}", field=field)
        self.field = field
        self.description = message


class ZonesInvalid(InvalidField):
    """A zone document with faults; ``faults`` holds a sentence for each."""

    faults: tuple[str, ...] = ()

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("geojson", "; ".join(faults), "ZONES_INVALID")
        self.faults = tuple(faults)


class NotFound(DispatchError):
    """No such job, offer or courier."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind.upper()}_NOT_FOUND", f"there is no {kind} {name!r}", **{f"{kind}_id": name})


class WrongState(DispatchError):
    """The request is sound, but not now; the message says what stands in the way."""


class TakenOver(WrongState):
    """Another connection of the same courier is open; this one may connect again after ``retry_s``."""

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__("TAKEN_OVER", message)
        self.retry_s = retry_s


class RequestReused(DispatchError):
    """A request_id came back with another content."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            "REQUEST_ID_REUSED",
            "this request_id was used before with another content; use a new one",
            request_id=request_id,
        )


class NotYours(DispatchError):
    """The job or offer belongs to somebody else."""


class NoCaller(DispatchError):
    """A call that does not prove who makes it."""


class NotAllowed(DispatchError):
    """The one who asks may not see or do this."""


class MarketUnavailable(DispatchError):
    """The market cannot promise durability now; the same request may be sent again."""


class TablesBehind(MarketUnavailable):
    """A crash of the database has taken rows that were written: they must be written again from the log."""

    def __init__(self, market_id: str, sequence: int) -> None:
        super().__init__("TABLES_BEHIND", f"the tables of market {market_id!r} no longer show event {sequence}")


class StaleWriter(MarketUnavailable):
    """Another process has taken over the market; this one must stop writing."""

    def __init__(self, market_id: str) -> None:
        super().__init__("STALE_WRITER", f"another process writes market {market_id!r} now", market_id=market_id)


class MarketHeld(DispatchError):
    """Another process holds the market's lock."""

    def __init__(self, market_id: str, holder: str) -> None:
        super().__init__(
            "MARKET_HELD",
            f"market {market_id!r} is held by {holder}: stop that process first, or end it by starting gig serve with "
            "--take-over",
            market_id=market_id,
        )


class Exhausted(DispatchError):
    """More than this caller, or all together, may ask for; the same request may be sent again after ``retry_s``."""

    def __init__(self, reason: str, message: str, retry_s: float) -> None:
        super().__init__(reason, message)
        self.retry_s = retry_s


class RestoreUnfinished(DispatchError):
    """The market is not whole: its restore was cut short, or goes on."""

    def __init__(self, market_id: str) -> None:
        super().__init__(
            "RESTORE_UNFINISHED",
            f"market {market_id!r} is not wholly restored: wait for the restore, or repeat it in an empty database",
            market_id=market_id,
        )


class UnfoldableLog(DispatchError):
    """An event on the log that cannot be applied; an operator must repair the log before the market can be served."""

    def __init__(self, market_id: str, sequence: int, kind: str, where: str) -> None:
        super().__init__(
            "LOG_UNFOLDABLE",
            f"event {sequence} ({kind}) on the log of market {market_id!r} cannot be applied ({where}): "
            "see what a repair would do with gig log repair --dry-run, then repair the log with gig log repair",
            market_id=market_id,
            sequence=str(sequence),
        )


class PolicyError(DispatchError):
    """A policy file or message that cannot be used."""

    faults: tuple[tuple[str, str], ...] = ()

    def __init__(self, message: str, faults: Sequence[tuple[str, str]] = ()) -> None:
        """``faults``: (path within the policy, what is wrong), where single fields are at fault."""
        super().__init__("POLICY_INVALID", message)
        self.faults = tuple(faults)

    @classmethod
    def of(cls, origin: str, faults: Sequence[tuple[str, str]]) -> Self:
        """Return the error that lists all faults of a policy that comes from ``origin``."""
        return cls(f"{origin}: {'; '.join(f'{field}: {fault}' for field, fault in faults)}", faults)


# Every class of error but the base.
CONDITIONS = subclasses_in(vars(), DispatchError)
