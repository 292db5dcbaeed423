"""TransparencyService: why an offer was made, from the log."""

from __future__ import annotations

from dispatcher.errors import NotFound
from dispatcher.log import lookups
from gig.v1 import events_pb2 as events_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import transparency_service_pb2 as pb
from services.host.market_host import MarketHost


class TransparencyService:
    def __init__(self, host: MarketHost) -> None:
        self._host = host

    async def explain_decision(self, call: pb.ExplainDecisionRequest) -> pb.ExplainDecisionResponse:
        found = await lookups.get_offer(await self._host.projected(), self._host.market_id, call.decision_id)
        if found is None:
            raise NotFound("decision", call.decision_id)
        event, offer = found
        return pb.ExplainDecisionResponse(decision=_decision(event, offer))

    async def explain_wait(self, call: pb.ExplainWaitRequest) -> pb.ExplainWaitResponse:
        host = self._host
        now, online = host.clock.now(), host.market.state.columns.online_numbers()
        return await host.read(lambda market: market.explain_wait(call.job_id, host.moved(online), now))


def _decision(event: events_pb.Event, offer: offer_pb.Offer) -> pb.Decision:
    return pb.Decision(
        decision_id=offer.offer_id,
        kind=pb.DECISION_KIND_OFFER,
        decider=pb.DECIDER_SOLVER,
        person_id=offer.courier_id,
        job_id=offer.jobs[0].job_id,
        time=event.time,
        policy_version=offer.policy_version,
        sentence=sentence(offer),
        sequence=event.sequence,
        offer=offer,
    )


def sentence(offer: offer_pb.Offer) -> str:
    """The reason as a person reads it."""
    reason = offer.reason
    seconds = offer.pickup_duration.seconds
    text = (
        f"Of {reason.couriers_considered} couriers who counted, {reason.couriers_eligible} could take this job and were"
        f" compared; you were {seconds // 60} min {seconds % 60} s from the pickup"
    )
    nearer = [other for other in reason.alternatives if other.cost < reason.cost]
    if not nearer:
        return f"{text}, the best choice for it."
    busy = sum(bool(other.chosen_for_job_id) for other in nearer)
    return f"{text}; {len(nearer)} would have cost less, of whom {busy} were chosen for other jobs of the same round."
