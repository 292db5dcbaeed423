"""The services and methods of the contract, from its descriptors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from gig.v1 import (
    courier_service_pb2,
    job_service_pb2,
    oversight_service_pb2,
    pay_service_pb2,
    rating_service_pb2,
    transparency_service_pb2,
)

SERVICES: Mapping[str, ServiceDescriptor] = {
    name: service
    for module in (
        job_service_pb2,
        courier_service_pb2,
        rating_service_pb2,
        pay_service_pb2,
        transparency_service_pb2,
        oversight_service_pb2,
    )
    for name, service in module.DESCRIPTOR.services_by_name.items()
}


def path_of(method: MethodDescriptor) -> str:
    """Return Service/Method, as the tables of access and limits have it."""
    return f"{method.containing_service.name}/{method.name}"


def python_name(method: MethodDescriptor) -> str:
    """Return the name of the function that carries a method out: ``PlaceJob`` becomes ``place_job``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()


METHODS: Mapping[str, MethodDescriptor] = {
    path_of(method): method for service in SERVICES.values() for method in service.methods
}
