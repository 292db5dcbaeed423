"""Double entry: each event moves amounts between client, courier, reviewer, platform and tax, and balances to zero."""

from __future__ import annotations

from collections.abc import Iterable

from dispatcher.pricing.amounts import saturated
from dispatcher.pricing.tariff import BASIS_POINTS, rounded
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import types_pb2 as types_pb

BASE = types_pb.PRICE_LINE_KIND_BASE
TIP = types_pb.PRICE_LINE_KIND_TIP
CLIENT, COURIER, REVIEWER = types_pb.ACCOUNT_CLIENT, types_pb.ACCOUNT_COURIER, types_pb.ACCOUNT_REVIEWER
PLATFORM, TAX = types_pb.ACCOUNT_PLATFORM, types_pb.ACCOUNT_TAX
ACCOUNTS = max(types_pb.Account.values()) + 1
# Those who work: their lines are on statements.
WORKERS = frozenset({COURIER, REVIEWER})


def fill_completion(
    postings: types_pb.Postings,
    job: job_pb.Job,
    courier_id: str,
    tax_basis_points: int,
    top_up: types_pb.PriceLine | None = None,
) -> None:
    """The client pays the fare; the courier gets each pay line, tax its part, the platform what is left."""
    fare, pay = job.fare.total.minor_units, job.pay.total.minor_units
    tax = tax_inside(fare, tax_basis_points)
    postings.currency_code = job.fare.total.currency_code
    add = postings.legs.add
    if fare:
        add(account=CLIENT, holder_id=job.client_id, minor_units=-fare, line=BASE)
    for line in (*job.pay.lines, *([top_up] if top_up is not None else [])):
        if line.minor_units:
            add(account=COURIER, holder_id=courier_id, minor_units=line.minor_units, line=line.kind, rule=line.rule)
    if tax:
        add(account=TAX, minor_units=tax, line=types_pb.PRICE_LINE_KIND_TAX)
    if fare - tax - pay:
        add(account=PLATFORM, minor_units=fare - tax - pay, line=BASE)
    if top_up is not None and top_up.minor_units:
        add(account=PLATFORM, minor_units=-top_up.minor_units, line=top_up.kind)


def failure_after_pickup(job: job_pb.Job, courier_id: str) -> types_pb.Postings:
    """The client is not charged; the courier's work is paid, by the platform."""
    return _postings(
        job.pay.total.currency_code,
        [
            *_pay_legs(job.pay.lines, courier_id),
            _leg(PLATFORM, "", -job.pay.total.minor_units, BASE),
        ],
    )


def lost_contact(
    job: job_pb.Job, courier_id: str, fare_basis_points: int, pay_basis_points: int, tax_basis_points: int
) -> types_pb.Postings:
    """Postings of a job that the market ends because the courier's phone is silent.

    The client pays a share of the fare, the courier gets a share of each line of the pay, both in hundredths of a
    percent; the tax is the part inside what is charged, and the platform bears the rest.
    """
    fare = rounded(job.fare.total.minor_units * fare_basis_points, BASIS_POINTS)
    tax = tax_inside(fare, tax_basis_points)
    whole = pay_basis_points == BASIS_POINTS
    paid = [
        _leg(
            COURIER,
            courier_id,
            rounded(line.minor_units * pay_basis_points, BASIS_POINTS),
            line.kind,
            line.rule if whole else f"{pay_basis_points / 100:g} % of {line.minor_units} ({line.rule})",
        )
        for line in job.pay.lines
    ]
    legs = [
        _leg(CLIENT, job.client_id, -fare, BASE),
        *paid,
        _leg(TAX, "", tax, types_pb.PRICE_LINE_KIND_TAX),
        _leg(PLATFORM, "", fare - tax - sum(leg.minor_units for leg in paid), BASE),
    ]
    return _postings(job.pay.total.currency_code, legs)


def cancellation(job: job_pb.Job, row: policy_pb.CancellationRow | None) -> types_pb.Postings | None:
    """What a row of the policy's table moves: the client's fee, split; the courier's compensation by the platform."""
    if row is None:
        return None
    line = types_pb.PRICE_LINE_KIND_CANCELLATION
    share = rounded(row.fee_minor_units * row.courier_share_basis_points, BASIS_POINTS) if job.courier_id else 0
    compensation = row.compensation_minor_units if job.courier_id else 0
    shared = f"{row.courier_share_basis_points / 100:g} % of the client's fee of {row.fee_minor_units}"
    legs = [
        _leg(CLIENT, job.client_id, -row.fee_minor_units, line),
        _leg(COURIER, job.courier_id, share, line, shared),
        _leg(COURIER, job.courier_id, compensation, line, "compensation by the platform"),
        _leg(PLATFORM, "", row.fee_minor_units - share - compensation, line),
    ]
    postings = _postings(job.fare.total.currency_code, legs)
    return postings if postings.legs else None


