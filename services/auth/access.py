"""Who may call which method, and whose data it touches: one table. What is not in it is refused to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from dispatcher.errors import NotAllowed
from services.auth.caller import CLIENT, COURIER, OPERATOR, RESEARCHER, REVIEWER, ROLES, Caller


@dataclass(frozen=True, slots=True)
class Rule:
    """``data``: what the method touches. ``own``: roles that may call it about themselves, each with the request's
    field that must be the caller's id. ``found``: roles whose calls the method checks, once it has found whom they are
    about. ``all``: roles that may call it about anybody; where it is about a person, the log keeps that they did."""

    data: str
    own: Mapping[str, str] = field(default_factory=dict)
    found: frozenset[str] = frozenset()
    all: frozenset[str] = frozenset()

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.own) | self.found | self.all

    @property
    def subject(self) -> str:
        """The field that names the person whom the call is about, or nothing."""
        return next(iter(self.own.values()), "")


def _own(data: str, subject: str, *owners: str, all: tuple[str, ...] = ()) -> Rule:
    return Rule(data, dict.fromkeys(owners, subject), all=frozenset(all))


def _found(data: str, *owners: str, all: tuple[str, ...]) -> Rule:
    return Rule(data, found=frozenset(owners), all=frozenset(all))


def _all(data: str, *roles: str) -> Rule:
    return Rule(data, all=frozenset(roles))


_WORKERS = (COURIER, REVIEWER)
_JUDGED = (CLIENT, COURIER)

RULES: Mapping[str, Rule] = {
    "JobService/QuoteJob": _own("a client's own request", "client_id", CLIENT),
    "JobService/PlaceJob": _own("a client's own request", "client_id", CLIENT),
    "JobService/GetJob": _found("a job, with its places", CLIENT, all=(OPERATOR,)),
    "JobService/ListJobs": _own("a client's jobs", "client_id", CLIENT, all=(OPERATOR,)),
    "JobService/CancelJob": _own("a client's own job", "client_id", CLIENT),
    "JobService/WatchJob": _found("a job, with its places", CLIENT, all=(OPERATOR,)),
    "CourierService/Connect": _own("a courier's offers, plan and positions", "courier_id", COURIER),
    "CourierService/GoOnline": _own("a courier's shift", "courier_id", COURIER),
    "CourierService/GoOffline": _own("a courier's shift", "courier_id", COURIER),
    "CourierService/ReportLocations": _own("a courier's positions", "courier_id", COURIER),
    "CourierService/AnswerOffer": _own("a courier's offer", "courier_id", COURIER),
    "CourierService/ReportProgress": _own("a courier's job", "courier_id", COURIER),
    "CourierService/SetDestination": _own("a courier's destination", "courier_id", COURIER),
    "CourierService/GetCourier": _own(
        "a courier's place, plan, hours and pay of the shift", "courier_id", COURIER, all=(OPERATOR,)
    ),
    "RatingService/RateJob": _own("a rating of one's own", "rater_id", *_JUDGED),
    "RatingService/GetScore": _own("a person's score", "person_id", *_JUDGED, all=(OPERATOR,)),
    "RatingService/ListRatings": _own("ratings that a person received", "person_id", *_JUDGED, all=(OPERATOR,)),
    "RatingService/GetStanding": _own("the standing of an account", "person_id", *_JUDGED, all=(OPERATOR,)),
    "PayService/GetStatement": _own("a worker's pay and hours", "worker_id", *_WORKERS, all=(OPERATOR,)),
    "PayService/AddTip": _own("a client's own job", "client_id", CLIENT),
    "TransparencyService/ListDecisions": _own("decisions about a person", "person_id", *_JUDGED, all=(OPERATOR,)),
    "TransparencyService/ExplainDecision": _found("a decision about a person", *_JUDGED, all=(OPERATOR, REVIEWER)),
    "TransparencyService/ContestDecision": _own("a decision about oneself", "person_id", *_JUDGED),
    "TransparencyService/ExportMyData": _own("everything held about oneself", "person_id", *_JUDGED, REVIEWER),
    "TransparencyService/EraseMyData": _own("everything held about oneself", "person_id", *_JUDGED, REVIEWER),
    "TransparencyService/ExplainNoOffer": _own(
        "how a courier was compared with others", "courier_id", COURIER, all=(OPERATOR,)
    ),
    "TransparencyService/ExplainWait": _found("a waiting job", CLIENT, all=(OPERATOR,)),
    "TransparencyService/GetMyMeasures": _own("a courier's own measures", "courier_id", COURIER, all=(OPERATOR,)),
    "OversightService/GetMarket": _all("counts and sums of the market", OPERATOR, RESEARCHER),
    "OversightService/GetPolicy": _all("the policy, which is public to those it governs", *ROLES),
    "OversightService/SetPolicy": _own("the policy", "operator_id", OPERATOR),
    "OversightService/GetZones": _all("the zones", *ROLES),
    "OversightService/SetZones": _own("the zones", "operator_id", OPERATOR),
    "OversightService/SetBlock": _own("who meets whom", "operator_id", OPERATOR),
    # Couriers see the line, and of the others in it no names.
    "OversightService/GetQueue": _all("who waits in a zone", OPERATOR, COURIER),
    "OversightService/CheckPlan": _own("a courier's plan", "courier_id", COURIER, all=(OPERATOR,)),
    "OversightService/ListReviews": _all("the queue of reviews, with statements", OPERATOR, REVIEWER),
    "OversightService/OpenReview": _own("the standing of an account", "operator_id", OPERATOR),
    "OversightService/ClaimReview": _own("a review, with the evidence", "reviewer_id", REVIEWER, OPERATOR),
    "OversightService/DecideReview": _own("a review", "reviewer_id", REVIEWER, OPERATOR),
}


@dataclass(slots=True)
class Call:
    """A call that is being carried out, and the people whose data its caller looks at by office, to be kept."""

    path: str
    caller: Caller
    looked_at: list[str] = field(default_factory=list)


_call: ContextVar[Call] = ContextVar("call")


def begin(path: str, caller: Caller) -> Call:
    """Before the request is read: raises NotAllowed where no such caller may call the method at all."""
    rule = RULES.get(path)
    if rule is None or caller.role not in rule.roles:
        who = ", ".join(role for role in ROLES if rule is not None and role in rule.roles) or "nobody"
        raise NotAllowed("NOT_YOUR_ROLE", f"{path} is for these roles: {who}", method=path)
    call = Call(path, caller)
    _call.set(call)
    return call


def check(call: Call, request: Any) -> None:
    """Whether the caller may make this very request; raises NotAllowed."""
    rule, caller = RULES[call.path], call.caller
    subject = getattr(request, rule.subject) if rule.subject else ""
    if caller.role in rule.all:
        if subject and subject != caller.person_id:
            call.looked_at.append(subject)
    elif caller.role in rule.own and subject != caller.person_id:
        text = f"{rule.own[caller.role]}: {call.path} is about somebody else than the caller"
        raise NotAllowed("NOT_YOURS", text, method=call.path)


def check_subject(person_id: str) -> Caller:
    """What a method has found is about this person: only they may have it, or those who may have everybody's."""
    call = _call.get()
    if call.caller.role in RULES[call.path].all:
        if person_id != call.caller.person_id:
            call.looked_at.append(person_id)
    elif person_id != call.caller.person_id:
        raise NotAllowed("NOT_YOURS", "this is about somebody else than the caller", method=call.path)
    return call.caller


def current_call() -> Call:
    return _call.get()


def current() -> Caller:
    """Who makes the call that is being carried out."""
    return _call.get().caller
