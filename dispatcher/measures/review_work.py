"""The reviewers' work, and whether two of them agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class ReviewWork:
    """Since the log began. ``second_opinions``: decided reviews with two opinions or more; ``pairs``: how often a first
    opinion met which second one, as "first/second"."""

    opened: int = 0
    decided: int = 0
    opinions: int = 0
    overturned: int = 0
    seconds: float = 0.0
    pay_minor: int = 0
    second_opinions: int = 0
    pairs: Counter[str] = field(default_factory=Counter)

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
