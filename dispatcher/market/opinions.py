"""How many opinions a review needs."""

from __future__ import annotations

from collections.abc import Sequence

from gig.v1 import transparency_service_pb2 as pb

MOST_OPINIONS = 3


def opinions_needed(at_first: int, opinions: Sequence[pb.ReviewOpinion]) -> int:
    """As many as it was opened with; where they differ, a third."""
    differ = len({(opinion.outcome, opinion.level) for opinion in opinions}) > 1
    return MOST_OPINIONS if differ else at_first
