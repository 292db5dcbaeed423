"""The house stands as drawn: floors, purity, and a contract that is neither stale nor crooked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gig.v1 import (
    courier_service_pb2,
    job_service_pb2,
    oversight_service_pb2,
    pay_service_pb2,
    rating_service_pb2,
    transparency_service_pb2,
)
from services.rpc.services import SERVICERS

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_each_room_imports_only_from_floors_below_and_the_pure_ones_do_no_io() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert done.returncode == 0, done.stdout


def test_the_contract_passes_buf_lint() -> None:
    done = run(str(Path(sys.executable).with_name("buf")), "lint", "gen/gig.binpb", "--path", "gig")
    assert done.returncode == 0, done.stdout


def test_the_generated_code_is_that_of_the_contract(tmp_path) -> None:
    done = run(sys.executable, "hatch_build.py", str(tmp_path / "gen"))
    assert done.returncode == 0, done.stderr
    fresh = {path.name: path.read_bytes() for path in (tmp_path / "gen/gig/v1").glob("*_pb2.py")}
    present = {path.name: path.read_bytes() for path in (ROOT / "gen/gig/v1").glob("*_pb2.py")}
    assert fresh == present, "run make setup: the generated code is stale"


@pytest.mark.parametrize(
    "module",
    [
        courier_service_pb2,
        job_service_pb2,
        oversight_service_pb2,
        pay_service_pb2,
        rating_service_pb2,
        transparency_service_pb2,
    ],
    ids=lambda module: module.__name__,
)
def test_the_contracts_page_says_of_each_method_whether_it_is_built(module) -> None:
    page = (ROOT / "docs/contract.md").read_text("utf-8")
    servicers = {service.name: servicer for service, servicer in SERVICERS}
    for service in module.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            snake = re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()
            assert hasattr(servicers[service.name], snake), "every method of the contract is built"
            assert f"| `{service.name}/{method.name}` | " in page
