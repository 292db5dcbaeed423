"""How the tests are distributed over workers: in units that run on one worker, the longest first.

A unit is a module, so that what its tests share is set up once. The table names the exceptions (a package whose tests
share a fixture, single tests of a long module) and the units that take long.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Parametrized by chains of sections that share no files.
RESEARCH_PAGE = "tests/load_tests/test_research_page.py::test_every_command_and_every_piece_of_python_on_the_page_runs"
# Prefixes of node ids, and about how many seconds of CPU time the tests with this prefix take.
UNITS = {
    "tests/pages/": 90,
    "tests/load_tests/test_mdrp.py": 75,
    "tests/load_tests/test_experiments.py": 75,
    "tests/observe/test_dashboards.py": 65,
    "tests/faults/test_processes.py": 50,
    "tests/load_tests/test_trace_replay.py": 50,
    "tests/service/test_life.py": 45,
    f"{RESEARCH_PAGE}[what-if]": 32,
    "tests/faults/test_network.py": 30,
    "tests/load_tests/test_fuzz.py": 30,
    f"{RESEARCH_PAGE}[sweep]": 26,
    "tests/load_tests/test_load.py": 25,
    "tests/faults/test_kill.py": 25,
    f"{RESEARCH_PAGE}[compare]": 20,
    "tests/faults/test_database.py": 20,
    "tests/faults/test_ownership.py": 20,
    "tests/faults/test_disk.py": 20,
    "tests/faults/test_clock.py": 20,
    "tests/faults/test_personal_data.py": 20,
    "tests/faults/test_isolation.py": 20,
    "tests/load_tests/test_traces.py": 15,
    "tests/load_tests/test_cargo_replay.py": 15,
    "tests/dispatcher/measures/": 25,
    f"{RESEARCH_PAGE}[load]": 15,
    "tests/service/test_backup.py": 15,
    "tests/service/test_oversight.py": 15,
    "tests/service/test_access.py": 15,
    "tests/service/test_contract.py": 15,
    "tests/service/test_rights.py": 15,
    "tests/service/test_limits.py": 10,
    "tests/services/test_trial.py": 10,
    "tests/load_tests/test_hostile.py": 10,
    "tests/load_tests/test_poison.py": 10,
    "tests/service/test_migrations.py": 10,
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
