"""Double entry: each money event moves amounts between client, courier, platform and tax, and balances to zero."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.pricing.tariff import rounded
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

BASE = types_pb.PRICE_LINE_KIND_BASE


def completion(job: job_pb.Job, courier_id: str, tax_basis_points: int) -> types_pb.Postings:
    """The client pays the fare; the courier gets each pay line, tax its part, the platform what is left."""
    fare, pay = job.fare.total.minor_units, job.pay.total.minor_units
    tax = tax_inside(fare, tax_basis_points)
    return _postings(
        job.fare.total.currency_code,
        [
            _leg(types_pb.ACCOUNT_CLIENT, job.client_id, -fare, BASE),
            *_pay_legs(job, courier_id),
            _leg(types_pb.ACCOUNT_TAX, "", tax, types_pb.PRICE_LINE_KIND_TAX),
            _leg(types_pb.ACCOUNT_PLATFORM, "", fare - pay - tax, BASE),
        ],
    )


def failure_after_pickup(job: job_pb.Job, courier_id: str) -> types_pb.Postings:
    """The client is not charged; the courier's work is paid, by the platform."""
    return _postings(
        job.pay.total.currency_code,
        [
            *_pay_legs(job, courier_id),
            _leg(types_pb.ACCOUNT_PLATFORM, "", -job.pay.total.minor_units, BASE),
        ],
    )


def cancellation(job: job_pb.Job, fee: int) -> types_pb.Postings:
    """The client's fee goes to the courier who was on the way, in full."""
    line = types_pb.PRICE_LINE_KIND_CANCELLATION
    return _postings(
        job.fare.total.currency_code,
        [
            _leg(types_pb.ACCOUNT_CLIENT, job.client_id, -fee, line),
            _leg(types_pb.ACCOUNT_COURIER, job.courier_id, fee, line),
        ],
    )


def top_up(courier_id: str, currency: str, amount: int) -> types_pb.Postings:
    line = types_pb.PRICE_LINE_KIND_TOP_UP
    return _postings(
        currency,
        [
            _leg(types_pb.ACCOUNT_COURIER, courier_id, amount, line),
            _leg(types_pb.ACCOUNT_PLATFORM, "", -amount, line),
        ],
    )


def tax_inside(fare: int, basis_points: int) -> int:
    """Tax contained in a fare that includes it: fare x rate / (1 + rate)."""
    return rounded(fare * basis_points, 10_000 + basis_points)


def courier_amount(postings: types_pb.Postings, courier_id: str) -> int:
    """What the postings give a courier, in minor units."""
    return sum(
        leg.minor_units
        for leg in postings.legs
        if leg.account == types_pb.ACCOUNT_COURIER and leg.holder_id == courier_id
    )


def balance(postings: types_pb.Postings) -> int:
    """Zero, unless the postings are wrong."""
    return sum(leg.minor_units for leg in postings.legs)


def _pay_legs(job: job_pb.Job, courier_id: str) -> list[types_pb.Posting]:
    return [_leg(types_pb.ACCOUNT_COURIER, courier_id, line.minor_units, line.kind) for line in job.pay.lines]


def _postings(currency: str, legs: Iterable[types_pb.Posting]) -> types_pb.Postings:
    return types_pb.Postings(currency_code=currency, legs=[leg for leg in legs if leg.minor_units])


def _leg(account: types_pb.Account, holder: str, amount: int, line: types_pb.PriceLineKind) -> types_pb.Posting:
    return types_pb.Posting(account=account, holder_id=holder, minor_units=amount, line=line)
