"""Settings come from flag, environment, file or default, in that order, and say from where."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.settings import SettingsError, resolve


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "gig.toml"
    file.write_text('market = "filed"\npolicy = "greedy"\nclock_speed = 2.0\n', "utf-8")
    found = resolve({"market": "flagged", "policy": None}, {"GIG_MARKET": "env", "GIG_POLICY": "plain"}, file)
    assert (found.values.market, found.origins["market"]) == ("flagged", "flag")
    assert (found.values.policy, found.origins["policy"]) == ("plain", "environment GIG_POLICY")
    assert (found.values.clock_speed, found.origins["clock_speed"]) == (2.0, f"file {file}")
    assert found.origins["grpc_address"] == "default"
    assert found.values.grpc_address == "127.0.0.1:50051"


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        ({"grpc_address": "x"}, {}, r"grpc_address \(flag\): must be host:port"),
        ({}, {"GIG_CLOCK_SPEED": "fast"}, r"clock_speed \(environment GIG_CLOCK_SPEED\)"),
        ({"market": "a b"}, {}, r"market \(flag\): must be 1 to 64 letters"),
    ],
)
def test_a_wrong_setting_names_itself_and_its_origin(flags, environment, said) -> None:
    with pytest.raises(SettingsError, match=said):
        resolve(flags, environment)


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gig.toml"
    file.write_text("grpc_adress = 1\n", "utf-8")
    with pytest.raises(SettingsError, match=r"grpc_adress .*there is no such setting"):
        resolve({}, {}, file)


def test_a_file_with_a_number_too_long_to_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gig.toml"
    file.write_text(f"capacity = {'9' * 5000}\n", "utf-8")
    with pytest.raises(SettingsError, match=r"gig\.toml"):
        resolve({}, {}, file)
