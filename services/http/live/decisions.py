"""Decisions of the last moments, and each opened to its reason: in full for operators and reviewers; for everyone else
how offers are chosen, and nothing of the people."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from google.protobuf.json_format import MessageToDict

from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import NOT_OFFERED, DecisionKey, decisions_of
from dispatcher.decisions.privacy import for_anyone
from dispatcher.errors import NotFound
from dispatcher.log import lookups
from dispatcher.times import SECOND, micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import transparency_service_pb2 as pb
from services.host.market_host import MarketHost
from services.http.viewer import viewer_of
from services.rpc.access import OPERATOR, Caller

# How far back the list looks, and how long it is.
EVENTS_BACK = 300
LISTED = 24
MINUTE_S = 60
SEE_ALL = (OPERATOR, "reviewer")
BY_HUMANS = ("rating_revised", "review_decided")


def sees_all(viewer: Caller | None) -> bool:
    return viewer is not None and viewer.role in SEE_ALL


async def recent(host: MarketHost) -> list[dict[str, Any]]:
    """Newest first, of each event the first decision that it holds."""
    found = []
    async for event in host.store.read(max(host.measures.sequence - EVENTS_BACK, 0)):
        keys = decisions_of(event)
        if keys and event.sequence <= host.measures.sequence:
            found.append(_row(event, keys[0]))
    return found[::-1]


def listed(rows: list[dict[str, Any]], all_kinds: bool) -> list[dict[str, Any]]:
    """What a viewer sees of them: unless they may see everything, offers to the minute, without their people."""
    if all_kinds:
        return rows[:LISTED]
    offers = [row for row in rows if row["kind"] == "offer"][:LISTED]
    return [row | {"person_id": "", "time": row["time"] // MINUTE_S * MINUTE_S} for row in offers]


def _row(event: events_pb.Event, key: DecisionKey) -> dict[str, Any]:
    body = event.WhichOneof("body")
    human = body in BY_HUMANS or (body == "standing_changed" and bool(event.standing_changed.change.decided_by))
    return {
        "decision_id": key.decision_id,
        "kind": pb.DecisionKind.Name(key.kind).removeprefix("DECISION_KIND_").lower(),
        "time": micros(event.time) / SECOND,
        "person_id": key.person_id,
        "decider": "human" if human else "solver" if body == "offer_made" else "rule",
    }


async def opened(host: MarketHost, request: web.Request) -> web.Response:
    """GET /live/decisions/{decision_id}. Raises NotFound; also for what a viewer may not see."""
    decision_id = request.match_info["decision_id"]
    found = await lookups.decision(await host.projected(), host.market_id, decision_id)
    if found is None:
        raise NotFound("decision", decision_id)
    decision = explain(found.event, decision_id, found.person_id, host.market.state.policy.standing)
    if not sees_all(viewer_of(request)):
        if decision.kind != pb.DECISION_KIND_OFFER or decision_id.startswith(NOT_OFFERED):
            raise NotFound("decision", decision_id)
        decision = for_anyone(decision)
    return web.json_response(MessageToDict(decision))
