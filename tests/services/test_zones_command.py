"""`gig zones check` says what `gig serve --zones` and SetZones would, and writes the repaired document."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from geo.documents import MOST_BYTES, read_document
from geo.geojson import zones_from_geojson
from services.cli.main import app
from services.settings import Settings, SettingsError
from services.suite import Suite
from tests.geo.test_repairs import CHANGES, TRIFLES, feature
from tests.geo.test_zones import CITY, collection

CLI = CliRunner()
MENDED = collection(CITY, *(feature(*parts) for parts in TRIFLES.values()))
FAULTY = collection(CITY, *(feature(*parts) for parts in CHANGES.values()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "zones.geojson"


def test_a_sound_document_is_counted(file: Path) -> None:
    file.write_text(collection(CITY), "utf-8-sig")
    done = CLI.invoke(app(), ["zones", "check", str(file)])
    assert done.exit_code == 0
    assert "1 zones, 0 repairs" in done.output


def test_each_repair_is_listed_and_the_repaired_document_needs_none(file: Path, tmp_path: Path) -> None:
    file.write_text(MENDED, "utf-8")
    done = CLI.invoke(app(), ["zones", "check", str(file), "--repair", str(tmp_path / "out.geojson"), "--json"])
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["zones"] == len(TRIFLES) + 1
    assert [repair.partition(" (")[0] for repair in said["repairs"]] == [
        f"feature {number + 1}" for number in range(len(TRIFLES))
    ]
    again = zones_from_geojson(read_document(tmp_path / "out.geojson"))
    assert (len(again.zones), again.repairs) == (len(TRIFLES) + 1, ())


def test_all_faults_are_listed_and_nothing_is_written(file: Path, tmp_path: Path) -> None:
    file.write_text(FAULTY, "utf-8")
    done = CLI.invoke(app(), ["zones", "check", str(file), "--repair", str(tmp_path / "out.geojson"), "--json"])
    assert done.exit_code == 1
    assert len(json.loads(done.stdout)["faults"]) == len(CHANGES)
    assert not (tmp_path / "out.geojson").exists()


@pytest.mark.parametrize(
    ("content", "said", "code"),
    [
        (b"", "is empty", 1),
        (b"{", "not JSON", 1),
        (b"\xff\xfe{", "not in UTF-8", 1),
        (b" " * (MOST_BYTES + 1), "at most 4,194,304", 1),
        (None, "No such file", 2),
    ],
)
def test_other_files_end_in_a_sentence(file: Path, content: bytes | None, said: str, code: int) -> None:
    if content is not None:
        file.write_bytes(content)
    done = CLI.invoke(app(), ["zones", "check", str(file)])
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_server_opens_with_the_repaired_document_and_logs_each_repair(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(MENDED, "utf-8")
    with caplog.at_level(logging.WARNING):
        opening = Suite(Settings(zones=file))._opening()
    assert zones_from_geojson(opening.zones_geojson).repairs == ()
    assert len([line for line in caplog.messages if "repaired" in line]) == len(TRIFLES)
    file.write_text(FAULTY, "utf-8")
    with pytest.raises(SettingsError) as refused:
        Suite(Settings(zones=file))._opening()
    assert all(f"feature {number + 1}" in str(refused.value) for number in range(len(CHANGES)))
