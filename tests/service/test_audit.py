"""Privileged access is on the log: what people set, and whose data they read; the persons concerned can see it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from typer.testing import CliRunner

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import pay_service_pb2 as pay_pb
from services.auth.access import PAGES, PRIVILEGED, RULES, About, Call, Rule
from services.auth.caller import ROLES, Caller
from services.cli.main import app
from services.http.methods import FOR_PAGES
from tests.geo.test_zones import collection, square
from tests.service.stream import CourierClient, place_request
from tests.service.test_access import METHODS
from tests.service.test_policy_commands import at
from tests.service.test_rights import export
from tests.signing import caller


async def acts(suite, person: str) -> list[dict[str, object]]:
    command = ["log", "audit", "--person", person, "--json", *at(suite)[2:]]
    outcome = await asyncio.to_thread(CliRunner().invoke, app(), command)
    assert outcome.exit_code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


async def test_who_looks_at_another_by_office_is_on_the_log_and_in_their_export(
    suite, jobs, couriers, pay, transparency, connect, name, island
) -> None:
    bo, olu = connect(f"{name}-bo"), f"{name}-olu"
    await bo.online(island)
    job = (await jobs.PlaceJob(place_request(name, island))).job
    metadata = caller("operator", olu)
    await couriers.GetCourier(courier_pb.GetCourierRequest(courier_id=bo.courier_id), metadata=metadata)
    await pay.GetStatement(pay_pb.GetStatementRequest(worker_id=bo.courier_id), metadata=metadata)
    await jobs.GetJob(job_pb.GetJobRequest(job_id=job.job_id), metadata=metadata)
    watch = jobs.WatchJob(job_pb.WatchJobRequest(job_id=job.job_id), metadata=metadata)
    await watch.read()
    watch.cancel()
    # About oneself, or about nobody: nothing to note.
    await couriers.GetCourier(
        courier_pb.GetCourierRequest(courier_id=bo.courier_id), metadata=caller("courier", bo.courier_id)
    )
    await jobs.GetJob(job_pb.GetJobRequest(job_id=job.job_id), metadata=caller("client", name))
    looked = [(act["did"], act["about"]) for act in await acts(suite, olu)]
    assert looked == [
        ("looked by CourierService/GetCourier", bo.courier_id),
        ("looked by PayService/GetStatement", bo.courier_id),
        ("looked by JobService/GetJob", name),
        ("looked by JobService/WatchJob", name),
    ]
    own = await export(transparency, "courier", bo.courier_id)
    assert [(row["role"], row["method"]) for row in own["accesses"]] == [
        ("operator", "CourierService/GetCourier"),
        ("operator", "PayService/GetStatement"),
    ]
    assert olu not in json.dumps(own["accesses"])


async def test_what_operators_set_is_on_the_log_with_their_names(suite, oversight, name) -> None:
    olu = f"{name}-olu"
    block = oversight_pb.SetBlockRequest(
        request_id="b", operator_id=olu, client_id=f"{name}-a", courier_id=f"{name}-b", blocked=True, reason="asked"
    )
    await oversight.SetBlock(block)
    review = oversight_pb.OpenReviewRequest(
        request_id="o", operator_id=olu, subject_id=f"{name}-b", statement="two complaints in a day"
    )
    await oversight.OpenReview(review)
    did = [act["did"] for act in await acts(suite, olu)]
    assert did == ["kept apart: asked", "set a standing: under_review", "asked for a review"]


# What the office may read about others: each method and page of the table, with each role that may.
AUDITED = sorted((path, role) for path, rule in {**RULES, **PAGES}.items() for role in ROLES if rule.audits(role))


@pytest.fixture(scope="module")
async def dealings(jobs, couriers, oversight) -> AsyncIterator[dict[str, str]]:
    """A courier with a job, a job that waits, a review, and a queue zone where nobody is."""
    at_, far = (35.0, 150.0), (37.0, 150.0)
    square_ = square(100, 80, 1, name="audited", rule="queue")
    await oversight.SetZones(
        oversight_pb.SetZonesRequest(request_id="audit", operator_id="op", geojson=collection(square_))
    )
    bo = CourierClient(couriers, "audited-bo")
    await bo.online(at_)
    job = (await jobs.PlaceJob(place_request("audited-ann", at_))).job.job_id
    await bo.accept((await bo.offer()).offer_id)
    waiting = (await jobs.PlaceJob(place_request("audited-cy", far))).job
    yield {"job": job, "waiting": waiting.job_id, "price": waiting.price_decision_id}
    bo.cut()


async def review_of(oversight: Any, name: str) -> str:
    opened = oversight_pb.OpenReviewRequest(
        request_id=f"{name}-o", operator_id="op", subject_id=f"{name}-of", statement="two complaints in a day"
    )
    return str((await oversight.OpenReview(opened)).review.review_id)


async def request_for(
    path: str, role: str, reader: str, dealings: dict[str, str], oversight: Any
) -> tuple[Message, set[str]]:
    """A request of the method that is answered with data about others, and whom it is about."""
    request = GetMessageClass(METHODS[path].input_type)()
    ids = {"courier_id": "audited-bo", "person_id": "audited-bo", "worker_id": "audited-bo", "job_id": dealings["job"]}
    found = {
        "JobService/ListJobs": {"client_id": "audited-ann"},
        "TransparencyService/ExplainWait": {"job_id": dealings["waiting"]},
        "TransparencyService/ExplainNoOffer": {"job_id": dealings["waiting"]},
        "TransparencyService/ExplainDecision": {"decision_id": dealings["price"]},
        "OversightService/GetQueue": {"zone": "audited"},
        "OversightService/ClaimReview": {"reviewer_id": reader},
        "OversightService/DecideReview": {
            "reviewer_id": reader,
            "outcome": "REVIEW_OUTCOME_UPHELD",
            "reason": "read with care",
            "level": "STANDING_LEVEL_WATCH",
        },
    }.get(path, {})
    if path == "OversightService/CheckPlan":
        request.stops.add(job_id=dealings["job"], kind=1)
        request.stops.add(job_id=dealings["job"], kind=2)
    names = {field.name: field for field in request.DESCRIPTOR.fields}
    about = "audited-ann" if RULES[path].found else "audited-bo"
    about = found.get("client_id", about)
    if path in ("TransparencyService/ExplainWait", "TransparencyService/ExplainDecision"):
        about = "audited-cy"
    if "review_id" in names:
        found |= {"review_id": await review_of(oversight, reader)}
        about = f"{reader}-of"
        if path == "OversightService/DecideReview":
            claim = oversight_pb.ClaimReviewRequest(request_id="c", reviewer_id=reader, review_id=found["review_id"])
            await oversight.ClaimReview(claim, metadata=caller(role, reader))
    if path == "PayService/GetStatement":
        del ids["job_id"]
    for name in names & {**ids, **found, "request_id": ""}.keys():
        value = {"request_id": f"audit-{reader}", **ids, **found}[name]
        enum = names[name].enum_type
        setattr(request, name, enum.values_by_name[value].number if enum is not None else value)
    return request, {about}


async def received(suite, channel, path: str, role: str, reader: str, request: Message | None) -> None:
    """Call the method, or open the page, until data has come."""
    if request is None:
        await asyncio.to_thread(first_line, suite, path, role, reader)
        return
    method, metadata = METHODS[path], caller(role, reader)
    name, answer = f"/{method.containing_service.full_name}/{method.name}", GetMessageClass(method.output_type)
    encode, decode = type(request).SerializeToString, answer.FromString
    if method.server_streaming:
        stream = channel.unary_stream(name, encode, decode)(request, metadata=metadata)
        assert await stream.read() is not grpc.aio.EOF
        stream.cancel()
        return
    await channel.unary_unary(name, encode, decode)(request, metadata=metadata)


def first_line(suite, path: str, role: str, reader: str, body: bytes | None = None) -> None:
    headers = {"Authorization": dict(caller(role, reader))["authorization"], "Content-Type": "application/json"}
    asked = urllib.request.Request(f"http://127.0.0.1:{suite.http_port}/{path}", body, headers)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.readline()


async def test_every_privileged_read_of_the_table_is_on_the_log(suite, channel, oversight, dealings, name) -> None:
    """Covers methods that are added later: each must state whom it is about, and have a request here."""
    expected = {}
    everybody = {path for path, rule in {**RULES, **PAGES}.items() if rule.about is About.EVERYBODY}
    for number, (path, role) in enumerate(AUDITED):
        reader = f"{name}-{number}"
        request, about = None, {"everybody"}
        if path in RULES:
            request, about = await request_for(path, role, reader, dealings, oversight)
        await received(suite, channel, path, role, reader, request)
        expected[reader] = (path, {"everybody"} if path in everybody else about)
        if request is not None and path in FOR_PAGES:
            body, asked = MessageToJson(request).encode(), f"api/{path}"
            await asyncio.to_thread(first_line, suite, asked, role, f"{reader}-page", body)
            expected[f"{reader}-page"] = (path, about)
    command = ["log", "audit", "--json", *at(suite)[2:]]
    outcome = await asyncio.to_thread(CliRunner().invoke, app(), command)
    noted: dict[str, dict[str, set[str]]] = {}
    for act in map(json.loads, outcome.stdout.splitlines()):
        if act["did"].startswith("looked by "):
            path = act["did"].removeprefix("looked by ")
            noted.setdefault(act["person_id"], {}).setdefault(path, set()).add(act["about"])
    assert {reader: (path, noted.get(reader, {}).get(path)) for reader, (path, _) in expected.items()} == expected


def test_a_rule_that_lets_the_office_read_must_say_whose_data_it_receives() -> None:
    for role in PRIVILEGED:
        with pytest.raises(ValueError, match="must state `about`"):
            Rule("a new thing", all=frozenset({role}))


def test_an_answer_that_names_nobody_is_noted_as_about_everybody() -> None:
    """A method that forgets to report whom it found is noted too."""
    forgot = Call("JobService/GetJob", Caller("operator", "olu"))
    assert forgot.settle()
    assert forgot.looked_at == [""]
    own = Call("OversightService/ListReviews", Caller("reviewer", "rae"))
    assert own.settle()
