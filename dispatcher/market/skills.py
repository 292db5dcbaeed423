"""Skills as bit sets: what the jobs of a round ask for, and what its couriers have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geo.units import Ints
from matching.problem import SKILLS_PER_WORD, Masks


@dataclass(frozen=True, slots=True)
class SkillColumns:
    """``needed`` (jobs, words) and ``held`` (couriers, words): int64 bit sets over the skills that some job asks for
    and some courier has. ``unmet`` (jobs,), int64: how many of a job's skills no courier has."""

    needed: Masks
    held: Masks
    unmet: Ints


def skill_columns(needs: Sequence[frozenset[str]], offers: Sequence[frozenset[str]]) -> SkillColumns:
    """Return the bit sets of any number of distinct skills, without words where no job asks for a skill.

    A skill that no courier has gets no bit: clients cannot make a round wide by asking for skills that do not exist.
    """
    wanted = set().union(*needs)
    found = wanted.intersection(set().union(*offers)) if wanted else set()
    place = {skill: index for index, skill in enumerate(sorted(found))}
    words = -(-len(place) // SKILLS_PER_WORD)
    unmet = np.fromiter((len(skills - found) if skills else 0 for skills in needs), np.int64, len(needs))
    return SkillColumns(_bits(needs, place, words), _bits(offers, place, words), unmet)


def _bits(rows: Sequence[frozenset[str]], place: dict[str, int], words: int) -> Masks:
    """Return the bit sets, shape (rows, words), int64."""
    bits = np.zeros((len(rows), words), np.int64)
    if words:
        set_ = [(row, place[skill]) for row, skills in enumerate(rows) for skill in skills if skill in place]
        row, bit = np.array(set_, np.int64).reshape(-1, 2).T
        # Each bit comes once, so that a sum is the union.
        np.add.at(bits, (row, bit // SKILLS_PER_WORD), np.left_shift(1, bit % SKILLS_PER_WORD))
    return bits
