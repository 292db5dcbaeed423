"""How the tests are distributed over workers: in units that run on one worker, the longest first.

A unit is a module, so that what its tests share is set up once. The table names the exceptions (modules of a package
that share a fixture, single tests of a long module) and the units that take long.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Parametrized by chains of sections that share no files.
RESEARCH_PAGE = "tests/load_tests/test_research_page.py::test_every_command_and_every_piece_of_python_on_the_page_runs"
# Prefixes of node ids, and about how many seconds the tests with this prefix take.
UNITS = {
    # Modules of tests/service that are not named below share one server, which ends with the unit; those of
    # tests/faults a phone that vanishes in the first module and is noticed in the last one.
    "tests/service/": 90,
    "tests/faults/": 90,
    "tests/pages/": 60,
    "tests/load_tests/test_mdrp.py": 21,
    "tests/load_tests/test_experiments.py": 35,
    "tests/observe/test_dashboards.py": 65,
    "tests/load_tests/test_trace_replay.py": 22,
    "tests/service/test_life.py": 45,
    "tests/load_tests/test_fuzz.py": 30,
    "tests/faults/test_kill.py": 28,
    f"{RESEARCH_PAGE}[compare]": 30,
    "tests/load_tests/test_load.py": 25,
    "tests/dispatcher/measures/": 25,
    "tests/faults/test_processes.py": 24,
    f"{RESEARCH_PAGE}[sweep]": 25,
    "tests/service/test_erasures.py": 20,
    "tests/faults/test_personal_data.py": 15,
    "tests/load_tests/test_traces.py": 15,
    "tests/service/test_limits.py": 15,
    "tests/service/test_backup.py": 15,
    "tests/service/test_oversight.py": 14,
    "tests/service/test_log_repair.py": 14,
    "tests/faults/test_clock.py": 12,
    "tests/load_tests/test_hostile.py": 12,
    "tests/load_tests/test_poison.py": 12,
    "tests/service/test_migrations.py": 12,
    "tests/observe/test_rules.py": 12,
    "tests/service/test_http_limits.py": 10,
    "tests/service/test_tls.py": 10,
    "tests/services/test_trial.py": 10,
    "tests/matching/test_solver_processes.py": 10,
    "tests/dispatcher/test_backoff.py": 8,
    "tests/service/test_replayed_pay.py": 7,
    "tests/load_tests/test_running.py": 7,
}


def unit_of(node_id: str) -> str:
    """Return the unit of a test: the longest prefix of its node id in the table, else its module."""
    return max((prefix for prefix in UNITS if node_id.startswith(prefix)), key=len, default=node_id.split("::")[0])


def longest_first(node_id: str) -> tuple[int, str]:
    """Return a sort key by which the tests of a unit stand together, and the longest unit stands first."""
    unit = unit_of(node_id)
    return -UNITS.get(unit, 0), unit


class UnitScheduling(LoadScopeScheduling):
    """Give each worker one unit after another, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
