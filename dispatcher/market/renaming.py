"""Rename an erased person in a market's memory, in place: the records that name them, and no others.

The result equals a fold of the log in which the person was renamed.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dispatcher.complete import known
from dispatcher.event_kinds import BODIES
from dispatcher.event_subjects import jobs_of
from dispatcher.market import lifecycle
from dispatcher.market.state import ClosedOffer, Due, MarketState
from dispatcher.messages import copied
from dispatcher.redaction import KINDS_OF_PEOPLE, Erased, redacted
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from ratings.book import RatingBook

Kept = TypeVar("Kept")
# Records that are copied in one go.
SLICE = 50
# Bodies with a review_id of their own, beside those that hold the review.
_OF_REVIEWS = known(
    frozenset({"review_statement_added", "review_claimed", "review_opinion_given"}),
    BODIES,
    "events that name a review",
)


@dataclass(slots=True)
class Touched:
    """Records that the events about a person concern: ids of jobs, offers, reviews, and accounts that a standing
    decision changed; requests by their former key."""

    jobs: set[str] = field(default_factory=set)
    offers: set[str] = field(default_factory=set)
    reviews: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    requests: dict[bytes | str, bytes] = field(default_factory=dict)

    def note(self, before: events_pb.Request, event: events_pb.Event) -> None:
        """``before``: the event's request before the person was renamed; the event is as it is afterwards."""
        body = event.WhichOneof("body")
        self.jobs.update(jobs_of(event))
        if body == "offer_made":
            self.offers.add(event.offer_made.offer.offer_id)
        elif body == "offer_answered":
            self.offers.add(event.offer_answered.offer_id)
        elif body in ("review_opened", "review_decided"):
            self.reviews.add(getattr(event, body).review.review_id)
        elif body in _OF_REVIEWS:
            self.reviews.add(getattr(event, body).review_id)
        elif body == "standing_changed":
            self.accounts.add(event.standing_changed.change.person_id)
        if event.request != before:
            self.requests[before.call_key or before.key] = event.request.SerializeToString()

    def update(self, more: Touched) -> None:
        self.jobs |= more.jobs
        self.offers |= more.offers
        self.reviews |= more.reviews
        self.accounts |= more.accounts
        self.requests |= more.requests


@dataclass(slots=True)
class Prepared:
    """What is renamed before the moment in which memory follows the log, as copies: jobs that have ended and closed
    offers, of which there may be tens of thousands. No event changes them any more but those that name the person.

    ``rest``: what is renamed in that moment.
    """

    jobs: dict[str, job_pb.Job] = field(default_factory=dict)
    closed_offers: dict[str, ClosedOffer] = field(default_factory=dict)
    rest: Touched = field(default_factory=Touched)

    def prepare(self, state: MarketState, erased: Erased, touched: Touched) -> Iterator[None]:
        """Copy the records, and yield after each slice: the market may go on in between."""
        self.rest = replace(touched, jobs=set(), offers=set(_common(touched.offers, state.offers)))
        for job_ids in _slices(touched.jobs):
            for job in (state.jobs[job_id] for job_id in job_ids if job_id in state.jobs):
                if job.state in lifecycle.TERMINAL:
                    self.jobs[job.job_id] = redacted(copied(job), erased)
                else:
                    self.rest.jobs.add(job.job_id)
            yield
        for offer_ids in _slices(touched.offers):
            for offer_id in offer_ids:
                closed = state.closed_offers.get(offer_id)
                if closed is not None:
                    self.closed_offers[offer_id] = replace(closed, courier_id=erased.renamed(closed.courier_id))
            yield

    def put_into(self, state: MarketState, later: Touched) -> Touched:
        """Replace the records that are still in memory, and that no later event has touched. Return what is left."""
        for job_id in {*_common(later.jobs, self.jobs), *(self.jobs.keys() - state.jobs.keys())}:
            del self.jobs[job_id]
        for offer_id in self.closed_offers.keys() - state.closed_offers.keys():
            del self.closed_offers[offer_id]
        state.jobs.update(self.jobs)
        state.closed_offers.update(self.closed_offers)
        self.rest.update(later)
        return self.rest


def _slices(names: Collection[str]) -> Iterator[list[str]]:
    listed = list(names)
    return (listed[start : start + SLICE] for start in range(0, len(listed), SLICE))


def _common(ids: Collection[str], records: Mapping[str, object]) -> list[str]:
    """Return the ids among the records, in time of the smaller of both."""
    if len(ids) <= len(records):
        return [name for name in ids if name in records]
    return [name for name in records if name in ids]


