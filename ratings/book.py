"""One side's scores, folded rating by rating: O(1) each, and equal to recomputing all of them from the log.

A score is the mean of a person's ratings, each corrected for its rater's leniency and weighed by its age, shrunk to the
market's mean m as if by k ratings of it:

    score = (k m + sum of w c) / (k + sum of w),   w = 2^(-age / half-life),   c = stars - b

That is the posterior mean of a normal model with known variances (Gelman et al., Bayesian Data Analysis, ch. 2), with m
itself shrunk to the policy's prior. The leniency b of a rater is the mean of what they gave so far beyond the scores,
then, of those whom they rated, shrunk to 0 and limited. It is taken as known when the rating is given, and stays: a
score moves when a rating comes or ages, never because somebody else was rated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LOWEST, HIGHEST = 1, 5


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """``half_life_s`` None: no decay. ``prior_weight`` k; ``prior_mean`` and ``market_weight``: the prior of m, and as
    how many ratings it counts. ``leniency_weight`` 0: no correction; ``leniency_limit`` in stars."""

    half_life_s: float | None = None
    prior_weight: float = 10.0
    prior_mean: float = 4.5
    market_weight: float = 100.0
    leniency_weight: float = 0.0
    leniency_limit: float = 4.0


@dataclass(slots=True)
class Rated:
    """Ratings that count, decayed to ``as_of_s`` (Unix seconds): sums in stars and in ratings."""

    weighted_sum: float = 0.0
    weight: float = 0.0
    ratings: int = 0
    as_of_s: float = 0.0
    excluded: int = 0


@dataclass(slots=True)
class Rater:
    """``residual_sum``: stars given less the scores, then, of those who got them."""

    residual_sum: float = 0.0
    given: int = 0


@dataclass(slots=True)
class RatingBook:
    rated: dict[str, Rated] = field(default_factory=dict)
    raters: dict[str, Rater] = field(default_factory=dict)
    # Of all ratings that count, corrected: their sum in stars, and how many.
    total: float = 0.0
    count: int = 0

    def market_mean(self, rules: ScoreRules) -> float:
        weight = rules.market_weight + self.count
        return _mean(rules.market_weight * rules.prior_mean + self.total, weight, rules.prior_mean)

    def score(self, person_id: str, at_s: float, rules: ScoreRules) -> float:
        """1 to 5; of somebody without ratings, the market's mean."""
        person = self.rated.get(person_id)
        mean = self.market_mean(rules)
        if person is None:
            return mean
        kept = _kept(at_s - person.as_of_s, rules.half_life_s)
        weight = rules.prior_weight + person.weight * kept
        return _mean(rules.prior_weight * mean + person.weighted_sum * kept, weight, mean)

    def leniency(self, rater_id: str, rules: ScoreRules) -> float:
        """By how many stars the rater gives more than others do for the same people."""
        rater = self.raters.get(rater_id)
        if rater is None or not rules.leniency_weight:
            return 0.0
        bias = rater.residual_sum / (rules.leniency_weight + rater.given)
        return min(max(bias, -rules.leniency_limit), rules.leniency_limit)

    def add(self, person_id: str, rater_id: str, stars: int, at_s: float, rules: ScoreRules) -> float:
        """Fold a rating; returns what it counts, in stars. Times of one person's ratings do not run backwards."""
        person = self.rated.get(person_id)
        if person is None:
            person = self.rated[person_id] = Rated(as_of_s=at_s)
        rater = self.raters.get(rater_id)
        if rater is None:
            rater = self.raters[rater_id] = Rater()
        counted = stars - self.leniency(rater_id, rules)
        counted = min(max(counted, LOWEST), HIGHEST)
        # The score before this rating is what the stars are compared with.
        kept = _kept(at_s - person.as_of_s, rules.half_life_s)
        weighted_sum, weight = person.weighted_sum * kept, person.weight * kept
        mean = self.market_mean(rules)
        shrunk = rules.prior_weight + weight
        before = _mean(rules.prior_weight * mean + weighted_sum, shrunk, mean)
        rater.residual_sum += stars - before
        rater.given += 1
        person.weighted_sum, person.weight = weighted_sum + counted, weight + 1.0
        person.as_of_s = at_s
        person.ratings += 1
        self.total += counted
        self.count += 1
        return counted

    def preview(self, rater_id: str, stars: int, rules: ScoreRules) -> float:
        """What a rating would count, in stars."""
        return min(max(stars - self.leniency(rater_id, rules), LOWEST), HIGHEST)

    def score_with(self, person_id: str, counted: float, at_s: float, rules: ScoreRules) -> float:
        """What the score would be with one more rating."""
        person = self.rated.get(person_id, Rated(as_of_s=at_s))
        weight_of_all = rules.market_weight + self.count + 1
        mean = _mean(rules.market_weight * rules.prior_mean + self.total + counted, weight_of_all, rules.prior_mean)
        kept = _kept(at_s - person.as_of_s, rules.half_life_s)
        weight = rules.prior_weight + person.weight * kept + 1.0
        return _mean(rules.prior_weight * mean + person.weighted_sum * kept + counted, weight, mean)

    def exclude(self, person_id: str) -> None:
        """A rating was given that does not count."""
        self.rated.setdefault(person_id, Rated()).excluded += 1

    def take_out(self, person_id: str, counted: float, rated_at_s: float, rules: ScoreRules) -> None:
        """A rating that counted does so no more. What it taught about its rater stays."""
        self._change(person_id, -counted, -1, rated_at_s, rules)

    def put_back(self, person_id: str, counted: float, rated_at_s: float, rules: ScoreRules) -> None:
        """A rating that did not count does, from when it was given on."""
        self._change(person_id, counted, 1, rated_at_s, rules)

    def _change(self, person_id: str, stars: float, by: int, rated_at_s: float, rules: ScoreRules) -> None:
        self.rated[person_id] = _changed(self.rated[person_id], stars, by, rated_at_s, rules)
        self.total += stars
        self.count += by

    def score_if(
        self, person_id: str, counted: float, by: int, rated_at_s: float, at_s: float, rules: ScoreRules
    ) -> float:
        """What the score would be if a rating were taken out (``by`` -1) or put back (1)."""
        trial = RatingBook({person_id: _changed(self.rated[person_id], by * counted, by, rated_at_s, rules)})
        trial.total, trial.count = self.total + by * counted, self.count + by
        return trial.score(person_id, at_s, rules)


