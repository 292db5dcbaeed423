"""What the fuzzer's callers know of the market: jobs, offers, decisions, reviews and pages, from answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import Message

from gig.v1 import job_pb2 as job_pb
from services.auth.caller import CLIENT, COURIER, OPERATOR, RESEARCHER, REVIEWER

# People of each role; ordinary people are others, so that nothing here restricts or erases them.
PEOPLE: Mapping[str, tuple[str, ...]] = {
    CLIENT: tuple(f"fuzz-client-{number}" for number in range(8)),
    COURIER: tuple(f"fuzz-courier-{number}" for number in range(16)),
    REVIEWER: tuple(f"fuzz-reviewer-{number}" for number in range(4)),
    OPERATOR: tuple(f"fuzz-operator-{number}" for number in range(12)),
    RESEARCHER: ("fuzz-researcher-0",),
}
EVERYBODY = frozenset(person for people in PEOPLE.values() for person in people)
# Accepted by a courier, not ended.
HELD = frozenset({job_pb.JOB_STATE_ASSIGNED, job_pb.JOB_STATE_AT_PICKUP, job_pb.JOB_STATE_PICKED_UP})
# The newest of each kind are remembered.
JOBS, OTHERS = 400, 200
# Items of a list in an answer that are read; levels of an answer that are read.
ITEMS, DEPTH = 8, 3


@dataclass(slots=True)
class KnownJob:
    """A job as the last answer showed it."""

    job_id: str
    client_id: str
    courier_id: str
    offer_id: str
    state: int


class World:
    """Shared by all callers of a run."""

    def __init__(self) -> None:
        self.jobs: dict[str, KnownJob] = {}
        # (quote, client), (offer, courier), (decision, person), (review, subject): the newest last.
        self.pairs: dict[str, deque[tuple[str, str]]] = {
            kind: deque(maxlen=OTHERS) for kind in ("quote_id", "offer_id", "decision_id", "review_id")
        }
        # The live offer of each courier.
        self.offers: dict[str, str] = {}
        self.page_tokens: dict[tuple[str, str], str] = {}
        self.zones: list[str] = []
        self._learners: Mapping[str, Callable[[Any, str], None]] = {
            "gig.v1.Job": self._job,
            "gig.v1.Offer": self._offer,
            "gig.v1.OfferClosed": lambda closed, person: self._closed(closed.offer_id, person),
            "gig.v1.Courier": lambda courier, _: self._closed("" if courier.offer_id else "all", courier.courier_id),
            "gig.v1.Quote": lambda quote, person: self._pair("quote_id", quote.quote_id, person),
            "gig.v1.Decision": lambda found, person: self._pair(
                "decision_id", found.decision_id, found.person_id or person
            ),
            "gig.v1.Rating": lambda rating, _: self._pair("decision_id", rating.decision_id, rating.rated_id),
            "gig.v1.Review": lambda review, _: self._pair("review_id", review.review_id, review.subject_id),
        }

    def learn(self, path: str, person_id: str, answer: Message) -> None:
        """Remember what an answer to this person shows."""
        token = getattr(answer, "next_page_token", "")
        if token:
            self.page_tokens[path, person_id] = token
        self._look(answer, person_id, DEPTH)

    def forget(self, person_id: str) -> None:
        """Drop what was known of a person who has been erased."""
        self.jobs = {
            job_id: job for job_id, job in self.jobs.items() if person_id not in (job.client_id, job.courier_id)
        }
        for pairs in self.pairs.values():
            kept = [pair for pair in pairs if pair[1] != person_id]
            pairs.clear()
            pairs.extend(kept)
        self.page_tokens = {key: token for key, token in self.page_tokens.items() if key[1] != person_id}

    def doubt(self, job_id: str, person_id: str) -> None:
        """Drop a job and an offer that turned out to be in another state than was known."""
        self.jobs.pop(job_id, None)
        self.offers.pop(person_id, None)

    def job(self, rng: np.random.Generator, states: frozenset[int] = frozenset()) -> KnownJob | None:
        """Draw a known job, in one of these states where there is one."""
        found = [job for job in self.jobs.values() if job.state in states] or list(self.jobs.values())
        return found[int(rng.integers(len(found)))] if found else None

    def pair(self, rng: np.random.Generator, kind: str, person_id: str = "") -> tuple[str, str] | None:
        """Draw a known (id, person) of a kind; of this person where there is one."""
        pairs = self.pairs[kind]
        found = [pair for pair in pairs if pair[1] == person_id] or list(pairs)
        return found[int(rng.integers(len(found)))] if found else None

    def held_job(self, courier_id: str) -> KnownJob | None:
        """Return the newest job that this courier holds, as far as is known."""
        jobs = (job for job in reversed(self.jobs.values()) if job.courier_id == courier_id and job.state in HELD)
        return next(jobs, None)

    def _look(self, message: Any, person_id: str, depth: int) -> None:
        learner = self._learners.get(message.DESCRIPTOR.full_name)
        if learner is not None:
            learner(message, person_id)
        if not depth:
            return
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            for item in value[:ITEMS] if field.is_repeated else (value,):
                self._look(item, person_id, depth - 1)

    def _job(self, job: job_pb.Job, _person_id: str) -> None:
        self.jobs.pop(job.job_id, None)
        self.jobs[job.job_id] = KnownJob(job.job_id, job.client_id, job.courier_id, job.offer_id, job.state)
        if job.offer_id and job.courier_id:
            self._pair("offer_id", job.offer_id, job.courier_id)
        while len(self.jobs) > JOBS:
            del self.jobs[next(iter(self.jobs))]

    def _offer(self, offer: Any, person_id: str) -> None:
        courier_id = offer.courier_id or person_id
        self._pair("offer_id", offer.offer_id, courier_id)
        if courier_id in EVERYBODY:
            self.offers[courier_id] = offer.offer_id

    def _closed(self, offer_id: str, courier_id: str) -> None:
        if offer_id in ("all", self.offers.get(courier_id)):
            self.offers.pop(courier_id, None)

    def _pair(self, kind: str, name: str, person_id: str) -> None:
        if name and person_id and (kind != "review_id" or person_id in EVERYBODY):
            self.pairs[kind].append((name, person_id))