def rename_person(state: MarketState, erased: Erased, touched: Touched, prepared: Prepared | None = None) -> None:
    """Take time in proportion to what the market keeps of the person, and to its couriers.

    ``prepared``: from what was touched before; ``touched`` is then what events since its beginning are about.
    """
    person = erased.person_id
    if prepared is not None:
        touched = prepared.put_into(state, touched)
    for records, ids in ((state.jobs, touched.jobs), (state.offers, touched.offers), (state.reviews, touched.reviews)):
        for name in _common(ids, records):
            redacted(records[name], erased)
    for review_id in touched.reviews & state.parties.keys():
        state.parties[review_id] = tuple(sorted(map(erased.renamed, state.parties[review_id])))
    _rename_closed_offers(state, erased, touched)
    _rename_requests(state, touched)
    _rename_courier(state, erased)
    _rename_accounts(state, erased, touched)
    for book in (state.ratings_of_couriers, state.ratings_of_clients):
        _rename_in_book(book, erased)
    for couriers in state.exclusions.values():
        if person in couriers:
            _rename_key(couriers, erased)
    zone = state.queue_zone_of.pop(person, None)
    if zone is not None:
        state.zone_queues[zone].rename(erased)
        state.queue_zone_of[erased.pseudonym] = zone
    if person in state.silent:
        _rename_key(state.silent, erased)
    for couriers_not_met in state.blocked.values():
        if person in couriers_not_met:
            couriers_not_met.remove(person)
            couriers_not_met.add(erased.pseudonym)
    if person in state.blocked:
        state.blocked[erased.pseudonym] = state.blocked.pop(person)
    if state.announced is not None:
        redacted(state.announced, erased)
    _rename_quarantined(state, erased)
    _rename_due(state, erased)


def renamed(named: Mapping[str, Kept], erased: Erased) -> dict[str, Kept]:
    """Return the mapping in the same order with the person's key renamed."""
    return {erased.renamed(name): kept for name, kept in named.items()}


def _rename_key(named: dict[str, Kept], erased: Erased) -> None:
    in_order = renamed(named, erased)
    named.clear()
    named.update(in_order)


def _rename_closed_offers(state: MarketState, erased: Erased, touched: Touched) -> None:
    for offer_id in _common(touched.offers, state.closed_offers):
        closed = state.closed_offers[offer_id]
        closed.courier_id = erased.renamed(closed.courier_id)


def _rename_requests(state: MarketState, touched: Touched) -> None:
    """A keyed hash names nobody and stays; the key of an old log keeps its place in the order of time."""
    old_keys = False
    for key, body in touched.requests.items():
        kept = state.requests.get(key)
        if kept is not None:
            state.requests[key] = replace(kept, request=events_pb.Request.FromString(body))
            old_keys |= isinstance(key, str)
    if old_keys:
        state.requests = OrderedDict(
            (kept.request.call_key or kept.request.key, kept) for kept in state.requests.values()
        )


def _rename_quarantined(state: MarketState, erased: Erased) -> None:
    for subject in state.quarantined.values():
        redacted(subject, erased)
    state.quarantined = {
        (kind, erased.renamed(name) if kind in KINDS_OF_PEOPLE else name): subject
        for (kind, name), subject in state.quarantined.items()
    }


def _rename_courier(state: MarketState, erased: Erased) -> None:
    person = erased.person_id
    number = state.numbers.get(person)
    if number is None:
        return
    redacted(state.couriers[person], erased)
    state.couriers = renamed(state.couriers, erased)
    state.clocks = renamed(state.clocks, erased)
    state.numbers = renamed(state.numbers, erased)
    state.columns.ids[number] = erased.pseudonym
    if person in state.nudges:
        redacted(state.nudges[person], erased)
        state.nudges = renamed(state.nudges, erased)
    if person in state.last_nudges:
        state.last_nudges = renamed(state.last_nudges, erased)


def _rename_accounts(state: MarketState, erased: Erased, touched: Touched) -> None:
    for name in (erased.person_id, *touched.accounts):
        account = state.accounts.get(name)
        if account is not None and account.change is not None:
            state.accounts[name] = replace(account, change=redacted(copied(account.change), erased))
    if erased.person_id in state.accounts:
        state.accounts[erased.pseudonym] = state.accounts.pop(erased.person_id)
    if erased.person_id in state.found:
        redacted(state.found[erased.person_id], erased)
        state.found = renamed(state.found, erased)


def _rename_in_book(book: RatingBook, erased: Erased) -> None:
    if erased.person_id in book.rated:
        book.rated[erased.pseudonym] = book.rated.pop(erased.person_id)
    if erased.person_id in book.raters:
        book.raters[erased.pseudonym] = book.raters.pop(erased.person_id)


def _rename_due(state: MarketState, erased: Erased) -> None:
    """What falls due is looked up by the person's name."""
    changed = False
    for place, (at_us, kind, order, name) in enumerate(state.due):
        if name == erased.person_id and kind in (Due.PERIOD, Due.STANDING):
            state.due[place] = at_us, kind, order, erased.pseudonym
            changed = True
    if changed:
        heapq.heapify(state.due)
