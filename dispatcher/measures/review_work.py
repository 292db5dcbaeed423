"""The reviewers' work: what it takes, what it pays, whether two of them agree, and whether a review is a real one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dispatcher.deciders import deciders
from dispatcher.measures.areas import SMALLEST_GROUP
from dispatcher.measures.decisions import KINDS
from dispatcher.measures.histogram import REPLY_EDGES_S, REVIEW_EDGES_S, Histogram
from dispatcher.times import SECOND, micros, span
from gig.v1 import transparency_service_pb2 as pb

CONTEST = pb.REVIEW_KIND_CONTEST
OVERTURNED = pb.REVIEW_OUTCOME_OVERTURNED
WEEK_US = 7 * 86_400 * SECOND
COHORTS_KEPT = 53
# An opinion that took less time, or whose reason is shorter, can hardly rest on the evidence.
LEAST_S, LEAST_REASON = 10, 15


@dataclass(slots=True)
class ReviewWork:
    """Since the log began. ``second_opinions``: decided reviews with two opinions or more; ``pairs``: how often a first
    opinion met which second one, as "first/second". ``open``: id -> when it was opened. ``claims``: of open reviews,
    who was shown the evidence. ``meaningful``: see is_meaningful. ``contests``: by kind of decision and outcome
    ("opened", "upheld", "overturned"); ``cohorts``: week of the contest -> the same three counts."""

    opened: int = 0
    decided: int = 0
    opinions: int = 0
    overturned: int = 0
    seconds: float = 0.0
    pay_minor: int = 0
    second_opinions: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    open: dict[str, int] = field(default_factory=dict)
    claims: dict[str, list[str]] = field(default_factory=dict)
    meaningful: int = 0
    # Who answered, until there are enough to tell of them.
    reviewers: list[str] = field(default_factory=list)
    # The last review that ended, and when it was opened: what follows from it comes right after.
    just_ended: tuple[str, int] = ("", 0)
    contests: Counter[str] = field(default_factory=Counter)
    cohorts: dict[int, list[int]] = field(default_factory=dict)
    times: Histogram = field(default_factory=lambda: Histogram(REVIEW_EDGES_S))
    replies: Histogram = field(default_factory=lambda: Histogram(REPLY_EDGES_S))

    def begin(self, review: pb.Review, now_us: int) -> None:
        self.opened += 1
        self.open[review.review_id] = now_us
        if review.kind == CONTEST:
            self._contest(review, now_us, "opened", 0)

    def opened_of(self, review_id: str) -> int | None:
        """When the review that a decision rests on was opened: the person knew from then on."""
        if review_id and review_id == self.just_ended[0]:
            return self.just_ended[1]
        return self.open.get(review_id)

    def claim(self, review_id: str, reviewer_id: str) -> None:
        self.claims.setdefault(review_id, []).append(reviewer_id)

    def opine(self, opinion: pb.ReviewOpinion, paid: int) -> None:
        seconds = span(opinion.time_spent) / SECOND
        self.opinions += 1
        self.seconds += seconds
        self.pay_minor += paid
        self.times.add(seconds)
        if len(self.reviewers) < SMALLEST_GROUP and opinion.reviewer_id not in self.reviewers:
            self.reviewers.append(opinion.reviewer_id)

    def end(self, review: pb.Review, now_us: int) -> None:
        self.decided += 1
        overturned = review.outcome == OVERTURNED
        self.overturned += overturned
        opened_us = self.open.pop(review.review_id, now_us)
        self.just_ended = (review.review_id, opened_us)
        self.meaningful += self.is_meaningful(review)
        self.claims.pop(review.review_id, None)
        if review.kind == CONTEST:
            self._contest(review, opened_us, "overturned" if overturned else "upheld", 2 if overturned else 1)
            self.replies.add((now_us - micros(review.open_time)) / SECOND, review.decision_id)
        if len(review.opinions) > 1:
            self.second_opinions += 1
            first, second = ((opinion.outcome, opinion.level) for opinion in review.opinions[:2])
            self.pairs[f"{first}/{second}"] += 1

    def _contest(self, review: pb.Review, opened_us: int, outcome: str, column: int) -> None:
        """By the kind of the decision that is contested, and by the week in which it was."""
        kind = _kind_of(review)
        self.contests[f"{kind}/{outcome}"] += 1
        week = opened_us // WEEK_US
        if week not in self.cohorts:
            self.cohorts[week] = [0, 0, 0]
            while len(self.cohorts) > COHORTS_KEPT:
                del self.cohorts[min(self.cohorts)]
        self.cohorts[week][column] += 1

    def is_meaningful(self, review: pb.Review) -> bool:
        """Every reviewer was shown the evidence, took time over it, wrote a reason, and could overturn the decision:
        which everyone can who did not make it themselves.

        After the Amsterdam Court of Appeal, 4 April 2023, ECLI:NL:GHAMS:2023:796 and 793: a human who only signs off
        what a system proposes is no human intervention.
        """
        shown = self.claims.get(review.review_id, [])
        authors = deciders(review)
        return bool(review.opinions) and all(
            opinion.reviewer_id in shown
            and span(opinion.time_spent) >= LEAST_S * SECOND
            and len(opinion.reason.strip()) >= LEAST_REASON
            and opinion.reviewer_id not in authors
            for opinion in review.opinions
        )

    def contests_by(self, outcome: str) -> int:
        return sum(count for name, count in self.contests.items() if name.endswith(f"/{outcome}"))

    def kappa(self) -> float | None:
        """Cohen's kappa of first and second opinions: (p_o - p_e) / (1 - p_e), with p_o the share of pairs that agree
        and p_e what chance alone would give (Cohen 1960). None while there are no pairs, or chance agrees always."""
        total = sum(self.pairs.values())
        if not total:
            return None
        first: Counter[str] = Counter()
        second: Counter[str] = Counter()
        for pair, count in self.pairs.items():
            one, _, other = pair.partition("/")
            first[one] += count
            second[other] += count
        observed = sum(count for pair, count in self.pairs.items() if len(set(pair.split("/"))) == 1) / total
        expected = sum(first[verdict] * second[verdict] for verdict in first) / total**2
        return None if expected == 1.0 else (observed - expected) / (1 - expected)


def _kind_of(review: pb.Review) -> str:
    """Return the kind of the decision in question, one of KINDS; earlier versions named it in front of its id alone."""
    if review.decision_kind:
        return str(pb.DecisionKind.Name(review.decision_kind)).removeprefix("DECISION_KIND_").lower()
    prefix = review.decision_id.partition(":")[0]
    return prefix if prefix in KINDS else "offer"
