"""Bad input, a few hundred of each: `gig fuzz` draws as many as one likes."""

from __future__ import annotations

import pytest

from gig.v1 import job_service_pb2
from load_tests.fuzz.readers import READERS, fuzz_reader
from load_tests.fuzz.services import fuzz_services


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_a_mutated_file_or_says_what_is_wrong_with_it(name) -> None:
    found = fuzz_reader(name, 300, seed=7)
    assert found["unclear"] == []
    assert found["read"] + found["refused"] == 300
    assert found["refused"] > 0


async def test_services_answer_mutated_messages_clearly_and_lose_nothing() -> None:
    found = await fuzz_services(480, seed=7, progress=lambda _text: None)
    assert (found["unclear"], found["log_faults"]) == ([], [])
    assert job_service_pb2.DESCRIPTOR.services_by_name["JobService"].name in found["codes"]
    for codes in found["codes"].values():
        assert codes["INVALID_ARGUMENT"] > 0
