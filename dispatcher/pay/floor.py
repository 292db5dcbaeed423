"""The guaranteed floor: at the end of a shift, what is missing to the guarantee is topped up."""

from __future__ import annotations

from dispatcher.pricing.tariff import rounded
from dispatcher.times import SECOND
from gig.v1 import types_pb2 as types_pb


def top_up(per_online_hour: int, online_us: int, earned: int) -> types_pb.PriceLine | None:
    """The line that lifts ``earned`` to max(earned, rate x online hours), or None where nothing is missing."""
    seconds = online_us // SECOND
    guaranteed = rounded(per_online_hour * seconds, 3600)
    if guaranteed <= earned:
        return None
    return types_pb.PriceLine(
        kind=types_pb.PRICE_LINE_KIND_TOP_UP,
        minor_units=guaranteed - earned,
        rule=f"{per_online_hour} an hour x {seconds} s online - {earned} earned",
    )
