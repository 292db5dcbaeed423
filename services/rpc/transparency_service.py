"""TransparencyService: decisions listed, explained and contested; everything held exported, or erased."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dispatcher import commands
from dispatcher.currencies import digits_of
from dispatcher.decisions.explain import explain
from dispatcher.decisions.privacy import for_person
from dispatcher.errors import InvalidField, NotFound
from dispatcher.log import lookups
from dispatcher.market.set_aside import SetAside
from dispatcher.measures.catalogue.own import MINOR_UNITS, own_measures
from dispatcher.pay.guarantees import comparison, guarantees
from dispatcher.pricing.amounts import saturated
from dispatcher.times import timestamp
from gig.v1 import transparency_service_pb2 as pb
from services.auth import access
from services.host.erasures import Erasures
from services.host.market_host import MarketHost
from services.host.no_offer import NoOffers
from services.host.personal_data import export
from services.rpc.requests import DEFAULT_PAGE, page_token_of, place_in_pages, request_of
from services.rpc.reviews import blind

# Reviews that a rule opened: they are no contest of the decision in question.
ASKED_BY_RULES = (pb.REVIEW_KIND_STANDING, pb.REVIEW_KIND_PROGRESS)


class TransparencyService:
    def __init__(self, host: MarketHost, no_offers: NoOffers, erasures: Erasures) -> None:
        self._host = host
        self._no_offers = no_offers
        self._erasures = erasures

    async def list_decisions(self, call: pb.ListDecisionsRequest) -> pb.ListDecisionsResponse:
        size = call.page_size or DEFAULT_PAGE
        before = place_in_pages(call.page_token)
        pool = await self._host.projected()
        found = await lookups.decisions(pool, self._host.market_id, call.person_id, before, size + 1)
        page = found[:size]
        more = page_token_of(page[-1].place) if len(found) > size else ""
        return pb.ListDecisionsResponse(decisions=[self._explained(one) for one in page], next_page_token=more)

    async def explain_decision(self, call: pb.ExplainDecisionRequest) -> pb.ExplainDecisionResponse:
        """About the caller; operators and reviewers may see any."""
        caller = access.current()
        pool, market_id = await self._host.projected(), self._host.market_id
        found = await lookups.decision(pool, market_id, call.decision_id, caller.person_id)
        if found is None:
            found = await lookups.decision(pool, market_id, call.decision_id)
        if found is None:
            raise NotFound("decision", call.decision_id)
        access.check_subject(found.person_id)
        decision = self._explained(found)
        for review in await lookups.reviews_of_decision(pool, market_id, call.decision_id):
            if review.subject_id == found.person_id and not decision.HasField("review"):
                decision.review.CopyFrom(blind(review))
        return pb.ExplainDecisionResponse(decision=decision)

    async def contest_decision(self, call: pb.ContestDecisionRequest) -> pb.ContestDecisionResponse:
        request = request_of(call)
        pool, market_id = await self._host.projected(), self._host.market_id
        found = await lookups.decision(pool, market_id, call.decision_id, call.person_id)
        if found is None:
            other = await lookups.decision(pool, market_id, call.decision_id)
            if other is not None:
                access.check_subject(other.person_id)
            raise NotFound("decision", call.decision_id)
        reviews = await lookups.reviews_of_decision(pool, market_id, call.decision_id)
        command = commands.ContestDecision(
            request=request,
            person_id=call.person_id,
            decision=explain(found.event, found.decision_id, found.person_id, self._host.market.state.policy.standing),
            statement=call.statement,
            contested_before=any(
                review.kind not in ASKED_BY_RULES and review.subject_id == call.person_id for review in reviews
            ),
        )
        if not call.statement.strip():
            raise InvalidField("statement", "say what is wrong with the decision")
        review_id = await self._host.submit(command, lambda market: market.subject(request) or "")
        review = await lookups.get_review(await self._host.projected(), market_id, review_id)
        assert review is not None, "the review is opened"
        return pb.ContestDecisionResponse(review_id=review_id, answer_by_time=review.answer_by_time)

    async def export_my_data(self, call: pb.ExportMyDataRequest) -> AsyncIterator[pb.ExportMyDataResponse]:
        async for chunk in export(self._host, call.person_id):
            yield pb.ExportMyDataResponse(chunk=chunk)

    async def erase_my_data(self, call: pb.EraseMyDataRequest) -> pb.EraseMyDataResponse:
        """Erase the person; a repetition is answered like the first call, although the name is gone."""
        request = request_of(call)
        erasure = await self._erasures.erase(request, call.person_id)
        return pb.EraseMyDataResponse(pseudonym=erasure.pseudonym, events=erasure.events)

    async def explain_no_offer(self, call: pb.ExplainNoOfferRequest) -> pb.ExplainNoOfferResponse:
        self._host.market.state.courier(call.courier_id)
        await self._host.projected()
        return await self._no_offers.explain(self._host.market_id, call.job_id, call.courier_id)

    async def explain_wait(self, call: pb.ExplainWaitRequest) -> pb.ExplainWaitResponse:
        host = self._host
        job = host.market.state.jobs.get(call.job_id)
        if job is not None:
            access.check_subject(job.client_id)
        now, online = host.clock.now(), host.market.state.columns.online_numbers()
        set_aside = SetAside(stale=host.positions.stale_online(now))
        return await host.read(
            lambda market: market.explain_wait(call.job_id, host.positions.moved(online), now, set_aside)
        )

    async def get_my_measures(self, call: pb.GetMyMeasuresRequest) -> pb.GetMyMeasuresResponse:
        host = self._host
        if call.courier_id not in host.measures.couriers:
            host.market.state.courier(call.courier_id)
        reading, policy = host.reading(), host.market.state.policy
        found = pb.GetMyMeasuresResponse(
            time=timestamp(reading.measures.time_us),
            currency_code=reading.measures.currency,
            currency_digits=digits_of(reading.measures.currency),
            floor_minor_units_per_hour=reading.measures.terms.floor_per_hour,
            guarantees=guarantees(policy),
            comparison=comparison(policy, reading.measures.terms.floor_per_hour),
        )
        for own in own_measures(reading, call.courier_id):
            told = own.measure
            found.measures.add(
                number=told.number,
                name=told.name,
                family=told.family.value,
                unit=told.unit,
                formula=told.formula,
                source=told.source,
                values=[_value(name, value, own.market.get(name)) for name, value in own.values.items()],
            )
        return found

    def _explained(self, found: lookups.FoundDecision) -> pb.Decision:
        return for_person(
            explain(found.event, found.decision_id, found.person_id, self._host.market.state.policy.standing)
        )


def _value(name: str, value: float | None, market: float | None) -> pb.MeasuredValue:
    found = pb.MeasuredValue(name=name, value=value, market=market)
    if name == MINOR_UNITS and isinstance(value, int):
        found.minor_units = saturated(value)
    return found