def tip(job: job_pb.Job, amount: int) -> types_pb.Postings:
    """From the client to the courier, in full."""
    legs = [_leg(CLIENT, job.client_id, -amount, TIP), _leg(COURIER, job.courier_id, amount, TIP, "tip of the client")]
    return _postings(job.fare.total.currency_code, legs)


def top_up(courier_id: str, currency: str, line: types_pb.PriceLine | None) -> types_pb.Postings | None:
    """What a guarantee adds, by the platform."""
    return None if line is None else from_platform(COURIER, courier_id, currency, line)


def adjustment(courier_id: str, currency: str, amount: int, rule: str) -> types_pb.Postings | None:
    """What makes a wrong good."""
    line = types_pb.PriceLine(kind=types_pb.PRICE_LINE_KIND_ADJUSTMENT, minor_units=amount, rule=rule)
    return from_platform(COURIER, courier_id, currency, line) if amount else None


def refund(client_id: str, currency: str, amount: int, rule: str) -> types_pb.Postings | None:
    """What makes a wrong to a client good."""
    line = types_pb.PriceLine(kind=types_pb.PRICE_LINE_KIND_ADJUSTMENT, minor_units=amount, rule=rule)
    return from_platform(CLIENT, client_id, currency, line) if amount else None


def piece(reviewer_id: str, currency: str, amount: int, rule: str) -> types_pb.Postings | None:
    """A reviewer's pay for one review."""
    line = types_pb.PriceLine(kind=types_pb.PRICE_LINE_KIND_PIECE, minor_units=amount, rule=rule)
    return from_platform(REVIEWER, reviewer_id, currency, line) if amount else None


def from_platform(
    account: types_pb.Account, holder_id: str, currency: str, line: types_pb.PriceLine
) -> types_pb.Postings:
    legs = [
        _leg(account, holder_id, line.minor_units, line.kind, line.rule),
        _leg(PLATFORM, "", -line.minor_units, line.kind),
    ]
    return _postings(currency, legs)


def settle(job: job_pb.Job, postings: types_pb.Postings) -> None:
    """Note on an ended job what it came to: fare = pay + tax + platform. Tips stay as they are."""
    sums = [0] * ACCOUNTS
    surge_paid = 0
    for leg in postings.legs:
        account, amount = leg.account, leg.minor_units
        sums[account] += amount
        if account == COURIER and leg.line == types_pb.PRICE_LINE_KIND_SURGE:
            surge_paid += amount
    money = job.money
    money.fare_minor_units, money.pay_minor_units = saturated(-sums[CLIENT]), saturated(sums[COURIER])
    money.tax_minor_units, money.platform_minor_units = saturated(sums[TAX]), saturated(sums[PLATFORM])
    charged = sums[CLIENT] != 0 and job.state == job_pb.JOB_STATE_COMPLETED
    money.surge_charged_minor_units = _surge(job.fare) if charged else 0
    money.surge_paid_minor_units = saturated(surge_paid)


def _surge(price: types_pb.Price) -> int:
    return saturated(sum(line.minor_units for line in price.lines if line.kind == types_pb.PRICE_LINE_KIND_SURGE))


def tax_inside(fare: int, basis_points: int) -> int:
    """Tax contained in a fare that includes it: fare x rate / (1 + rate)."""
    return rounded(fare * basis_points, BASIS_POINTS + basis_points)


def courier_amount(postings: types_pb.Postings, courier_id: str) -> int:
    """What the postings give a courier in earnings, without tips, in minor units."""
    return sum(
        leg.minor_units
        for leg in postings.legs
        if leg.account == COURIER and leg.holder_id == courier_id and leg.line != TIP
    )


def balance(postings: types_pb.Postings) -> int:
    """Zero, unless the postings are wrong."""
    return sum(leg.minor_units for leg in postings.legs)


def _pay_legs(lines: Iterable[types_pb.PriceLine], courier_id: str) -> list[types_pb.Posting]:
    return [_leg(COURIER, courier_id, line.minor_units, line.kind, line.rule) for line in lines]


def _postings(currency: str, legs: Iterable[types_pb.Posting]) -> types_pb.Postings:
    return types_pb.Postings(currency_code=currency, legs=[leg for leg in legs if leg.minor_units])


def _leg(
    account: types_pb.Account, holder: str, amount: int, line: types_pb.PriceLineKind, rule: str = ""
) -> types_pb.Posting:
    return types_pb.Posting(account=account, holder_id=holder, minor_units=amount, line=line, rule=rule)
