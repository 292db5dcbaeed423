"""Recognise the repetition of a call: by its caller, its method and its request_id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from dispatcher.commands import Request
from dispatcher.complete import known
from dispatcher.errors import RequestReused
from dispatcher.event_kinds import BODIES
from dispatcher.ids import keyed_hash, pack
from dispatcher.market.state import KeptRequest, MarketState
from gig.v1 import events_pb2 as events_pb

_COURIER_KINDS = known(
    frozenset(
        {
            "courier_online",
            "courier_offline",
            "courier_closing",
            "courier_destination_set",
            "offer_answered",
            "queue_left",
            "job_released",
            "job_cancelled",
            "job_failed",
            "courier_arrived",
            "job_picked_up",
            "job_completed",
        }
    ),
    BODIES,
    "events of a courier's stream",
)
# Earlier versions kept no method with a request. Each method, and the events that it could sign then.
SIGNED_BY = {
    "JobService/QuoteJob": frozenset({"job_quoted"}),
    "JobService/PlaceJob": frozenset({"job_placed"}),
    "JobService/CancelJob": frozenset({"offer_answered", "job_cancelled"}),
    "CourierService/Connect": _COURIER_KINDS,
    "CourierService/GoOnline": frozenset({"courier_online"}),
    "CourierService/GoOffline": frozenset(
        {"offer_answered", "job_released", "queue_left", "courier_closing", "courier_offline"}
    ),
    "CourierService/AnswerOffer": frozenset({"offer_answered"}),
    "CourierService/ReportProgress": frozenset(
        {"courier_arrived", "job_picked_up", "job_completed", "job_released", "job_failed", "job_cancelled"}
    ),
    "CourierService/SetDestination": frozenset({"courier_destination_set"}),
    "RatingService/RateJob": frozenset({"job_rated"}),
    "PayService/AddTip": frozenset({"tip_added"}),
    "TransparencyService/ContestDecision": frozenset({"review_opened", "review_statement_added"}),
    "TransparencyService/EraseMyData": frozenset({"person_erased"}),
    "OversightService/SetPolicy": frozenset({"policy_set", "policy_announced"}),
    "OversightService/SetZones": frozenset({"zones_set"}),
    "OversightService/SetBlock": frozenset({"pair_blocked"}),
    "OversightService/OpenReview": frozenset({"standing_changed", "review_opened"}),
    "OversightService/ClaimReview": frozenset({"review_claimed"}),
    "OversightService/DecideReview": frozenset({"review_opinion_given"}),
}
known(frozenset().union(*SIGNED_BY.values()), BODIES, "events that a call could sign")


@dataclass(frozen=True, slots=True)
class Signature:
    """A request as the log keeps it: two hashes that are keyed with the market's secret and name nobody."""

    call_key: bytes
    digest: int


# A call is looked up, signed and looked up again for its answer, one after the other.
@lru_cache(maxsize=64)
def signature(secret: bytes, request: Request) -> Signature:
    """Hash a request as the log of the market with this secret keeps it."""
    key = keyed_hash(secret, pack((request.role, request.caller_id, request.method, *request.name)))
    digest = keyed_hash(secret, key + request.digest.to_bytes(8, "big"), 8)
    return Signature(key, int.from_bytes(digest, "big"))


def kept_request(state: MarketState, request: Request) -> KeptRequest | None:
    """Return the earlier call that this one repeats, or None. Raises RequestReused where its content differs."""
    signed = signature(state.secret, request)
    kept = state.requests.get(signed.call_key)
    if kept is None:
        return _kept_by_earlier_version(state, request)
    if kept.request.digest != signed.digest:
        raise RequestReused(request.name[-1])
    return kept


def former_key(request: Request) -> str:
    """Return the key under which earlier versions kept a request. Callers and request_ids may hold its separator."""
    return ":".join((request.caller_id, *request.name))


def _kept_by_earlier_version(state: MarketState, request: Request) -> KeptRequest | None:
    """Look under the key of earlier versions, which joined the parts and left out role and method."""
    kept = state.requests.get(former_key(request))
    if kept is None or kept.kind not in SIGNED_BY.get(request.method, ()):
        return None
    if kept.request.digest == request.digest:
        return kept
    if kept.request.key.count(":") == 1:
        raise RequestReused(request.name[-1])
    return None  # the key may be another caller's: only the same content proves that it is not


def recall(state: MarketState, events: Iterable[events_pb.Event]) -> None:
    """Complete the requests of a snapshot of an earlier version with the events that carry them."""
    for event in events:
        kept = state.requests.get(event.request.key) if event.HasField("request") else None
        if kept is not None and not kept.kind:
            kind = str(event.WhichOneof("body"))
            state.requests[event.request.key] = replace(kept, kind=kind, sequence=event.sequence)


def incomplete_since(state: MarketState) -> int | None:
    """Return the market time of the oldest request that ``recall`` has to complete, or None."""
    return next((kept.time_us for kept in state.requests.values() if not kept.kind), None)
