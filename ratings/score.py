"""A person's score: the mean of their ratings, each weighed by age, shrunk to a prior."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """Folded ratings as of one moment: O(1) a rating, equal to recomputing from all of them.

    ``weighted_sum`` and ``weight`` are in stars and ratings, decayed to ``as_of_s`` (Unix seconds).
    """

    weighted_sum: float = 0.0
    weight: float = 0.0
    ratings: int = 0
    as_of_s: float = 0.0

    def rated(self, stars: int, at_s: float, half_life_s: float | None) -> Score:
        """With one more rating; ``half_life_s`` is the age at which a rating counts half, None for no decay."""
        kept = self._kept(at_s, half_life_s)
        return Score(self.weighted_sum * kept + stars, self.weight * kept + 1.0, self.ratings + 1, at_s)

    def mean(self, at_s: float, half_life_s: float | None, prior_mean: float, prior_weight: float) -> float:
        """Bayesian shrinkage: (prior_weight x prior_mean + sum of weighted stars) / (prior_weight + weight).

        The posterior mean of a normal model with known variances; see Gelman et al., Bayesian Data Analysis, ch. 2.
        """
        kept = self._kept(at_s, half_life_s)
        total = prior_weight + self.weight * kept
        if total == 0.0:
            return prior_mean
        return (prior_weight * prior_mean + self.weighted_sum * kept) / total

    def _kept(self, at_s: float, half_life_s: float | None) -> float:
        """Share of its weight that a rating of ``as_of_s`` still has."""
        if half_life_s is None or not self.ratings:
            return 1.0
        return float(0.5 ** (max(at_s - self.as_of_s, 0.0) / half_life_s))
