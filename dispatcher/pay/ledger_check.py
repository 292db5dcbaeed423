"""What must hold for the money of any log, proved from its events alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dispatcher.complete import known
from dispatcher.event_kinds import BODIES
from dispatcher.pay.ledger import WORKERS, balance
from gig.v1 import events_pb2 as events_pb
from gig.v1 import types_pb2 as types_pb

CLIENT, COURIER = types_pb.ACCOUNT_CLIENT, types_pb.ACCOUNT_COURIER
# Bodies that end what a job costs and brings; tips and contests may follow.
_SETTLING = known(
    ("job_completed", "job_cancelled", "job_failed"),
    BODIES,
    "events that settle a job",
)


@dataclass(slots=True)
class LedgerCheck:
    """Feed it every event in order; it yields a sentence for each amount that is wrong.

    The legs of an event sum to zero, are of the market's currency, and name whose they are; workers' legs name their
    arithmetic. A job is settled once; a completed one charges its client what was quoted, and pays its courier what was
    offered, each with the waiting at the pickup and the job's floor; all of a tip is the courier's. ``accounts``: what
    each account came to; ``workers``: what each worker did; ``lines``: workers' pay by kind of line.
    """

    currency: str = ""
    events: int = 0
    postings: int = 0
    accounts: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)
    _fares: dict[str, int] = field(default_factory=dict)
    _pays: dict[str, int] = field(default_factory=dict)
    _settled: set[str] = field(default_factory=set)
    # Jobs of skipped events: their amounts cannot be compared with what is missing.
    _excused: set[str] = field(default_factory=set)

    def check(self, event: events_pb.Event) -> Iterator[str]:
        self.events += 1
        name = event.WhichOneof("body")
        body = getattr(event, name)
        self._remember(body)
        postings = getattr(body, "postings", None)
        faults = [*(self._legs(postings) if postings is not None else ()), *self._job(name, body)]
        for fault in faults:
            yield f"event {event.sequence} ({name}): {fault}"

    def _remember(self, body: object) -> None:
        """What was promised to whom."""
        match body:
            case events_pb.EventSkipped():
                self._excused |= _jobs_of(getattr(body.original, body.original.WhichOneof("body") or "", None))
            case events_pb.PolicySet():
                self.currency = body.policy.currency_code
            case events_pb.JobQuoted() | events_pb.JobPlaced():
                self._fares[body.job.job_id] = body.job.fare.total.minor_units
            case events_pb.OfferMade():
                for offered in body.offer.jobs:
                    self._pays[offered.job_id] = offered.pay.total.minor_units
            case events_pb.JobPickedUp():
                self._fares[body.job_id] = self._fares.get(body.job_id, 0) + body.fare_waiting.minor_units
                self._pays[body.job_id] = self._pays.get(body.job_id, 0) + body.pay_waiting.minor_units

    def _legs(self, postings: types_pb.Postings) -> Iterator[str]:
        if not postings.legs:
            return
        self.postings += 1
        if balance(postings):
            yield f"postings sum to {balance(postings)}, not zero"
        if postings.currency_code != self.currency:
            yield f"postings in {postings.currency_code!r}, in a market of {self.currency!r}"
        for leg in postings.legs:
            account = types_pb.Account.Name(leg.account).removeprefix("ACCOUNT_").lower()
            self.accounts[account] += leg.minor_units
            personal = leg.account in WORKERS or leg.account == CLIENT
            if personal != bool(leg.holder_id):
                yield f"a leg of {leg.minor_units} to {account} {'names nobody' if personal else 'names somebody'}"
            if leg.account in WORKERS:
                self.workers[leg.holder_id] += leg.minor_units
                self.lines[types_pb.PriceLineKind.Name(leg.line).removeprefix("PRICE_LINE_KIND_").lower()] += (
                    leg.minor_units
                )
                if not leg.rule:
                    yield f"a leg of {leg.minor_units} to {account} {leg.holder_id} without its arithmetic"

    def _job(self, name: str, body: object) -> Iterator[str]:
        if self._excused and not self._excused.isdisjoint(_jobs_of(body)):
            return
        if name in _SETTLING:
            job_id = str(getattr(body, "job_id", ""))
            if job_id in self._settled:
                yield f"job {job_id} is settled twice"
            self._settled.add(job_id)
            fare, pay = self._fares.pop(job_id, 0), self._pays.pop(job_id, 0)
            if isinstance(body, events_pb.JobCompleted):
                pay += body.top_up.minor_units
                yield from _differs(f"the client of job {job_id} is charged", -_sum(body.postings, CLIENT), fare)
                yield from _differs(f"the courier of job {job_id} is paid", _sum(body.postings, COURIER), pay)
        if isinstance(body, events_pb.TipAdded):
            given, got = -_sum(body.postings, CLIENT), _sum(body.postings, COURIER)
            yield from _differs(f"of the tip for job {body.job.job_id} the courier gets", got, given)


def _jobs_of(body: object) -> set[str]:
    """Ids of the jobs whose amounts an event changes."""
    match body:
        case events_pb.JobQuoted() | events_pb.JobPlaced() | events_pb.TipAdded():
            return {body.job.job_id}
        case events_pb.OfferMade():
            return {offered.job_id for offered in body.offer.jobs}
        case events_pb.OfferAnswered():
            return set(body.job_ids)
    return {str(getattr(body, "job_id", ""))} - {""}


def _sum(postings: types_pb.Postings, account: types_pb.Account) -> int:
    return sum(leg.minor_units for leg in postings.legs if leg.account == account)


def _differs(what: str, found: int, expected: int) -> Iterator[str]:
    if found != expected:
        yield f"{what} {found}, not {expected}"


def check_ledger(events: Iterable[events_pb.Event]) -> tuple[LedgerCheck, list[str]]:
    """The sums of a log, and a sentence for each amount that is wrong."""
    ledger = LedgerCheck()
    return ledger, [fault for event in events for fault in ledger.check(event)]
