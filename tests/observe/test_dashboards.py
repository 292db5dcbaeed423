"""The dashboards are those of the code, and every query of them and of the rules finds data of a real market."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from load_tests.bench.running import data_directory, free_port
from load_tests.cities.generated import GeneratedCity
from load_tests.live.demonstration import Demonstration, Plan
from load_tests.live.suite_process import SuiteProcess
from services.observe import prometheus
from services.observe.boards import BOARDS
from services.observe.grafana import built
from tests.tools import needed

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "services/observe"
SECONDS, SPEED, COURIERS = 30.0, 150.0, 90

# What a demonstration of an hour has none of, and why its query may come back empty.
NO_SUCH_EVENTS = {
    "gig_courier_hourly_earnings": "no week is over",
    "gig_courier_exits": "nobody's 28 days are over",
    "gig:exits": "nobody's 28 days are over",
    "gig_lockouts": "nobody may have been locked out",
    "gig:lockout_short_notice": "nobody may have been locked out",
    "gig_review_kappa": "second opinions may all be alike",
    "gig_nudge": "surge may have been nowhere near",
    "gig:nudge": "surge may have been nowhere near",
    "gig_standing_changes": "no rule may have spoken",
    "gig_accounts": "all may be in good standing",
    "gig_contest_answer": "none may be answered yet",
    "gig_progress_flags": "all reports may be plausible",
    "gig_trips": "the policy may not learn travel times",
    "gig_decline_penalty": "nobody may have declined where another completed",
    "gig_ratings_excluded": "all may count",
}


def queries() -> dict[str, str]:
    """By where it stands: every expression of dashboards and of recording rules."""
    found = {}
    for board in BOARDS:
        for _, panels in board.rows:
            for panel in panels:
                for query in panel.queries:
                    found[f"{board.title}: {panel.title}: {query.legend}"] = query.expr
    for group in yaml.safe_load((OBSERVE / "rules/recording.yml").read_text())["groups"]:
        for rule in group["rules"]:
            found[rule["record"]] = rule["expr"]
            found[f"{rule['record']} as recorded"] = rule["record"]
    return found


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_each_dashboard_is_that_of_the_code(board) -> None:
    kept = (OBSERVE / f"dashboards/{board.uid}.json").read_text("utf-8")
    assert kept == built(board), "run: make dashboards"


def test_each_panel_has_a_title_of_its_own() -> None:
    for board in BOARDS:
        made = json.loads(built(board))
        assert made["uid"] == board.uid
        titles = [panel["title"] for panel in made["panels"] if panel["type"] != "row"]
        assert len(titles) == len(set(titles))


class Asked:
    """A Prometheus that has watched a demonstration."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **query: str) -> dict:
        with urllib.request.urlopen(f"{self._base}/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)

    def values(self, expr: str) -> list[float]:
        text = expr.replace("$market", ".*").replace("$__rate_interval", "30s")
        return [float(found["value"][1]) for found in self.get("query", query=text)["data"]["result"]]


async def _demonstrate(folder: Path, port: int) -> None:
    rng = np.random.default_rng(7)
    city = GeneratedCity(rng)
    zones = folder / "zones.geojson"
    zones.write_text(city.zones_geojson, "utf-8")
    suite = SuiteProcess(
        *("--policy", "city", "--clock-speed", f"{SPEED:g}", "--zones", str(zones)),
        data_dir=folder,
        output=folder / "suite.log",
    )
    await suite.start()
    watcher = prometheus.start(needed("prometheus"), folder / "prometheus", f"127.0.0.1:{suite.http_port}", port, "1s")
    try:
        plan = Plan(SECONDS, COURIERS, 6.0, 7, bicycles=True, governs=True)
        account = await Demonstration(suite.target, suite.wallet, city, plan, lambda *_: None).run(asyncio.Event())
        assert account.states["lost"] == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{suite.http_port}/metrics", timeout=10) as answer:
            exported = answer.read().decode()
        command = [needed("promtool"), "check", "metrics"]
        checked = subprocess.run(command, input=exported, capture_output=True, text=True)
        asked = Asked(port)
        (folder / "asked.json").write_text(
            json.dumps(
                {
                    "queries": {where: asked.values(expr) for where, expr in queries().items()},
                    "complaints": checked.stdout + checked.stderr,
                    "targets": asked.get("targets")["data"]["activeTargets"],
                    "alerts": asked.get("alerts")["data"]["alerts"],
                    "rules": asked.get("rules")["data"]["groups"],
                }
            ),
            "utf-8",
        )
    finally:
        watcher.terminate()
        watcher.wait()
        await suite.stop()


@pytest.fixture(scope="session")
def watched() -> Iterator[dict]:
    needed("prometheus")
    folder = data_directory()
    asyncio.run(_demonstrate(folder, free_port()))
    yield json.loads((folder / "asked.json").read_text("utf-8"))
    shutil.rmtree(folder)


def test_prometheus_scrapes_the_suite_without_a_fault(watched: dict) -> None:
    (target,) = watched["targets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    for group in watched["rules"]:
        assert [(rule["name"], rule.get("lastError")) for rule in group["rules"] if rule["health"] != "ok"] == []


def test_promtool_has_nothing_to_say_of_all_that_a_suite_exports(watched: dict) -> None:
    assert watched["complaints"] == ""


def test_no_query_comes_back_empty_but_for_want_of_such_events(watched: dict) -> None:
    empty = [where for where, values in watched["queries"].items() if not values]
    exprs = queries()
    unexplained = [where for where in empty if not any(name in exprs[where] for name in NO_SUCH_EVENTS)]
    assert [(where, exprs[where]) for where in unexplained] == []
    assert len(empty) < len(exprs) / 6


def test_a_demonstration_breaks_no_promise(watched: dict) -> None:
    firing = {alert["labels"]["alertname"] for alert in watched["alerts"] if alert["state"] == "firing"}
    assert not firing & {"DecisionsUnexplained", "OffersIncomplete", "SuiteDown", "MeasuresMissing"}


def test_rules_and_dashboards_ask_only_for_metrics_that_there_are() -> None:
    from services.http.metrics import METRICS

    known = {metric.name for metric in METRICS}
    service = (ROOT / "services/http/service_metrics.py").read_text() + (ROOT / "services/signals.py").read_text()
    service += (ROOT / "services/rpc/call_metrics.py").read_text() + (ROOT / "services/auth/limits.py").read_text()
    for where, expr in queries().items():
        for name in re.findall(r"\bgig_[a-z0-9_]+", expr):
            base = re.sub(r"_(total|bucket|sum|count)\Z", "", name)
            assert base in known or name in known or f'"{base}"' in service, f"{where}: {name}"
