"""The humans who made a decision, on every record that names them.

``decided_by_ids`` has their ids. ``decided_by`` has the same as a text for people; records of earlier versions have it
alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from gig.v1 import events_pb2 as events_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb

Decided = rating_pb.StandingChange | events_pb.RatingRevised | transparency_pb.Review | transparency_pb.Decision
# Of the text; no id holds a comma or a space.
_SEPARATOR = ", "


def deciders(record: Decided) -> list[str]:
    """Return the ids of the humans who made the decision; none where a rule or the solver did."""
    if record.decided_by_ids or not record.decided_by:
        return list(record.decided_by_ids)
    return record.decided_by.split(_SEPARATOR)


def set_deciders(record: Decided, names: Iterable[str]) -> None:
    """Name the humans who made the decision, each once."""
    record.decided_by_ids[:] = dict.fromkeys(names)
    record.decided_by = _SEPARATOR.join(record.decided_by_ids)
