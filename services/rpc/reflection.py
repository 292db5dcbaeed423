"""Server reflection under both names: grpc.reflection.v1, which newer tools ask for first, and v1alpha.

The messages of the two are equal on the wire, so one servicer answers both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from services.rpc.open_streams import OpenToAll

V1ALPHA = reflection.SERVICE_NAME
V1 = "grpc.reflection.v1.ServerReflection"
SERVICE_NAMES = (V1, V1ALPHA)
_V1_FILE = "grpc/reflection/v1/reflection.proto"
# How the names of types begin.
_PACKAGE_V1ALPHA, _PACKAGE_V1 = ".grpc.reflection.v1alpha.", ".grpc.reflection.v1."


class BoundedReflection(reflection.aio.ReflectionServicer):
    """``names``: the full names of the services that reflection lists, without its own."""

    def __init__(self, names: Iterable[str], places: OpenToAll) -> None:
        _describe_v1()
        super().__init__([*names, *SERVICE_NAMES])
        self._places = places

    async def ServerReflectionInfo(
        self, request_iterator: AsyncIterator[Any], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Any]:
        async with self._places.taken(context):
            async for answer in super().ServerReflectionInfo(request_iterator, context):
                yield answer

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve reflection under both names."""
        method = grpc.stream_stream_rpc_method_handler(
            self.ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        handlers = {"ServerReflectionInfo": method}
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(name, handlers) for name in SERVICE_NAMES)
        )


def _describe_v1() -> None:
    """Add the descriptor of v1 to the default pool, so that tools can describe what they have found in the list."""
    pool = descriptor_pool.Default()
    try:
        pool.FindFileByName(_V1_FILE)
    except KeyError:
        described = descriptor_pb2.FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(described)
        described.name, described.package = _V1_FILE, _PACKAGE_V1.strip(".")
        for message in described.message_type:
            for field in (field for field in message.field if field.type_name):
                field.type_name = field.type_name.replace(_PACKAGE_V1ALPHA, _PACKAGE_V1)
        for method in described.service[0].method:
            method.input_type = method.input_type.replace(_PACKAGE_V1ALPHA, _PACKAGE_V1)
            method.output_type = method.output_type.replace(_PACKAGE_V1ALPHA, _PACKAGE_V1)
        pool.AddSerializedFile(described.SerializeToString())
