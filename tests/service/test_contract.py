"""Every method, by clients who know nothing but the wire: reflection, generated messages, garbage."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from load_tests.live.wallet import Metadata
from services.auth.access import RULES
from services.auth.gate import bearer
from services.rpc.reflection import SERVICE_NAMES
from services.rpc.services import SERVICERS
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

LIMIT_S = 20.0


def path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


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


@pytest.fixture(scope="session")
def plain_channel(suite):
    """Blocking, for hypothesis drives plain functions."""
    with grpc.insecure_channel(suite.target) as channel:
        yield channel


def outcome(
    channel: grpc.Channel, method: MethodDescriptor, data: bytes, metadata: Metadata = ()
) -> tuple[grpc.StatusCode, str]:
    """Status and text of a call with these bytes."""
    kind = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
    call = getattr(channel, "_".join(kind))(path(method), lambda raw: raw, lambda raw: raw)
    argument = iter([data]) if method.client_streaming else data
    try:
        answer = call(argument, timeout=LIMIT_S, metadata=metadata)
        if method.server_streaming:
            next(iter(answer), None)
            answer.cancel()
    except grpc.RpcError as fault:
        return fault.code(), fault.details()
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize("method", METHODS, ids=path)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_message_comes_the_answer_is_one_of_the_contracts(plain_channel, method, data) -> None:
    message = data.draw(messages(method.input_type))
    code, text = outcome(plain_channel, method, message.SerializeToString(), data.draw(st.sampled_from(CALLERS)))
    assert code in EXPECTED, (code, text)


@pytest.mark.parametrize("method", METHODS, ids=path)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(min_size=1, max_size=60))
def test_bytes_that_are_no_message_are_an_invalid_argument(plain_channel, method, data) -> None:
    metadata = caller(min(RULES[f"{method.containing_service.name}/{method.name}"].roles), "ann")
    code, text = outcome(plain_channel, method, b"\xff" + data, metadata)
    assert code is grpc.StatusCode.INVALID_ARGUMENT, (code, text)


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
