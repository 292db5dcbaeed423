"""Decisions of the last moments, listed; and how an offer was chosen, for everyone. Operators and reviewers open
decisions by TransparencyService/ExplainDecision, as any client does."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web
from google.protobuf.json_format import MessageToDict

from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import DecisionKey, decisions_of
from dispatcher.decisions.privacy import for_anyone
from dispatcher.errors import NotFound
from dispatcher.log import lookups
from dispatcher.times import SECOND, micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as pb
from services.auth.caller import OPERATOR, Caller
from services.host.market_host import MarketHost
from services.rpc.currency_digits import add_digits

# How far back the list looks, and how long it is.
EVENTS_BACK = 300
LISTED = 24
MINUTE_S = 60
# The pattern of ids in the contract.
DECISION_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")
SEE_ALL = (OPERATOR, "reviewer")

Recent = list[tuple[events_pb.Event, DecisionKey]]


def sees_all(viewer: Caller | None) -> bool:
    return viewer is not None and viewer.role in SEE_ALL


async def recent(host: MarketHost) -> Recent:
    """Newest first: events with the first decision that each holds."""
    found = []
    async for event in host.store.read(max(host.measures.sequence - EVENTS_BACK, 0)):
        keys = decisions_of(event)
        if keys and event.sequence <= host.measures.sequence:
            found.append((event, keys[0]))
    return found[::-1]


def listed(found: Recent, all_kinds: bool, standing: policy_pb.StandingPolicy) -> list[dict[str, Any]]:
    """What a viewer sees of them: unless they may see everything, offers to the minute, without their people."""
    if all_kinds:
        return [_row(event, key, standing) for event, key in found[:LISTED]]
    offers = [(event, key) for event, key in found if key.kind == pb.DECISION_KIND_OFFER][:LISTED]
    rows = [_row(event, key, standing) for event, key in offers]
    return [row | {"person_id": "", "time": row["time"] // MINUTE_S * MINUTE_S} for row in rows]


def _row(event: events_pb.Event, key: DecisionKey, standing: policy_pb.StandingPolicy) -> dict[str, Any]:
    decision = explain(event, key.decision_id, key.person_id, standing)
    return {
        "decision_id": key.decision_id,
        "kind": pb.DecisionKind.Name(key.kind).removeprefix("DECISION_KIND_").lower(),
        "time": micros(event.time) / SECOND,
        "person_id": key.person_id,
        "decider": pb.Decider.Name(decision.decider).removeprefix("DECIDER_").lower(),
    }


async def opened(host: MarketHost, decision_id: str) -> web.Response:
    """An offer, without the people. Raises NotFound, also for any other decision."""
    if not DECISION_ID.fullmatch(decision_id):
        raise NotFound("offer", decision_id)
    found = await lookups.decision(await host.projected(), host.market_id, decision_id)
    if found is None:
        raise NotFound("offer", decision_id)
    decision = explain(found.event, decision_id, found.person_id, host.market.state.policy.standing)
    if not decision.HasField("offer"):
        raise NotFound("offer", decision_id)
    shown = for_anyone(decision)
    add_digits(shown)
    return web.json_response(MessageToDict(shown))
