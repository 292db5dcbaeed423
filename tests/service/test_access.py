"""Who may call what: each method by each role, about themselves and about another, against the published table."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from dispatcher import policy
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2
from services.auth.access import RULES
from services.auth.caller import ROLES
from services.auth.gate import bearer
from services.auth.issuing import Issuer, new_key
from services.auth.tokens import LEEWAY_S
from services.rpc.services import SERVICERS
from tests.kit import spec
from tests.service.raw_calls import RawCall, outcomes
from tests.service.stream import go_online, place_request
from tests.signing import WALLET, caller, signed_channel

METHODS = {f"{service.name}/{method.name}": method for service, _ in SERVICERS for method in service.methods}
DENIED = {grpc.StatusCode.PERMISSION_DENIED}
UNPROVED = {grpc.StatusCode.UNAUTHENTICATED}
ROW = re.compile(r"^\| `(\w+/\w+)` \| ([^|]*) \|", re.MULTILINE)

Who = Mapping[str, str]


def published() -> dict[str, Who]:
    """docs/contract.md: method -> role -> own, found or all."""
    page = (Path(__file__).parents[2] / "docs/contract.md").read_text("utf-8")
    found = {}
    for path, cell in ROW.findall(page):
        entries = [entry.strip() for entry in cell.split(",")]
        found[path] = {entry.split()[0]: "own" if entry.endswith("(own)") else "all" for entry in entries}
    return found


PUBLISHED = published()


def test_the_table_has_a_row_for_each_method_and_the_page_publishes_it() -> None:
    assert RULES.keys() == METHODS.keys() == PUBLISHED.keys()
    for path, rule in RULES.items():
        own = frozenset(rule.own) | rule.found
        assert {role for role, how in PUBLISHED[path].items() if how == "own"} == own, path
        assert {role for role, how in PUBLISHED[path].items() if how == "all"} == rule.all, path
        assert rule.data


@pytest.fixture(scope="package")
async def dealings(suite) -> dict[str, str]:
    """A client's job and a decision about them, for calls that name these alone."""
    async with signed_channel(suite.target) as channel:
        placed = (await job_rpc.JobServiceStub(channel).PlaceJob(place_request("theirs", (-30.0, -30.0)))).job
    return {"job": placed.job_id, "decision": placed.price_decision_id}


