"""Reviews as they are shown while they wait."""

from __future__ import annotations

from dispatcher.messages import copied
from gig.v1 import transparency_service_pb2 as transparency_pb


def blind(review: transparency_pb.Review) -> transparency_pb.Review:
    """While it waits, without the answers given so far: a second opinion is formed without the first."""
    shown = copied(review)
    if not shown.HasField("decide_time"):
        del shown.opinions[:]
    return shown
