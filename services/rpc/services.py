"""The services of the contract, each with what carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from gig.v1 import (
    courier_service_pb2,
    job_service_pb2,
    oversight_service_pb2,
    pay_service_pb2,
    rating_service_pb2,
    transparency_service_pb2,
)
from services.auth.limits import Limits
from services.host.erasures import Erasures
from services.host.market_host import MarketHost
from services.host.no_offer import NoOffers
from services.rpc.courier_service import CourierService
from services.rpc.job_service import JobService
from services.rpc.oversight_service import OversightService
from services.rpc.pay_service import PayService
from services.rpc.rating_service import RatingService
from services.rpc.transparency_service import TransparencyService


@dataclass(frozen=True, slots=True)
class Service:
    descriptor: ServiceDescriptor
    servicer: Any


SERVICERS: tuple[tuple[ServiceDescriptor, type[Any]], ...] = tuple(
    (module.DESCRIPTOR.services_by_name[servicer.__name__], servicer)
    for module, servicer in (
        (job_service_pb2, JobService),
        (courier_service_pb2, CourierService),
        (rating_service_pb2, RatingService),
        (pay_service_pb2, PayService),
        (transparency_service_pb2, TransparencyService),
        (oversight_service_pb2, OversightService),
    )
)


def services_of(host: MarketHost, no_offers: NoOffers, erasures: Erasures, limits: Limits) -> tuple[Service, ...]:
    needs: dict[type[Any], tuple[Any, ...]] = {
        TransparencyService: (host, no_offers, erasures),
        CourierService: (host, limits),
    }
    return tuple(Service(descriptor, servicer(*needs.get(servicer, (host,)))) for descriptor, servicer in SERVICERS)