def _changed(person: Rated, stars: float, by: int, rated_at_s: float, rules: ScoreRules) -> Rated:
    """With one rating more or less, which weighs what it would have weighed by now."""
    as_of_s = max(person.as_of_s, rated_at_s) if person.ratings else rated_at_s
    # Never an age below zero: its weight would grow beyond what a float can hold.
    kept = _kept(as_of_s - person.as_of_s, rules.half_life_s) if person.ratings else 1.0
    weight = _kept(as_of_s - rated_at_s, rules.half_life_s)
    ratings = person.ratings + by
    if not ratings:  # no dust of rounding
        return Rated(as_of_s=as_of_s, excluded=person.excluded - by)
    sums = person.weighted_sum * kept + stars * weight, person.weight * kept + by * weight
    return Rated(*sums, ratings, as_of_s, person.excluded - by)


def _mean(total: float, weight: float, without: float) -> float:
    """A mean in stars. What is left of weights after ratings are taken out may be rounding alone: then ``without``."""
    return min(max(total / weight, LOWEST), HIGHEST) if weight > 0 else without


def _kept(age_s: float, half_life_s: float | None) -> float:
    """Share of its weight that a rating of this age, not below zero, still has."""
    return 1.0 if half_life_s is None else float(0.5 ** (max(age_s, 0.0) / half_life_s))
