"""Every method, by clients who know nothing but the wire: reflection, generated messages, garbage."""

from __future__ import annotations

from collections import defaultdict

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.auth.access import RULES
from services.auth.gate import bearer
from services.rpc.reflection import SERVICE_NAMES
from services.rpc.services import SERVICERS
from tests.service.raw_calls import LIMIT_S, Outcome, RawCall, outcomes, path
from tests.signing import caller

METHODS = [method for service, _ in SERVICERS for method in service.methods]

EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
}
# Nobody, somebody, and what is no token.
CALLERS = [
    (),
    *(
        caller(role, person)
        for role, person in (
            *(("client", "ann"), ("client", "a"), ("courier", "a"), ("courier", "ann")),
            *(("reviewer", "a"), ("operator", "ann"), ("operator", "a"), ("researcher", "ann")),
        )
    ),
    bearer("ann"),
    (("authorization", "Basic YW5uOmFubg=="),),
]


def scalar(field: FieldDescriptor) -> st.SearchStrategy:
    kinds = {
        FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
        FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        FieldDescriptor.CPPTYPE_ENUM: st.integers(-1, 12),
        FieldDescriptor.CPPTYPE_STRING: st.one_of(st.sampled_from(["a", "ann", ""]), st.text(max_size=20)),
    }
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=20)
    return kinds[field.cpp_type]


@st.composite
def messages(draw, descriptor, depth: int = 0):
    """Any message of the type: often nearly right, for ids and small numbers are drawn from a few."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if not draw(st.booleans() if depth else st.sampled_from([True, True, True, False])):
            continue
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("google."):
            if field.is_repeated or inner.full_name == "google.rpc.Status":
                continue
            getattr(message, field.name).SetInParent()
            getattr(message, field.name).seconds = draw(st.integers(-(2**62), 2**62) | st.integers(0, 4 * 10**9))
        elif inner is not None:
            if depth >= 6:
                continue
            count = draw(st.integers(0, 2)) if field.is_repeated else 1
            for _ in range(count):
                made = draw(messages(inner, depth + 1))
                target = getattr(message, field.name)
                (target.add() if field.is_repeated else target).CopyFrom(made)
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(scalar(field), max_size=3)))
        else:
            setattr(message, field.name, draw(scalar(field)))
    return message


@pytest.fixture(scope="package")
def plain_channel(suite):
    """Blocking, for the client of reflection."""
    with grpc.insecure_channel(suite.target) as channel:
        yield channel


def drawn(strategy: st.SearchStrategy, count: int) -> list:
    """Return so many examples of the strategy."""
    found: list = []

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def keep(example: object) -> None:
        found.append(example)

    keep()
    return found


@pytest.fixture(scope="package")
async def raw_channel(suite):
    async with grpc.aio.insecure_channel(suite.target) as channel:
        yield channel


@pytest.fixture(scope="module")
async def answers(raw_channel) -> dict[str, list[tuple[Message, Outcome]]]:
    """Send messages of all methods by all callers; return those of each method, with what came of them."""
    sent = [
        (method, message, metadata)
        for method in METHODS
        for message, metadata in drawn(st.tuples(messages(method.input_type), st.sampled_from(CALLERS)), 25)
    ]
    found = defaultdict(list)
    calls = [RawCall.of(*one) for one in sent]
    for (method, message, _), answer in zip(sent, await outcomes(raw_channel, calls), strict=True):
        found[path(method)].append((message, answer))
    return found


@pytest.mark.parametrize("method", METHODS, ids=path)
def test_whatever_message_comes_the_answer_is_one_of_the_contracts(answers, method) -> None:
    assert answers[path(method)]
    assert [(message, answer) for message, answer in answers[path(method)] if answer.code not in EXPECTED] == []


@pytest.fixture(scope="module")
async def answers_to_garbage(raw_channel) -> dict[str, list[tuple[bytes, Outcome]]]:
    """Send bytes that are no message to all methods, each by somebody who may call it."""
    calls = [
        RawCall(
            method,
            b"\xff" + data,
            caller(min(RULES[f"{method.containing_service.name}/{method.name}"].roles), f"caller-{number}"),
        )
        for method in METHODS
        for number, data in enumerate(drawn(st.binary(min_size=1, max_size=60), 10))
    ]
    found = defaultdict(list)
    for call, answer in zip(calls, await outcomes(raw_channel, calls), strict=True):
        found[path(call.method)].append((call.data, answer))
    return found


@pytest.mark.parametrize("method", METHODS, ids=path)
def test_bytes_that_are_no_message_are_an_invalid_argument(answers_to_garbage, method) -> None:
    found = answers_to_garbage[path(method)]
    assert found
    assert [one for one in found if one[1].code is not grpc.StatusCode.INVALID_ARGUMENT] == []


class ReflectedDatabase(ProtoReflectionDescriptorDatabase):
    """The descriptors that a server reflects by the service of this name: the messages of v1 and v1alpha are equal."""

    def __init__(self, channel: grpc.Channel, name: str) -> None:
        super().__init__(channel)
        self._stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        self._stub.ServerReflectionInfo = channel.stream_stream(
            f"/{name}/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )


@pytest.mark.parametrize("reflected_by", SERVICE_NAMES)
def test_every_service_that_reflection_lists_is_described_with_its_methods(plain_channel, reflected_by) -> None:
    database = ReflectedDatabase(plain_channel, reflected_by)
    names = set(database.get_services())
    assert names >= {service.full_name for service, _ in SERVICERS} | set(SERVICE_NAMES)
    pool = DescriptorPool(database)
    for service in map(pool.FindServiceByName, names):
        assert service.methods
        for method in service.methods:
            assert GetMessageClass(method.input_type)() == GetMessageClass(method.input_type).FromString(b"")
            assert method.output_type.full_name.rpartition(".")[0] == service.file.package


@pytest.mark.parametrize("reflected_by", SERVICE_NAMES)
def test_a_client_that_knows_only_reflection_places_a_job(plain_channel, name, island, reflected_by) -> None:
    database = ReflectedDatabase(plain_channel, reflected_by)
    assert "gig.v1.JobService" in database.get_services()
    pool = DescriptorPool(database)
    service = pool.FindServiceByName("gig.v1.JobService")
    method = service.FindMethodByName("PlaceJob")
    request_type, response_type = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    request = request_type(request_id="r", client_id=name)
    request.spec.kind = 1
    for end in (request.spec.pickup, request.spec.dropoff):
        end.position.latitude, end.position.longitude = island
    call = plain_channel.unary_unary(path(method), request_type.SerializeToString, response_type.FromString)
    assert call(request, timeout=LIMIT_S, metadata=caller("client", name)).job.job_id


def test_health_is_told_for_the_whole_and_for_each_service(plain_channel) -> None:
    stub = health_pb2_grpc.HealthStub(plain_channel)
    for service in ("", "gig.v1.JobService", "gig.v1.CourierService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
