"""Rules and alerts by promtool: their arithmetic, and that each alert fires for what it says, and for nothing less."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.tools import needed

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "services/observe"
RULES = sorted(OBSERVE.glob("rules/*.yml"))
ALERTS = [
    rule for group in yaml.safe_load((OBSERVE / "rules/alerts.yml").read_text())["groups"] for rule in group["rules"]
]

M = 'market="m"'


def histogram(name: str, quick: int) -> list[str]:
    """Of nine a minute, so many within a quarter of a second, the others within half."""
    buckets = (("0.25", quick), ("0.5", 9), ("+Inf", 9))
    return [f'{name}_bucket{{le="{edge}"}} 0+{count}x300' for edge, count in buckets]


def counters(**values: str) -> list[str]:
    return [f"gig_{name}_total{{{M}}} {text}" for name, text in values.items()]


def calls(code: str) -> list[str]:
    """Thirty in a hundred end with the code."""
    return [f'gig_grpc_calls_total{{method="a", code="{name}"}} 0+{n}x300' for name, n in ((code, 30), ("OK", 70))]


# Alert -> series that make it fire after so many minutes, and the same a little better, which do not.
FIRES: dict[str, tuple[int, list[str], list[str]]] = {
    "DecisionsUnexplained": (
        5,
        counters(decisions="10+0x300", decisions_explained="9+0x300"),
        counters(decisions="10+0x300", decisions_explained="10+0x300"),
    ),
    "OffersIncomplete": (
        5,
        [f"gig_offers_made_total{{{M}}} 10+0x300", f"gig_offers_complete_total{{{M}}} 9+0x300"],
        [f"gig_offers_made_total{{{M}}} 10+0x300", f"gig_offers_complete_total{{{M}}} 10+0x300"],
    ),
    "JobsWaitLong": (
        10,
        [f"gig_oldest_waiting_job_seconds{{{M}}} 901+0x300"],
        [f"gig_oldest_waiting_job_seconds{{{M}}} 900+0x300"],
    ),
    "EarningsBelowFloor": (
        90,
        [f'gig_courier_below_floor_ratio{{{M}, basis="net"}} 0.6+0x300'],
        [f'gig_courier_below_floor_ratio{{{M}, basis="net"}} 0.5+0x300'],
    ),
    "UnpaidTimeHigh": (
        150,
        [f"gig_unpaid_time_seconds_total{{{M}}} 0+70x300", f"gig_courier_time_seconds_total{{{M}}} 0+100x300"],
        [f"gig_unpaid_time_seconds_total{{{M}}} 0+50x300", f"gig_courier_time_seconds_total{{{M}}} 0+100x300"],
    ),
    "DecliningPunished": (
        90,
        [f"gig_decline_penalty_seconds{{{M}}} 400+0x300"],
        [f"gig_decline_penalty_seconds{{{M}}} -400+0x300"],
    ),
    "LongDays": (
        20,
        [f'gig_long_spells_total{{{M}, at_least="12h"}} 0x9 1+0x300'],
        [f'gig_long_spells_total{{{M}, at_least="10h"}} 0x9 1+0x300'],
    ),
    "LockedOutWithoutNotice": (
        20,
        [f'gig_lockouts_total{{{M}, notice="under_72h"}} 0x9 1+0x300'],
        [f'gig_lockouts_total{{{M}, notice="72h_or_more"}} 0x9 1+0x300'],
    ),
    "ReviewsOverdue": (10, [f"gig_reviews_overdue{{{M}}} 1+0x300"], [f"gig_reviews_overdue{{{M}}} 0+0x300"]),
    "DecisionsOftenReversed": (
        90,
        [
            f'gig_contests_total{{{M}, kind="score", outcome="overturned"}} 15+0x300',
            f'gig_contests_total{{{M}, kind="score", outcome="upheld"}} 5+0x300',
        ],
        [
            f'gig_contests_total{{{M}, kind="score", outcome="overturned"}} 15+0x300',
            f'gig_contests_total{{{M}, kind="score", outcome="upheld"}} 15+0x300',
        ],
    ),
    "ReviewersDisagree": (
        90,
        [f"gig_review_kappa{{{M}}} 0.1+0x300", f"gig_review_second_opinions_total{{{M}}} 20+0x300"],
        [f"gig_review_kappa{{{M}}} 0.1+0x300", f"gig_review_second_opinions_total{{{M}}} 19+0x300"],
    ),
    "ReviewsPerfunctory": (
        90,
        [f"gig_reviews_meaningful_total{{{M}}} 10+0x300", f'gig_reviews_total{{{M}, result="decided"}} 20+0x300'],
        [f"gig_reviews_meaningful_total{{{M}}} 19+0x300", f'gig_reviews_total{{{M}, result="decided"}} 20+0x300'],
    ),
    "SuiteDown": (5, ['up{job="gig-dispatch"} 0+0x300'], ['up{job="gig-dispatch"} 1+0x300']),
    "MeasuresMissing": (5, ["up 1+0x300"], [f"gig_policy_version{{{M}}} 1+0x300"]),
    "MarketNotAccepting": (5, [f"gig_market_accepting{{{M}}} 0+0x300"], [f"gig_market_accepting{{{M}}} 1+0x300"]),
    "LogAppendsSlow": (
        30,
        histogram("gig_log_append_seconds", 1),
        histogram("gig_log_append_seconds", 9),
    ),
    "EventLoopLags": (
        30,
        histogram("gig_event_loop_lag_seconds", 1),
        histogram("gig_event_loop_lag_seconds", 9),
    ),
    "SolverFallsBack": (
        30,
        [f"gig_solver_fallbacks_total{{{M}}} 0+1x300"],
        [f"gig_solver_fallbacks_total{{{M}}} 3+0x300"],
    ),
    "ItemsSetAside": (
        30,
        [f'gig_attention_items{{{M}, kind="quarantined"}} 1+0x300'],
        [f'gig_attention_items{{{M}, kind="quarantined"}} 0+0x300'],
    ),
    "JobsStuck": (
        30,
        [f'gig_attention_items{{{M}, kind="stuck_job"}} 1+0x300'],
        [f'gig_attention_items{{{M}, kind="stuck_job"}} 0+0x300'],
    ),
    "ContactLost": (
        30,
        [f'gig_attention_items{{{M}, kind="lost_contact"}} 1+0x300'],
        [f'gig_attention_items{{{M}, kind="lost_contact"}} 0+0x300'],
    ),
    "TablesLag": (
        30,
        [f"gig_projection_lag_events{{{M}}} 20001+0x300"],
        [f"gig_projection_lag_events{{{M}}} 20000+0x300"],
    ),
    "PingsStale": (
        30,
        [f'gig_ping_age_seconds{{{M}, share="0.9"}} 121+0x300'],
        [f'gig_ping_age_seconds{{{M}, share="0.99"}} 121+0x300'],
    ),
    "CallsFail": (
        30,
        calls("INTERNAL"),
        calls("NOT_FOUND"),
    ),
    "CallsTurnedAway": (
        30,
        ['gig_refused_total{limit="capacity"} 0+61x300'],
        ['gig_refused_total{limit="capacity"} 0+59x300', 'gig_refused_total{limit="calls"} 0+600x300'],
    ),
    "SnapshotsOld": (
        30,
        [f"gig_snapshot_lag_events{{{M}}} 1000001+0x300"],
        [f"gig_snapshot_lag_events{{{M}}} 999999+0x300"],
    ),
}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([needed("promtool"), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_promtool_finds_no_fault_in_the_rules(path: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_the_configuration() -> None:
    done = promtool("check", "config", str(OBSERVE / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ratios_are_what_their_names_say() -> None:
    done = promtool("test", "rules", str(Path(__file__).with_name("rules_test.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_it_means_for_people_and_what_to_do() -> None:
    assert {rule["alert"] for rule in ALERTS} == set(FIRES)
    for rule in ALERTS:
        assert set(rule["annotations"]) == {"summary", "people", "action"}
        assert all(len(text.split()) >= 3 for text in rule["annotations"].values()), rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_each_alert_fires_for_what_it_says_and_for_nothing_less(tmp_path: Path) -> None:
    text = {
        "rule_files": [str(path) for path in RULES],
        "evaluation_interval": "1m",
        "tests": [
            {
                # Prometheus prints the name of a test that fails.
                "name": f"{name} {'should fire' if fires else 'should be quiet'}",
                "interval": "1m",
                "input_series": [dict(zip(("series", "values"), _split(line), strict=True)) for line in series],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                        "eval_time": f"{minutes}m",
                        "exp_samples": [{"labels": "{}", "value": int(fires)}],
                    }
                ],
            }
            for name, (minutes, wrong, right) in FIRES.items()
            for series, fires in ((wrong, True), (right, False))
        ],
    }
    path = tmp_path / "alerts.yml"
    path.write_text(yaml.safe_dump(text))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def _split(line: str) -> tuple[str, str]:
    """Series and values, which come after the first space outside of braces."""
    match = re.fullmatch(r"([^{ ]+(?:\{[^}]*\})?) (.*)", line)
    assert match is not None, line
    return match[1], match[2]
