"""`gig policy` against a running suite: what is in force, what would change, and a change with its notice."""

from __future__ import annotations

import asyncio
import json
from importlib import resources

from typer.testing import CliRunner, Result

from gig.v1 import oversight_service_pb2 as pb
from load_tests.live.suite_process import SuiteProcess
from services.cli.main import app


async def run(*arguments: str) -> Result:
    """In a thread: the command talks to the suite by blocking calls."""
    return await asyncio.to_thread(CliRunner().invoke, app(), ["policy", *arguments])


def at(suite: SuiteProcess) -> tuple[str, ...]:
    """Where it serves, and whose key for development signs the command's token."""
    return "--target", suite.target, "--data-dir", str(suite.data_dir)


async def test_the_policy_in_force_is_shown_as_a_document(suite, oversight) -> None:
    outcome = await run("show", *at(suite), "--markdown")
    version = (await oversight.GetPolicy(pb.GetPolicyRequest())).policy.version
    assert f"version {version}" in outcome.stdout
    assert "| `offers.time_to_answer` | 2 min 30 s |" in outcome.stdout
    as_json = json.loads((await run("show", *at(suite), "--json")).stdout)
    assert as_json["currency_code"] == "USD"


async def test_a_difference_to_the_policy_in_force(suite) -> None:
    outcome = await run("diff", "plain", *at(suite), "--json")
    rows = {row["parameter"]: (row["before"], row["after"]) for row in json.loads(outcome.stdout)}
    assert rows["offers.time_to_answer"] == ("20 s", "2 min 30 s")
    assert "same" in (await run("diff", "plain", "plain")).stdout


async def test_a_policy_is_published_with_notice_and_announced_until_then(suite, oversight) -> None:
    before = (await oversight.GetPolicy(pb.GetPolicyRequest())).policy
    dry = await run(
        "publish",
        "colorado",
        "--operator",
        "olu",
        "--target",
        suite.target,
        "--data-dir",
        str(suite.data_dir),
        "--dry-run",
    )
    assert "notice_period" in dry.stdout
    published = await run(
        "publish",
        "colorado",
        "--operator",
        "olu",
        "--target",
        suite.target,
        "--data-dir",
        str(suite.data_dir),
        "--notice",
        "30",
    )
    assert published.exit_code == 0, published.stderr
    assert "comes into force at" in published.stdout
    now = await oversight.GetPolicy(pb.GetPolicyRequest())
    assert now.policy.version == before.version
    assert (now.announced.policy.name, now.announced.operator_id) == ("colorado", "olu")
    assert now.announced.effective_time.ToMicroseconds() > now.announced.announce_time.ToMicroseconds()


async def test_what_cannot_be_is_told_in_a_line(suite, tmp_path) -> None:
    nobody = await run("show", "--target", "localhost:1")
    assert nobody.exit_code == 1
    assert "no suite answers" in nobody.stderr
    stranger = await run("show", "--target", suite.target, "--data-dir", str(tmp_path))
    assert stranger.exit_code == 2
    assert f"the key for development in {tmp_path}: name the server's --data-dir" in stranger.stderr
    given = await run("show", *at(suite), "--token", "x")
    assert "it came from --token" in given.stderr
    unknown = await run("diff", "plainer", "plain")
    assert unknown.exit_code == 2
    assert "presets are" in unknown.stderr
    other = tmp_path / "yen.toml"
    other.write_text(
        resources.files("dispatcher.policies").joinpath("plain.toml").read_text("utf-8").replace("USD", "JPY"), "utf-8"
    )
    refused = await run("publish", str(other), "--operator", "olu", *at(suite))
    assert refused.exit_code == 2
    assert "keeps its currency" in refused.stderr
