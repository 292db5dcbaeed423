"""The services of the contract, each with what carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from dispatcher.complete import complete
from services.auth.contract import METHODS, SERVICES, python_name
from services.auth.limits import Limits
from services.host.erasures import Erasures
from services.host.market_host import MarketHost
from services.host.no_offer import NoOffers
from services.host.zones import ZoneReader
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


_SERVICERS: dict[str, type[Any]] = complete(
    {
        servicer.__name__: servicer
        for servicer in (
            JobService,
            CourierService,
            RatingService,
            PayService,
            TransparencyService,
            OversightService,
        )
    },
    SERVICES,
    "classes that carry out the services of the contract",
)
SERVICERS: tuple[tuple[ServiceDescriptor, type[Any]], ...] = tuple(
    (SERVICES[name], servicer) for name, servicer in _SERVICERS.items()
)
complete(
    {
        path: method
        for path, method in METHODS.items()
        if hasattr(_SERVICERS[method.containing_service.name], python_name(method))
    },
    METHODS,
    "methods of the contract that a class carries out",
)


def services_of(
    host: MarketHost, no_offers: NoOffers, erasures: Erasures, zone_reader: ZoneReader, limits: Limits
) -> tuple[Service, ...]:
    needs: dict[type[Any], tuple[Any, ...]] = {
        TransparencyService: (host, no_offers, erasures),
        OversightService: (host, zone_reader),
        CourierService: (host, limits),
    }
    return tuple(Service(descriptor, servicer(*needs.get(servicer, (host,)))) for descriptor, servicer in SERVICERS)
