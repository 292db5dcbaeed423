"""The rights of those whom the market decides about: each by a plain call, and refused to everybody else."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile

import grpc
import jsonschema
import pytest

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from services.auth.caller import ROLES
from services.auth.gate import bearer
from services.rpc.services import SERVICERS
from tests.kit import spec
from tests.service.stream import place_request
from tests.signing import caller

NOBODY = (("authorization", "none"),)


async def serve(jobs, courier, name: str, island: tuple[float, float]) -> job_pb2.Job:
    """A job from placing to its end, by a courier who is online."""
    placed = (await jobs.PlaceJob(place_request(name, island))).job
    offer = await courier.offer()
    await courier.accept(offer.offer_id)
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        await courier.report(placed.job_id, step)
    return (await jobs.GetJob(job_pb.GetJobRequest(job_id=placed.job_id))).job


async def rate(ratings, job: job_pb2.Job, stars: int, request_id: str = "r", tags: tuple[str, ...] = ()):
    request = rating_pb.RateJobRequest(
        request_id=request_id,
        job_id=job.job_id,
        rater=job_pb2.ACTOR_CLIENT,
        rater_id=job.client_id,
        stars=stars,
        tags=tags,
        comment="cold soup",
    )
    return (await ratings.RateJob(request)).rating


async def refused(call, code: grpc.StatusCode) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as fault:
        await call
    assert fault.value.code() is code, fault.value.details()
    return fault.value.details()


async def listed(transparency, person: str) -> list[pb.Decision]:
    """All pages, two at a time."""
    found: list[pb.Decision] = []
    token = ""
    while True:
        asked = pb.ListDecisionsRequest(person_id=person, page_size=2, page_token=token)
        page = await transparency.ListDecisions(asked, metadata=caller("courier", person))
        found += page.decisions
        token = page.next_page_token
        if not token:
            return found


async def test_every_decision_about_me_is_listed_and_explained(
    jobs, ratings, transparency, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    await rate(ratings, job, 2)
    decisions = await listed(transparency, bo.courier_id)
    kinds = [pb.DecisionKind.Name(decision.kind).removeprefix("DECISION_KIND_") for decision in decisions]
    # The job is done faster than anybody drives, unless the machine is slow.
    assert kinds in (["SCORE", "FLAG", "PRICE", "OFFER"], ["SCORE", "PRICE", "OFFER"])
    assert [decision.sequence for decision in decisions] == sorted((d.sequence for d in decisions), reverse=True)
    for decision in decisions:
        asked = pb.ExplainDecisionRequest(decision_id=decision.decision_id)
        told = (await transparency.ExplainDecision(asked, metadata=caller("courier", bo.courier_id))).decision
        if told.kind == pb.DECISION_KIND_FLAG:
            # Explained, it shows the review in which a human is asked.
            assert told.review.kind == pb.REVIEW_KIND_PROGRESS
            told.ClearField("review")
        assert told == decision
        assert told.sentence
        assert told.inputs
        assert told.rule
        assert told.HasField("contest_by_time")
    score, *_, price, offer = decisions
    assert "rated 2 of 5" in score.sentence
    assert (score.rating.rater_id, score.rating.comment) == ("", "cold soup")
    assert price.pay == job.pay
    assert offer.offer.reason.terms
    client = await transparency.ExplainDecision(
        pb.ExplainDecisionRequest(decision_id=job.price_decision_id), metadata=caller("client", name)
    )
    assert client.decision.fare.total == job.fare.total


async def test_a_job_that_nobody_can_have_driven_is_paid_and_its_flag_reaches_courier_and_human(
    jobs, pay, transparency, oversight, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    wanted = spec(island, (island[0] + 0.3, island[1]))
    placed = (await jobs.PlaceJob(job_pb.PlaceJobRequest(request_id="far", client_id=name, spec=wanted))).job
    await bo.accept((await bo.offer()).offer_id)
    await bo.report(placed.job_id, "PICKED_UP")
    await bo.send(progress=courier_pb.Progress(job_id=placed.job_id, step="PROGRESS_STEP_COMPLETED"))
    notice = (await bo.until(lambda response: response.HasField("notice")))[-1].notice
    assert "A human is asked." in notice.text
    own = caller("courier", bo.courier_id)
    asked = pb.ExplainDecisionRequest(decision_id=notice.decision_id)
    explained = (await transparency.ExplainDecision(asked, metadata=own)).decision
    assert explained.kind == pb.DECISION_KIND_FLAG
    assert {fact.check for fact in explained.flag.facts} == set(pb.PlausibilityCheck.values()) - {0}
    await refused(
        transparency.ExplainDecision(asked, metadata=caller("courier", "eve")), grpc.StatusCode.PERMISSION_DENIED
    )
    contest = pb.ContestDecisionRequest(
        request_id="c", person_id=bo.courier_id, decision_id=notice.decision_id, statement="the ferry was fast"
    )
    review_id = (await transparency.ContestDecision(contest, metadata=own)).review_id
    assert review_id == explained.review.review_id
    ria = caller("reviewer", f"{name}-ria")
    claim = oversight_pb.ClaimReviewRequest(request_id="claim", reviewer_id=f"{name}-ria", review_id=review_id)
    claimed = await oversight.ClaimReview(claim, metadata=ria)
    assert claimed.review.kind == pb.REVIEW_KIND_PROGRESS
    assert claimed.review.statement.endswith("the ferry was fast")
    assert claimed.decision.flag == explained.flag
    statement = await pay.GetStatement(pay_pb.GetStatementRequest(worker_id=bo.courier_id), metadata=own)
    assert statement.total.minor_units > 0
    standing = await transparency.ListDecisions(pb.ListDecisionsRequest(person_id=bo.courier_id), metadata=own)
    assert pb.DECISION_KIND_STANDING not in {one.kind for one in standing.decisions}


async def test_nobody_reads_anothers_statement_decisions_ratings_standing_or_data(
    jobs, couriers, pay, ratings, transparency, oversight, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    rating = await rate(ratings, job, 4)
    decision_id = (await listed(transparency, bo.courier_id))[0].decision_id
    calls = [
        (couriers.GetCourier, courier_pb.GetCourierRequest(courier_id=bo.courier_id)),
        (pay.GetStatement, pay_pb.GetStatementRequest(worker_id=bo.courier_id)),
        (pay.AddTip, pay_pb.AddTipRequest(request_id="t", client_id=name, job_id=job.job_id, minor_units=100)),
        (ratings.ListRatings, rating_pb.ListRatingsRequest(person_id=bo.courier_id)),
        (ratings.GetStanding, rating_pb.GetStandingRequest(person_id=bo.courier_id)),
        (transparency.ListDecisions, pb.ListDecisionsRequest(person_id=bo.courier_id)),
        (transparency.GetMyMeasures, pb.GetMyMeasuresRequest(courier_id=bo.courier_id)),
        (transparency.ExplainDecision, pb.ExplainDecisionRequest(decision_id=decision_id)),
        (
            transparency.ContestDecision,
            pb.ContestDecisionRequest(
                request_id="c", person_id=bo.courier_id, decision_id=decision_id, statement="not mine"
            ),
        ),
        (transparency.ExplainNoOffer, pb.ExplainNoOfferRequest(courier_id=bo.courier_id, job_id=job.job_id)),
        (transparency.EraseMyData, pb.EraseMyDataRequest(request_id="e", person_id=bo.courier_id)),
        (oversight.ListReviews, oversight_pb.ListReviewsRequest()),
        (oversight.ClaimReview, oversight_pb.ClaimReviewRequest(request_id="c", reviewer_id="ria")),
        (
            oversight.OpenReview,
            oversight_pb.OpenReviewRequest(request_id="o", operator_id="olu", subject_id=bo.courier_id, statement="x"),
        ),
    ]
    for method, request in calls:
        assert "Bearer" in await refused(method(request, metadata=NOBODY), grpc.StatusCode.UNAUTHENTICATED)
        if method not in (oversight.ListReviews,):
            for role in ("courier", "client"):
                eve = caller(role, f"{name}-eve")
                await refused(method(request, metadata=eve), grpc.StatusCode.PERMISSION_DENIED)
        await refused(method(request, metadata=bearer("eve")), grpc.StatusCode.UNAUTHENTICATED)
    with pytest.raises(grpc.aio.AioRpcError) as fault:
        await export(transparency, "courier", bo.courier_id, asking="eve")
    assert fault.value.code() is grpc.StatusCode.PERMISSION_DENIED
    # Rating somebody else's job, or twice.
    stranger = rating_pb.RateJobRequest(request_id="x", job_id=job.job_id, rater=1, rater_id="eve", stars=1)
    assert "only the client" in await refused(ratings.RateJob(stranger), grpc.StatusCode.FAILED_PRECONDITION)
    twice = rating_pb.RateJobRequest(request_id="y", job_id=job.job_id, rater=1, rater_id=name, stars=1)
    assert "already" in await refused(ratings.RateJob(twice), grpc.StatusCode.FAILED_PRECONDITION)
    assert rating.stars == 4


async def test_the_reviews_queue_is_for_reviewers_and_operators(oversight, name) -> None:
    asked = oversight_pb.ListReviewsRequest()
    await oversight.ListReviews(asked, metadata=caller("reviewer", "ria"))
    await oversight.ListReviews(asked, metadata=caller("operator", "olu"))
    claim = oversight_pb.ClaimReviewRequest(request_id="c", reviewer_id=name)
    for role in set(ROLES) - {"reviewer", "operator"}:
        denied, metadata = grpc.StatusCode.PERMISSION_DENIED, caller(role, name)
        await refused(oversight.ListReviews(asked, metadata=metadata), denied)
        await refused(oversight.ClaimReview(claim, metadata=metadata), denied)


async def test_a_contest_is_answered_by_a_human_in_writing_made_good_and_told_on_the_stream(
    jobs, pay, ratings, transparency, oversight, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    rating = await rate(ratings, job, 1)
    assert rating.decision_id == ""  # it is the courier's to contest
    score = (await listed(transparency, bo.courier_id))[0]
    contest = pb.ContestDecisionRequest(
        request_id="contest", person_id=bo.courier_id, decision_id=score.decision_id, statement="the kitchen was late"
    )
    own = caller("courier", bo.courier_id)
    opened = await transparency.ContestDecision(contest, metadata=own)
    assert await transparency.ContestDecision(contest, metadata=own) == opened
    contest.request_id = "again"
    await refused(transparency.ContestDecision(contest, metadata=own), grpc.StatusCode.FAILED_PRECONDITION)
    ria, reviewer = caller("reviewer", f"{name}-ria"), f"{name}-ria"
    asked = pb.ExplainDecisionRequest(decision_id=score.decision_id)
    pending = (await transparency.ExplainDecision(asked, metadata=own)).decision.review
    assert (pending.review_id, pending.HasField("decide_time")) == (opened.review_id, False)
    waiting = (await oversight.ListReviews(oversight_pb.ListReviewsRequest(page_size=500), metadata=ria)).reviews
    assert opened.review_id in [review.review_id for review in waiting]
    claim = oversight_pb.ClaimReviewRequest(request_id="claim", reviewer_id=reviewer, review_id=opened.review_id)
    claimed = await oversight.ClaimReview(claim, metadata=ria)
    assert claimed.decision.rating.stars == 1
    assert claimed.review.statement == "the kitchen was late"
    decide = oversight_pb.DecideReviewRequest(
        request_id="decide",
        reviewer_id=reviewer,
        review_id=opened.review_id,
        outcome=pb.REVIEW_OUTCOME_OVERTURNED,
        reason="the log shows a wait at the restaurant",
        compensation_minor_units=300,
    )
    needed = claimed.review.opinions_needed
    decided = (await oversight.DecideReview(decide, metadata=ria)).review
    if needed > 1:  # drawn for a second opinion
        second = f"{name}-sam"
        sam = caller("reviewer", second)
        claim.reviewer_id = decide.reviewer_id = second
        await oversight.ClaimReview(claim, metadata=sam)
        decided = (await oversight.DecideReview(decide, metadata=sam)).review
    assert decided.answer == "the log shows a wait at the restaurant"
    notice = await bo.until(lambda response: response.HasField("notice"))
    assert "The answer: the log shows a wait" in notice[-1].notice.text
    answers = [d for d in await listed(transparency, bo.courier_id) if d.kind == pb.DECISION_KIND_CONTEST]
    assert answers[0].decider == pb.DECIDER_HUMAN
    received = await ratings.ListRatings(rating_pb.ListRatingsRequest(person_id=bo.courier_id), metadata=own)
    assert received.ratings[0].excluded_because == decided.answer
    assert received.ratings[0].rater_id == ""
    statement = await pay.GetStatement(pay_pb.GetStatementRequest(worker_id=bo.courier_id), metadata=own)
    assert [line.minor_units for line in statement.lines if line.review_id] == [300]
    work = await pay.GetStatement(pay_pb.GetStatementRequest(worker_id=reviewer), metadata=ria)
    assert (work.total.minor_units, [task.review_id for task in work.tasks]) == (250, [opened.review_id])
    assert work.tasks[0].time_spent.ToMicroseconds() > 0
    assert work.per_engaged_hour.minor_units > 0


async def test_a_reviewer_sees_the_side_of_the_one_who_contests(
    jobs, transparency, oversight, connect, name, island
) -> None:
    """A price has one id for the client who pays it and for the courier who is offered it."""
    placed = (await jobs.PlaceJob(place_request(name, island))).job
    bo = connect(f"{name}-bo")
    await bo.online(island)
    await bo.offer()
    contest = pb.ContestDecisionRequest(
        request_id="c", person_id=name, decision_id=placed.price_decision_id, statement="too much"
    )
    opened = await transparency.ContestDecision(contest, metadata=caller("client", name))
    reviewer = f"{name}-ria"
    claim = oversight_pb.ClaimReviewRequest(request_id="c", reviewer_id=reviewer, review_id=opened.review_id)
    evidence = (await oversight.ClaimReview(claim, metadata=caller("reviewer", reviewer))).decision
    assert (evidence.person_id, evidence.fare.total) == (name, placed.fare.total)


async def test_only_a_human_ends_an_account_and_the_worker_is_told_the_reason(
    ratings, oversight, connect, couriers, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    olu = caller("operator", "olu")
    opening = oversight_pb.OpenReviewRequest(
        request_id=f"{name}-o", operator_id="olu", subject_id=bo.courier_id, statement="a complaint by telephone"
    )
    review = (await oversight.OpenReview(opening, metadata=olu)).review
    for number in range(review.opinions_needed):
        reviewer = f"{name}-ria-{number}"
        ria = caller("reviewer", reviewer)
        claim = oversight_pb.ClaimReviewRequest(request_id="c", reviewer_id=reviewer, review_id=review.review_id)
        await oversight.ClaimReview(claim, metadata=ria)
        ending = oversight_pb.DecideReviewRequest(
            request_id="d",
            reviewer_id=reviewer,
            review_id=review.review_id,
            outcome=pb.REVIEW_OUTCOME_UPHELD,
            reason="",
            level=policy_pb.STANDING_LEVEL_ENDED,
        )
        await refused(oversight.DecideReview(ending, metadata=ria), grpc.StatusCode.INVALID_ARGUMENT)
        ending.request_id, ending.reason = "e", "heard both sides and the recording"
        await oversight.DecideReview(ending, metadata=ria)
    own = caller("courier", bo.courier_id)
    standing = await ratings.GetStanding(rating_pb.GetStandingRequest(person_id=bo.courier_id), metadata=own)
    assert standing.level == policy_pb.STANDING_LEVEL_ENDED
    assert "heard both sides" in standing.sentence
    assert standing.change.decided_by.startswith(f"{name}-ria-0")
    assert standing.HasField("contest_by_time")
    notices = await bo.until(
        lambda response: "To contest it" in response.notice.text and "ended" in response.notice.text
    )
    assert notices[-1].notice.decision_id == standing.decision_id
    again = courier_pb.GoOnlineRequest(request_id="back", courier_id=bo.courier_id)
    again.online.profile.vehicle_type = 1
    again.online.position.latitude, again.online.position.longitude = island
    assert "account is ended" in await refused(couriers.GoOnline(again), grpc.StatusCode.FAILED_PRECONDITION)


async def test_who_has_rated_an_account_does_not_decide_about_it(
    jobs, ratings, oversight, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    await rate(ratings, job, 1)
    opening = oversight_pb.OpenReviewRequest(
        request_id=f"{name}-o", operator_id="olu", subject_id=bo.courier_id, statement="a complaint"
    )
    review = (await oversight.OpenReview(opening, metadata=caller("operator", "olu"))).review
    claim = oversight_pb.ClaimReviewRequest(request_id="c", reviewer_id=name, review_id=review.review_id)
    text = await refused(
        oversight.ClaimReview(claim, metadata=caller("reviewer", name)), grpc.StatusCode.FAILED_PRECONDITION
    )
    assert "that they were part of" in text
    claim.reviewer_id = f"{name}-ria"
    await oversight.ClaimReview(claim, metadata=caller("reviewer", claim.reviewer_id))


async def test_why_a_job_near_me_was_not_offered_to_me(jobs, transparency, connect, name, island) -> None:
    """The log's rounds are run anew: one courier was nearer, one drives the wrong vehicle, one was offline."""
    near, far, bike = (connect(f"{name}-{who}") for who in ("near", "far", "bike"))
    await near.online(island)
    await far.online((island[0] + 0.01, island[1]))
    await bike.online(island, "BICYCLE")
    placed = (await jobs.PlaceJob(place_request(name, island))).job
    offer = await near.offer()
    await near.accept(offer.offer_id)

    async def why(courier_id: str) -> pb.ExplainNoOfferResponse:
        asked = pb.ExplainNoOfferRequest(courier_id=courier_id, job_id=placed.job_id)
        return await transparency.ExplainNoOffer(asked, metadata=caller("courier", courier_id), timeout=60)

    answers = [await why(courier.courier_id) for courier in (far, bike, near)]
    for answer in answers:
        assert answer.rounds_in_all == len(answer.rounds) >= 1
        assert all(one.verified for one in answer.rounds)
    told = answers[0].rounds[-1]
    mine = await listed(transparency, far.courier_id)
    assert [decision.kind for decision in mine] == [pb.DECISION_KIND_OFFER]
    assert mine[0].decision_id != offer.offer_id
    assert "it went to another courier, at" in mine[0].sentence
    assert {entry.name for entry in mine[0].inputs} >= {"cost", "cost_of_the_chosen", "cost.pickup_time"}
    assert told.chosen_cost < told.cost == sum(term.cost for term in told.terms)
    assert "the courier who was chosen cost" in told.sentence
    assert "room" in answers[1].sentence or "vehicle" in answers[1].sentence
    assert answers[1].rounds[-1].gate
    assert answers[2].sentence == "It was offered to you."
    assert answers[2].rounds[-1].cost == told.chosen_cost
    await refused(
        transparency.ExplainNoOffer(
            pb.ExplainNoOfferRequest(courier_id=far.courier_id, job_id="nobodys"),
            metadata=caller("courier", far.courier_id),
            timeout=60,
        ),
        grpc.StatusCode.NOT_FOUND,
    )


