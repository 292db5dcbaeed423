"""No call is taken for another one, with any ids."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.descriptor import Descriptor

from dispatcher.ids import SECRET_BYTES
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import transparency_service_pb2 as pb
from gig.v1 import types_pb2
from services.rpc.services import SERVICERS
from tests.signing import caller


def go_online(island: tuple[float, float]) -> courier_pb.GoOnline:
    return courier_pb.GoOnline(
        profile=courier_pb.CourierProfile(vehicle_type=types_pb2.VEHICLE_TYPE_CAR),
        position=types_pb2.Position(latitude=island[0], longitude=island[1]),
    )


async def test_an_erasure_under_the_request_id_of_another_call_erases(couriers, transparency, name, island) -> None:
    online = courier_pb.GoOnlineRequest(request_id="0", courier_id=name, online=go_online(island))
    await couriers.GoOnline(online)
    offline = courier_pb.GoOfflineRequest(request_id="1", courier_id=name)
    await couriers.GoOffline(offline)
    erase = pb.EraseMyDataRequest(request_id="1", person_id=name)
    assert erase.SerializeToString() == offline.SerializeToString()
    erased = await transparency.EraseMyData(erase, metadata=caller("courier", name))
    assert erased.events >= 2
    with pytest.raises(grpc.aio.AioRpcError) as fault:
        await couriers.GetCourier(courier_pb.GetCourierRequest(courier_id=name))
    assert fault.value.code() is grpc.StatusCode.NOT_FOUND


def fields_below(message: Descriptor, seen: set[str]) -> set[str]:
    """The full names of all fields that a message may hold."""
    if message.full_name in seen:
        return set()
    seen.add(message.full_name)
    found = {field.full_name for field in message.fields}
    for field in message.fields:
        if field.message_type is not None:
            found |= fields_below(field.message_type, seen)
    return found


def test_no_answer_of_any_method_can_hold_the_markets_secret() -> None:
    seen: set[str] = set()
    answers = set[str]().union(
        *(fields_below(method.output_type, seen) for service, _ in SERVICERS for method in service.methods)
    )
    secrets = {field for field in fields_below(events_pb.Event.DESCRIPTOR, set()) if field.endswith(".secret")}
    assert secrets == {"gig.v1.MarketOpened.secret", "gig.v1.MarketResumed.secret"}
    assert not answers & (secrets | {"gig.v1.Request.call_key"})
    assert SECRET_BYTES == 32
