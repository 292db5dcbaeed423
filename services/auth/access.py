"""Who may call which method, and whose data it touches: one table. What is not in it is refused to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from dispatcher.complete import complete
from dispatcher.errors import NotAllowed
from services.auth.caller import CLIENT, COURIER, OPERATOR, RESEARCHER, REVIEWER, ROLES, Caller
from services.auth.contract import METHODS

# Roles of people who work for the operator of the market: what they read about others is noted on the log.
PRIVILEGED = frozenset({REVIEWER, OPERATOR, RESEARCHER})
# Subject of a note about everybody in the market.
EVERYBODY = ""


class About(Enum):
    """Whose data a method returns to a privileged role."""

    NOBODY = "nobody but the caller"
    NAMED = "the person whom the request names"
    FOUND = "a person whom the method finds and reports by `look` or `check_subject`"
    EVERYBODY = "more people than the request names"


@dataclass(frozen=True, slots=True)
class Rule:
    """``data``: what the method touches. ``own``: roles that may call it about themselves, each with the request's
    field that must be the caller's id. ``found``: roles whose calls the method checks, once it has found whom they are
    about. ``all``: roles that may call it about anybody. ``about``: whose data a privileged role receives; each such
    call is noted on the log before its answer leaves. ``counts_only``: roles that receive no data about people."""

    data: str
    own: Mapping[str, str] = field(default_factory=dict)
    found: frozenset[str] = frozenset()
    all: frozenset[str] = frozenset()
    about: About | None = None
    counts_only: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.roles & PRIVILEGED and self.about is None:
            raise ValueError(f"the rule about {self.data!r} must state `about`: whose data a privileged role receives")

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.own) | self.found | self.all

    @property
    def subject(self) -> str:
        """The field that names the person whom the call is about, or nothing."""
        return next(iter(self.own.values()), "")

    def audits(self, role: str) -> bool:
        """Return whether calls of this role may read about others, and are noted."""
        if role not in PRIVILEGED & self.roles or role in self.counts_only or self.about is About.NOBODY:
            return False
        return role in self.all or self.about is not About.NAMED


def _own(data: str, subject: str, *owners: str, all: tuple[str, ...] = (), about: About | None = None) -> Rule:
    if all and about is None:
        about = About.NAMED
    return Rule(data, dict.fromkeys(owners, subject), all=frozenset(all), about=about)


def _found(data: str, *owners: str, all: tuple[str, ...]) -> Rule:
    return Rule(data, found=frozenset(owners), all=frozenset(all), about=About.FOUND)


def _all(data: str, *roles: str, about: About, counts_only: tuple[str, ...] = ()) -> Rule:
    return Rule(data, all=frozenset(roles), about=about, counts_only=frozenset(counts_only))


_WORKERS = (COURIER, REVIEWER)
_JUDGED = (CLIENT, COURIER)

RULES: Mapping[str, Rule] = complete(
    {
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
        "TransparencyService/ExportMyData": _own(
            "everything held about oneself", "person_id", *_JUDGED, REVIEWER, about=About.NOBODY
        ),
        "TransparencyService/EraseMyData": _own(
            "everything held about oneself", "person_id", *_JUDGED, REVIEWER, about=About.NOBODY
        ),
        "TransparencyService/ExplainNoOffer": _own(
            "how a courier was compared with others", "courier_id", COURIER, all=(OPERATOR,)
        ),
        "TransparencyService/ExplainWait": _found("a waiting job", CLIENT, all=(OPERATOR,)),
        "TransparencyService/GetMyMeasures": _own("a courier's own measures", "courier_id", COURIER, all=(OPERATOR,)),
        "OversightService/GetMarket": _all("counts and sums of the market", OPERATOR, RESEARCHER, about=About.NOBODY),
        "OversightService/GetPolicy": _all(
            "the policy, which is public to those it governs", *ROLES, about=About.NOBODY
        ),
        "OversightService/SetPolicy": _own("the policy", "operator_id", OPERATOR, about=About.NOBODY),
        "OversightService/GetZones": _all("the zones", *ROLES, about=About.NOBODY),
        "OversightService/SetZones": _own("the zones", "operator_id", OPERATOR, about=About.NOBODY),
        "OversightService/SetBlock": _own("who meets whom", "operator_id", OPERATOR, about=About.NOBODY),
        # Couriers see the line, and of the others in it no names.
        "OversightService/GetQueue": _all("who waits in a zone", OPERATOR, COURIER, about=About.EVERYBODY),
        "OversightService/CheckPlan": _own("a courier's plan", "courier_id", COURIER, all=(OPERATOR,)),
        "OversightService/ListReviews": _all(
            "the queue of reviews, with statements", OPERATOR, REVIEWER, about=About.EVERYBODY
        ),
        # The answer holds what the operator wrote, and nothing else.
        "OversightService/OpenReview": _own("the standing of an account", "operator_id", OPERATOR, about=About.NOBODY),
        "OversightService/ClaimReview": _own(
            "a review, with the evidence", "reviewer_id", REVIEWER, OPERATOR, about=About.FOUND
        ),
        "OversightService/DecideReview": _own("a review", "reviewer_id", REVIEWER, OPERATOR, about=About.FOUND),
        "OversightService/ListAttention": _all("jobs and people that need attention", OPERATOR, about=About.EVERYBODY),
    },
    METHODS,
    "rules about who may call a method",
)


# The paths of the HTTP port beside the methods, without their first slash.
PAGES: Mapping[str, Rule] = {
    "metrics": _all("counts and sums of the market", OPERATOR, RESEARCHER, about=About.NOBODY),
    "healthz": _all("whether the service runs", *ROLES, about=About.NOBODY),
    "readyz": _all("whether the market takes calls", *ROLES, about=About.NOBODY),
    "live/feed": _all(
        "counts of cells; for operators where everybody is, for operators and reviewers decisions with their people",
        *(OPERATOR, REVIEWER, RESEARCHER),
        about=About.EVERYBODY,
        counts_only=(RESEARCHER,),
    ),
    "live/catalogue": _all("texts of the measures", OPERATOR, REVIEWER, RESEARCHER, about=About.NOBODY),
    "live/zones": _all("the zones", OPERATOR, REVIEWER, RESEARCHER, about=About.NOBODY),
    "live/decisions/{decision_id}": _all(
        "how an offer was chosen, without its people", OPERATOR, REVIEWER, RESEARCHER, about=About.NOBODY
    ),
    "me/feed": _all("that something about the caller has changed", *ROLES, about=About.NOBODY),
    "session": _all("the caller's own role and id", *ROLES, about=About.NOBODY),
}


@dataclass(slots=True)
class Call:
    """A call that is being carried out. ``looked_at``: people whose data its caller receives, and who are not noted on
    the log yet. ``found``: whether the method has reported whom its answer is about. ``settled``: whether the first
    answer has been looked at."""

    path: str
    caller: Caller
    looked_at: list[str] = field(default_factory=list)
    found: bool = False
    settled: bool = False

    @property
    def rule(self) -> Rule:
        return RULES.get(self.path) or PAGES[self.path]

    def look(self, person_id: str) -> None:
        """Report that the answer is about this person."""
        self.found = True
        if person_id != self.caller.person_id and self.rule.audits(self.caller.role):
            self.looked_at.append(person_id)

    def settle(self) -> bool:
        """Return whether people are to be noted before the answer leaves.

        Where the answer is about more people than are named, or the method has not reported whom it is about, that is
        everybody: no answer to a privileged role leaves without a note.
        """
        rule = self.rule
        unnamed = rule.about is About.EVERYBODY or (rule.about is About.FOUND and not self.found)
        if unnamed and not self.settled and rule.audits(self.caller.role):
            self.looked_at.append(EVERYBODY)
        self.settled = True
        return bool(self.looked_at)


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
    rule, caller = call.rule, call.caller
    subject = getattr(request, rule.subject) if rule.subject else ""
    if caller.role in rule.all:
        if subject:
            call.look(subject)
    elif caller.role in rule.own and subject != caller.person_id:
        text = f"{rule.own[caller.role]}: {call.path} is about somebody else than the caller"
        raise NotAllowed("NOT_YOURS", text, method=call.path)


def check_subject(person_id: str) -> Caller:
    """What a method has found is about this person: only they may have it, or those who may have everybody's."""
    call = _call.get()
    if call.caller.role not in call.rule.all and person_id != call.caller.person_id:
        raise NotAllowed("NOT_YOURS", "this is about somebody else than the caller", method=call.path)
    call.look(person_id)
    return call.caller


def look(person_id: str) -> None:
    """Report that the answer of the call that is being carried out is about this person."""
    _call.get().look(person_id)


def current_call() -> Call:
    return _call.get()


def current() -> Caller:
    """Who makes the call that is being carried out."""
    return _call.get().caller
