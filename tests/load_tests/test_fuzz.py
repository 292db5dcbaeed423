"""Bad input, a few hundred of each: `gig fuzz` draws as many as one likes."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path
from textwrap import dedent

import numpy as np
import protovalidate
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.fuzz import files
from load_tests.fuzz.files import LEAST_READ, fuzz_reader
from load_tests.fuzz.readers import READERS, Reader
from load_tests.fuzz.services import Plan, fuzz_services, wrong_with
from load_tests.fuzz.sound import Sound, fuzzed_policy
from load_tests.fuzz.table_changes import tables_changed
from load_tests.fuzz.world import World
from load_tests.traces.formats import FORMATS
from services.rpc.services import SERVICERS


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_a_mutated_file_or_says_what_is_wrong_with_it(name) -> None:
    found = fuzz_reader(name, 150, seed=7)
    assert found["unclear"] == []
    assert found["read"] + found["refused"] == 150
    assert found["refused"] > 0
    # Of so few files, the share may lie three deviations lower.
    assert found["read_share"] >= LEAST_READ - 3 * (0.2 * 0.8 / 150) ** 0.5


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_changes_of_values_never_fail_themselves(name: str, seed: int) -> None:
    reader, rng = READERS[name], np.random.default_rng(seed)
    for sample in reader.samples():
        for file, data in sample.items():
            assert isinstance(reader.change(rng, file, data), bytes)


def test_every_trace_format_and_every_kind_of_zone_file_has_a_reader() -> None:
    assert {f"trace-{known.name}" for known in FORMATS} <= READERS.keys()
    assert {f"zones-{kind}" for kind in ("csv", "geojson", "shp", "zip")} <= READERS.keys()


@pytest.mark.parametrize("planted", [ZeroDivisionError, RecursionError, MemoryError])
def test_a_reader_that_fails_otherwise_is_found(planted: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter(range(100))

    def read(_folder: Path) -> None:
        if next(tries) > 3:
            raise planted("planted")

    sound = READERS["settings"]
    monkeypatch.setitem(files.READERS, "settings", Reader(sound.samples, read, sound.change, sound.errors))
    found = fuzz_reader("settings", 10, seed=7)
    assert (found["read"], len(found["unclear"])) == (3, 7)
    assert f"{planted.__name__} at " in found["unclear"][0]


def test_a_change_that_fails_is_found_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(_rng: np.random.Generator, _name: str, data: bytes) -> bytes:
        raise ZeroDivisionError(f"of {len(data)} bytes")

    sound = READERS["settings"]
    monkeypatch.setitem(files.READERS, "settings", Reader(sound.samples, sound.read, change, sound.errors))
    found = fuzz_reader("settings", 10, seed=7)
    assert found["read"] + found["refused"] + len(found["unclear"]) == 10
    assert "ZeroDivisionError at test_fuzz.py" in found["unclear"][0]


def test_a_table_that_cannot_be_written_is_written_as_it_was_before() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"at": pa.array([0, 1], pa.timestamp("s", tz="UTC"))}), out)
    for seed in range(200):
        assert tables_changed(np.random.default_rng(seed), out.getvalue()).startswith(b"PAR1")


def test_a_reader_that_does_not_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter(range(100))

    def read(_folder: Path) -> None:
        if next(tries) == 1:
            signal.raise_signal(signal.SIGALRM)

    sound = READERS["settings"]
    monkeypatch.setitem(files.READERS, "settings", Reader(sound.samples, read, sound.change, sound.errors))
    found = fuzz_reader("settings", 4, seed=7)
    assert (found["read"], len(found["unclear"])) == (3, 1)
    assert "not read within" in found["unclear"][0]


async def test_services_answer_fuzzed_messages_while_the_market_serves_and_restarts() -> None:
    found = await fuzz_services(Plan(250, seed=7, restarts=1), progress=lambda _text: None)
    assert found["codes"].keys() == {descriptor.name for descriptor, _ in SERVICERS}
    assert found["restarts"] == 1
    assert found["rounds"] > 0
    assert found["jobs_served"] > 0
    assert all(share >= 0.2 for share in found["accepted_share"].values())
    assert all(codes["INVALID_ARGUMENT"] > 0 for codes in found["codes"].values())
    assert (found["unclear"], found["log_faults"]) == ([], [])


async def test_a_method_that_fails_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = """
        from services.rpc.job_service import JobService

        async def get_job(self, call):
            raise RuntimeError("planted")

        JobService.get_job = get_job
    """
    (tmp_path / "sitecustomize.py").write_text(dedent(planted), "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    found = await fuzz_services(Plan(60, seed=7, restarts=0, services=("JobService",)), progress=lambda _text: None)
    assert any(sentence.startswith("JobService/GetJob: INTERNAL") for sentence in found["unclear"])
    assert wrong_with(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"faults": 2}, "2 faults of the server"),
        ({"log_faults": ["event 3: twice"]}, "1 faults of the log"),
        ({"accepted_share": {"PayService": 0.1}}, "PayService: only 10%"),
    ],
)
def test_each_kind_of_fault_fails_the_run(change: dict, said: str) -> None:
    good = {"faults": 0, "log_faults": [], "accepted_share": {"PayService": 0.4}}
    assert wrong_with(good) == []
    (sentence,) = wrong_with(good | change)
    assert said in sentence


@pytest.mark.parametrize("descriptor", [descriptor for descriptor, _ in SERVICERS], ids=lambda found: found.name)
def test_sound_requests_keep_the_contract(descriptor: ServiceDescriptor) -> None:
    """All but a few: some rules hold between fields."""
    rng = np.random.default_rng(3)
    sound = Sound(rng, World(), time.time_ns, fuzzed_policy())
    for method in descriptor.methods:
        if not method.client_streaming:
            requests = [sound.request(method).message for _ in range(20)]
            broken = [request for request in requests if protovalidate.collect_violations(request)]
            assert len(broken) <= len(requests) * 0.6, f"{method.name}: {broken[0]}"