def request_about(path: str, person: str, dealings: dict[str, str]) -> Any:
    """A sound request of the method in which ``person`` is whom it is about."""
    job_id, yen = dealings["job"], policy.load("plain")
    yen.currency_code = "JPY"  # which the market refuses
    requests = {
        "JobService/QuoteJob": job_pb.QuoteJobRequest(request_id="cross", client_id=person, spec=spec()),
        "JobService/PlaceJob": job_pb.PlaceJobRequest(request_id="cross", client_id=person, spec=spec()),
        "JobService/CancelJob": job_pb.CancelJobRequest(request_id="cross", client_id=person, job_id=job_id),
        "CourierService/Connect": courier_pb.ConnectRequest(hello=courier_pb.Hello(courier_id=person)),
        "CourierService/GoOnline": courier_pb.GoOnlineRequest(
            request_id="cross", courier_id=person, online=go_online((0.0, 0.0))
        ),
        "CourierService/ReportLocations": courier_pb.ReportLocationsRequest(
            courier_id=person, locations=courier_pb.LocationBatch(latitudes=[0.0], longitudes=[0.0])
        ),
        "CourierService/AnswerOffer": courier_pb.AnswerOfferRequest(
            request_id="cross", courier_id=person, answer=courier_pb.OfferAnswer(offer_id="x", answer="ANSWER_DECLINE")
        ),
        "CourierService/ReportProgress": courier_pb.ReportProgressRequest(
            request_id="cross",
            courier_id=person,
            progress=courier_pb.Progress(job_id="x", step="PROGRESS_STEP_ARRIVED"),
        ),
        "CourierService/SetDestination": courier_pb.SetDestinationRequest(
            request_id="cross", courier_id=person, destination=types_pb2.Position(latitude=1.0, longitude=1.0)
        ),
        "RatingService/RateJob": rating_pb.RateJobRequest(
            request_id="cross", job_id=job_id, rater="ACTOR_CLIENT", rater_id=person, stars=3
        ),
        "PayService/GetStatement": pay_pb.GetStatementRequest(worker_id=person),
        "PayService/AddTip": pay_pb.AddTipRequest(request_id="cross", client_id=person, job_id=job_id, minor_units=100),
        "TransparencyService/ContestDecision": transparency_pb.ContestDecisionRequest(
            request_id="cross", person_id=person, decision_id="x", statement="no"
        ),
        "TransparencyService/EraseMyData": transparency_pb.EraseMyDataRequest(request_id="cross", person_id=person),
        "TransparencyService/ExplainDecision": transparency_pb.ExplainDecisionRequest(decision_id=dealings["decision"]),
        "OversightService/SetPolicy": oversight_pb.SetPolicyRequest(request_id="cross", operator_id=person, policy=yen),
        "OversightService/SetZones": oversight_pb.SetZonesRequest(request_id="cross", operator_id=person, geojson="{}"),
        "OversightService/SetBlock": oversight_pb.SetBlockRequest(
            request_id="cross", operator_id=person, client_id="a", courier_id="b", reason="asked for it"
        ),
        "OversightService/GetQueue": oversight_pb.GetQueueRequest(zone="airport"),
        "OversightService/CheckPlan": oversight_pb.CheckPlanRequest(
            courier_id=person, stops=[{"job_id": "x", "kind": 1}]
        ),
        "OversightService/OpenReview": oversight_pb.OpenReviewRequest(
            request_id="cross", operator_id=person, subject_id="a", statement="look"
        ),
        "OversightService/ClaimReview": oversight_pb.ClaimReviewRequest(
            request_id="cross", reviewer_id=person, review_id="x"
        ),
        "OversightService/DecideReview": oversight_pb.DecideReviewRequest(
            request_id="cross",
            reviewer_id=person,
            review_id="x",
            outcome="REVIEW_OUTCOME_UPHELD",
            reason="read with care",
        ),
    }
    if path in requests:
        return requests[path]
    message = GetMessageClass(METHODS[path].input_type)()
    fields = {"request_id": "cross", "job_id": job_id, "client_id": person, "courier_id": person, "person_id": person}
    for field in message.DESCRIPTOR.fields:
        if field.name in fields:
            setattr(message, field.name, fields[field.name])
    return message


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of a role: about the caller, or about somebody else; or of nobody, with what is no valid token."""

    path: str
    role: str
    about_other: bool = False


def by_each_role(path: str, dealings: dict[str, str]) -> Iterator[tuple[Asked, RawCall]]:
    found = not RULES[path].own
    for role in ROLES:
        me = "theirs" if found else f"me-{role}"
        yield Asked(path, role), RawCall.of(METHODS[path], request_about(path, me, dealings), caller(role, me))
        about_other = request_about(path, "somebody-else", dealings)
        stranger = caller(role, "eve" if found else me)
        yield Asked(path, role, about_other=True), RawCall.of(METHODS[path], about_other, stranger)


def without_a_valid_token(path: str, dealings: dict[str, str]) -> Iterator[tuple[Asked, RawCall]]:
    role = min(RULES[path].roles)
    request = request_about(path, "theirs", dealings)
    strange = Issuer(new_key()).token(role, "theirs", 60)
    good = WALLET.token(role, "theirs")
    for metadata in ((), bearer(""), bearer("theirs"), bearer(strange), bearer(good[:-4]), (("authorization", good),)):
        yield Asked(path, ""), RawCall.of(METHODS[path], request, metadata)


@pytest.fixture(scope="module")
async def answers(suite, dealings) -> dict[Asked, list[grpc.StatusCode]]:
    """Make the calls of all methods side by side."""
    asked = [one for path in METHODS for one in (*by_each_role(path, dealings), *without_a_valid_token(path, dealings))]
    found = defaultdict(list)
    async with grpc.aio.insecure_channel(suite.target) as channel:
        made = await outcomes(channel, [call for _, call in asked])
    for (what, _), answer in zip(asked, made, strict=True):
        found[what].append(answer.code)
    return found


@pytest.mark.parametrize("path", METHODS)
def test_each_role_may_do_what_the_page_says_about_whom_it_says_and_nothing_else(answers, path) -> None:
    may = PUBLISHED[path]
    for role in ROLES:
        (answer,) = answers[Asked(path, role)]
        assert (answer in DENIED) == (role not in may), (role, answer)
        assert answer not in UNPROVED
        denied = may.get(role) != "all"
        (answer,) = answers[Asked(path, role, about_other=True)]
        assert (answer in DENIED) == denied, (role, answer)


@pytest.mark.parametrize("path", METHODS)
def test_nobody_calls_anything_without_a_valid_token(answers, path) -> None:
    assert answers[Asked(path, "")] == [*UNPROVED] * 6


async def read_to_end(stream: Any) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


async def test_streams_end_when_their_token_expires_and_go_on_with_a_new_one(suite, name) -> None:
    async with signed_channel(suite.target) as channel:
        placed = await job_rpc.JobServiceStub(channel).PlaceJob(place_request(name, (-30.0, -30.0)))
    about_to_expire = 2 - LEEWAY_S  # seconds: it has expired, but for what clocks may differ by
    async with grpc.aio.insecure_channel(suite.target) as opened:
        couriers, jobs = courier_rpc.CourierServiceStub(opened), job_rpc.JobServiceStub(opened)
        courier = couriers.Connect(metadata=bearer(WALLET.issuer.token("courier", name, about_to_expire)))
        await courier.write(courier_pb.ConnectRequest(hello=courier_pb.Hello(courier_id=name)))
        token = (await courier.read()).welcome.resume_token
        old = bearer(WALLET.issuer.token("client", name, about_to_expire))
        watch = jobs.WatchJob(job_pb.WatchJobRequest(job_id=placed.job.job_id), metadata=old)
        await watch.read()
        for stream in (courier, watch):
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await read_to_end(stream)
            assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert "expired" in ended.value.details()
        again = couriers.Connect(metadata=caller("courier", name))
        await again.write(courier_pb.ConnectRequest(hello=courier_pb.Hello(courier_id=name, resume_token=token)))
        assert (await again.read()).welcome.resume_token == token
        again.cancel()