async def export(transparency, role: str, person: str, asking: str = "") -> dict[str, list[dict]]:
    asked = pb.ExportMyDataRequest(person_id=person)
    data = b""
    async for part in transparency.ExportMyData(asked, metadata=caller(role, asking or person)):
        data += part.chunk
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        schema = json.loads(archive.read("schema.json"))
        files = {name: archive.read(name).decode().splitlines() for name in archive.namelist() if ".jsonl" in name}
    lines = {name: [json.loads(line) for line in text] for name, text in files.items()}
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(lines, schema)
    assert set(lines) == set(schema["properties"])
    return {name.removesuffix(".jsonl"): rows for name, rows in lines.items()}


async def test_everything_held_about_me_comes_with_its_schema(
    jobs, ratings, transparency, couriers, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    where = courier_pb.LocationBatch(latitudes=[island[0] + 0.001], longitudes=[island[1]])
    await couriers.ReportLocations(courier_pb.ReportLocationsRequest(courier_id=bo.courier_id, locations=where))
    job = await serve(jobs, bo, name, island)
    await rate(ratings, job, 3)
    data = await export(transparency, "courier", bo.courier_id)
    assert data["profile"][0]["courier"]["jobs_completed"] == 1
    assert {round(row["latitude"], 4) for row in data["locations"]} >= {round(island[0], 4)}
    assert [row["outcome"] for row in data["offers"]] == ["OFFER_OUTCOME_ACCEPTED"]
    assert [row["job_id"] for row in data["jobs"]] == [job.job_id]
    assert "client_id" not in data["jobs"][0]
    assert "label" not in data["jobs"][0]["spec"]["pickup"]
    assert sum(row["minor_units"] for row in data["pay"]) == job.pay.total.minor_units
    assert [row["stars"] for row in data["ratings_received"]] == [3]
    assert {row["kind"] for row in data["decisions"]} >= {"DECISION_KIND_OFFER", "DECISION_KIND_SCORE"}
    assert [row["phase"] for row in data["shifts"]] == ["waiting", "to_pickup", "at_pickup", "with_job", "waiting"]
    client = await export(transparency, "client", name)
    assert client["jobs"][0]["spec"]["pickup"]["position"]["latitude"] == island[0]
    assert [row["comment"] for row in client["ratings_given"]] == ["cold soup"]
    assert client["locations"] == []
    with pytest.raises(grpc.aio.AioRpcError) as fault:
        await export(transparency, "client", f"{name}-nobody")
    assert fault.value.code() is grpc.StatusCode.NOT_FOUND


async def test_erasure_severs_the_identity_and_keeps_the_ledger(
    jobs, pay, ratings, transparency, oversight, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    job = await serve(jobs, bo, name, island)
    await rate(ratings, job, 4)
    own = caller("courier", bo.courier_id)
    erase = pb.EraseMyDataRequest(request_id="e", person_id=bo.courier_id)
    await refused(transparency.EraseMyData(erase, metadata=own), grpc.StatusCode.FAILED_PRECONDITION)
    await bo.done(go_offline=courier_pb.GoOffline())
    answer = await transparency.EraseMyData(erase, metadata=own)
    assert answer.pseudonym.startswith("erased-")
    assert answer.events > 5
    with pytest.raises(grpc.aio.AioRpcError) as fault:
        await export(transparency, "courier", bo.courier_id)
    assert fault.value.code() is grpc.StatusCode.NOT_FOUND
    kept = (await jobs.GetJob(job_pb.GetJobRequest(job_id=job.job_id))).job
    assert (kept.courier_id, kept.pay.total) == (answer.pseudonym, job.pay.total)
    asked = pay_pb.GetStatementRequest(worker_id=answer.pseudonym)
    statement = await pay.GetStatement(asked, metadata=caller("operator", "olu"))
    assert statement.total.minor_units == job.pay.total.minor_units
    # The client goes too: names of places and comments with them.
    client = await transparency.EraseMyData(
        pb.EraseMyDataRequest(request_id="e", person_id=name), metadata=caller("client", name)
    )
    kept = (await jobs.GetJob(job_pb.GetJobRequest(job_id=job.job_id))).job
    assert (kept.client_id, kept.spec.pickup.label) == (client.pseudonym, "")
    assert kept.fare == job.fare
    # And the market goes on.
    view = (await oversight.GetMarket(oversight_pb.GetMarketRequest())).market
    assert view.sequence > 0
    another = connect(f"{name}-cy")
    await another.online(island)
    await asyncio.wait_for(serve(jobs, another, f"{name}-2", island), 30)


async def test_no_position_is_taken_off_duty_and_the_contract_asks_for_no_moods(
    couriers, connect, name, island
) -> None:
    bo = connect(f"{name}-bo")
    await bo.online(island)
    await bo.done(go_offline=courier_pb.GoOffline())
    where = courier_pb.LocationBatch(latitudes=[island[0]], longitudes=[island[1]])
    report = courier_pb.ReportLocationsRequest(courier_id=bo.courier_id, locations=where)
    assert "offline" in await refused(couriers.ReportLocations(report), grpc.StatusCode.FAILED_PRECONDITION)
    names = {
        field.name
        for service, _ in SERVICERS
        for message in service.file.message_types_by_name.values()
        for field in message.fields
    }
    for word in ("emotion", "mood", "health", "union", "religion", "ethnic", "biometric", "voice", "contacts"):
        assert not any(word in field for field in names)
