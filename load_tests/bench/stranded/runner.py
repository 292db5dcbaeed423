"""Generated rounds, solved by this version and by an earlier one in turn, and judged by brute force."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from statistics import fmean
from typing import Any

from load_tests.bench.stranded.generated import generated_round
from load_tests.bench.stranded.oracle import Oracle
from load_tests.bench.stranded.versions import Solver, VersionMissing, other_version, this_version

# The last revision that cut to the nearest couriers before it checked destinations, shift ends and promises.
BEFORE = "396f656"
# How much longer a round may take than before.
LARGEST_RATIO = 1.5
# Rounds that are not measured, while the processes warm up.
WARM_UP = 3


def bench_stranded(rounds: int, runs: int, before: str | None, progress: Callable[[str], None]) -> dict[str, Any]:
    """Count the jobs without a candidate although a courier can take them, and the time of a round.

    ``before``: another checkout's folder or a revision; None: the last one that cut first, where it can be found.
    Times are milliseconds of processor time, of each round the least of ``runs`` runs, in the mean over all rounds.
    Raises VersionMissing.
    """
    with ExitStack() as stack:
        solvers: list[Solver] = []
        try:
            solvers.append(stack.enter_context(other_version(before or BEFORE)))
        except VersionMissing:
            if before is not None:
                raise
        solvers.insert(0, stack.enter_context(this_version()))
        for solver in solvers:
            for seed in range(WARM_UP):
                solver.solve(seed)
        found = [Tally() for _ in solvers]
        jobs = 0
        for seed in range(rounds):
            progress(f"round {seed + 1} of {rounds}")
            problem = generated_round(seed)
            jobs += len(problem.jobs)
            for tally, answers in zip(found, _in_turn(solvers, seed, runs), strict=True):
                tally.add(Oracle(problem), answers)
    now, earlier = found[0], found[1] if len(found) > 1 else None
    return {
        "rounds": rounds,
        "jobs": jobs,
        "feasible_left": now.feasible_left,
        "truncated": now.truncated,
        "round_ms": now.round_ms,
        "round_ms_before": earlier and earlier.round_ms,
        "ratio": earlier and round(now.round_ms / earlier.round_ms, 3),
        "feasible_left_before": earlier and earlier.feasible_left,
        "before": earlier and (before or BEFORE),
        "without_candidate": now.left,
        "runs": runs,
    }


def wrong_with(result: dict[str, Any]) -> list[str]:
    """Return in which respects the result misses its bounds."""
    found = [f"{name} is {result[name]}, not 0" for name in ("feasible_left", "truncated") if result[name]]
    if result["ratio"] is not None and result["ratio"] > LARGEST_RATIO:
        found.append(f"a round takes {result['ratio']} times as long as before, more than {LARGEST_RATIO}")
    return found


class Tally:
    """What one version left, and the times that it took."""

    def __init__(self) -> None:
        self.left = self.feasible_left = self.truncated = 0
        self._ms: list[float] = []

    @property
    def round_ms(self) -> float:
        return round(fmean(self._ms), 3)

    def add(self, oracle: Oracle, answers: list[dict[str, Any]]) -> None:
        """Count the answers to one round."""
        self._ms.append(min(answer["ms"] for answer in answers))
        self.left += len(answers[0]["left"])
        self.feasible_left += sum(oracle.is_feasible(job) for job in answers[0]["left"])
        self.truncated += max(answer["truncated"] for answer in answers)


def _in_turn(solvers: list[Solver], seed: int, runs: int) -> list[list[dict[str, Any]]]:
    """Solve a round several times with each solver, one after the other; by solver."""
    answers: list[list[dict[str, Any]]] = [[] for _ in solvers]
    for _ in range(runs):
        for solver, given in zip(solvers, answers, strict=True):
            given.append(solver.solve(seed))
    return answers
