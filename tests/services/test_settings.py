"""Settings come from flag, environment, file or default, in that order, and say from where."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.settings import OTHER_VARIABLES, Settings, SettingsError, resolve, unknown_variables


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
        ({"grpc_address": "127.0.0.1:65536"}, {}, r"grpc_address \(flag\): port 65536 must be at most 65535"),
        ({}, {"GIG_HTTP_ADDRESS": "[::1]:99999"}, r"http_address \(environment .*\): port 99999 must be at most"),
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


KNOWN = [f"GIG_{name.upper()}" for name in Settings.model_fields]


@pytest.mark.parametrize("variable", KNOWN)
def test_a_misspelt_variable_is_reported_with_the_nearest_name(variable: str) -> None:
    """A letter left out, and lower case; some names are so alike that another one may be nearer."""
    for wrong in (variable[:-2] + variable[-1], variable.lower()):
        if wrong in KNOWN:
            continue
        (said,) = unknown_variables({wrong: "1", "HOME": "/root"})
        assert f"variable {wrong} is ignored" in said
        assert any(f"did you mean {known}?" in said for known in KNOWN)


def test_variables_that_commands_know_are_not_reported() -> None:
    assert list(unknown_variables(dict.fromkeys([*KNOWN, *OTHER_VARIABLES, "GIGA", "MY_GIG_POLICY"], "1"))) == []


def test_a_variable_like_no_setting_is_reported_without_a_guess() -> None:
    (said,) = unknown_variables({"GIG_XYZZY": "1"})
    assert said.endswith("there is no such setting; gig config lists all settings")


def test_every_command_begins_with_the_variables_that_it_ignores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIG_CLOCK_SPED", "2")
    done = CliRunner().invoke(app(), ["config", "--json"])
    assert done.exit_code == 0
    assert done.stderr == (
        "gig: the environment variable GIG_CLOCK_SPED is ignored: there is no such setting; did you mean"
        " GIG_CLOCK_SPEED?\n"
    )
