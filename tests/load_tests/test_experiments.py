"""Experiments compare like with like, go on where they stopped, and tell no difference where there is none."""

from __future__ import annotations

import json
import re
from multiprocessing import active_children
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dispatcher import policy as policies
from dispatcher.errors import PolicyError
from load_tests.behaviour import settings
from load_tests.experiments import running
from load_tests.experiments.calibration import errors_table, recorded_quantities, replayed_quantities
from load_tests.experiments.comparison import RESULTS, differences_table, interval
from load_tests.experiments.counterfactual import rules_of, run_counterfactual
from load_tests.experiments.design import Experiment, Variant, cells_of
from load_tests.experiments.experiment import run_experiment
from load_tests.experiments.parameters import Parameter, grid, parse, with_values
from load_tests.experiments.sweep import Sweep, efficient, run_sweep
from load_tests.traces.errors import TraceError
from load_tests.traces.generated import generated_day
from load_tests.traces.reading import Trace, open_trace, read_trace
from load_tests.traces.writing import write_trace
from services.cli.main import app
from tests.load_tests.conftest import logged, write_day

NAMES = ("plain", "greedy")
NEW_YORK = ZoneInfo("America/New_York")


def experiment(folder: Path, seeds: tuple[int, ...] = (1, 2, 3), names: tuple[str, ...] = NAMES) -> Experiment:
    variants = tuple(Variant(name, policies.load(name)) for name in names)
    return Experiment(folder, variants, settings.load("lively"), seeds)


@pytest.fixture(scope="module")
def noon_log(noon: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return logged(noon, tmp_path_factory.mktemp("logs") / "noon.log.gz")


@pytest.fixture(scope="module")
def noon_folder(noon_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log's trace in Parquet form."""
    folder = tmp_path_factory.mktemp("traces") / "noon"
    write_trace(open_trace(noon_log), folder)
    return folder


@pytest.fixture(scope="module")
def done(short_day_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    out = tmp_path_factory.mktemp("experiment")
    return out, run_experiment(experiment(short_day_folder), out, processes=2)


def test_one_process_or_two_make_no_difference(short_day_folder: Path, done, tmp_path: Path) -> None:
    alone = run_experiment(experiment(short_day_folder), tmp_path, processes=1)
    assert alone.sha256 == done[1].sha256
    assert alone.differences.equals(done[1].differences)


def test_several_replays_at_a_time_share_processes_and_a_single_one_starts_none(tmp_path: Path) -> None:
    trace = tmp_path / "day"
    write_day(generated_day(20, 4, seed=5), trace)
    first, later = (cells_of(experiment(trace, seeds), tmp_path / "out") for seeds in ((1, 2), (3, 4)))
    known = {child.pid for child in active_children()}

    def started() -> set[int | None]:
        return {child.pid for child in active_children()} - known

    with running.Workers(1) as alone:
        alone.run(first[:2])
        assert started() == set()
    with running.Workers(2) as workers:
        workers.run(first)
        processes = started()
        assert 1 <= len(processes) <= 2
        shares: list[float] = []
        workers.run([*first, *later], lambda share, _done: shares.append(share))
        assert processes <= started()
        assert len(started()) <= 2
    assert all(running.is_done(cell) for cell in (*first, *later))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.5, 1.0)


def test_what_is_done_is_not_done_again_and_what_was_cut_off_is(short_day_folder: Path, done) -> None:
    out, before = done
    cells = cells_of(experiment(short_day_folder), out)
    assert all(running.is_done(cell) for cell in cells)
    kept = {cell.folder: (cell.folder / running.DONE).stat().st_mtime_ns for cell in cells}
    # As if the machine had gone down in the middle of one.
    (cells[2].folder / running.DONE).unlink()
    after = run_experiment(experiment(short_day_folder), out, processes=1)
    assert after.sha256 == before.sha256
    changed = [cell for cell in cells if (cell.folder / running.DONE).stat().st_mtime_ns != kept[cell.folder]]
    assert changed == [cells[2]]


def test_other_inputs_are_other_cells(short_day_folder: Path, done) -> None:
    out, _ = done
    changed = policies.load("plain")
    changed.matching.batch_window.seconds = 7
    other = Experiment(short_day_folder, (Variant("plain", changed),), settings.load("lively"), (1,))
    assert not running.is_done(cells_of(other, out)[0])


def test_differences_are_those_of_pairs_by_seed(done) -> None:
    _, findings = done
    results = pl.DataFrame(pl.from_arrow(findings.results))
    row = next(row for row in findings.differences.to_pylist() if row["measure"] == "wait_mean_s")
    values = {
        name: results.filter((pl.col("policy") == name) & (pl.col("measure") == "wait_mean_s"))
        .sort("seed")["value"]
        .to_numpy()
        for name in NAMES
    }
    gaps = values["greedy"] - values["plain"]
    assert row["difference"] == pytest.approx(gaps.mean())
    assert (row["pairs"], row["baseline"]) == (3, "plain")
    assert gaps.min() <= row["low"] <= row["difference"] <= row["high"] <= gaps.max()


def test_a_policy_does_not_differ_from_itself(short_day_folder: Path, tmp_path: Path) -> None:
    twice = Experiment(
        short_day_folder,
        (Variant("one", policies.load("plain")), Variant("two", policies.load("plain"))),
        settings.load("lively"),
        (1, 2, 3),
    )
    found = run_experiment(twice, tmp_path, processes=1)
    rows = found.differences.to_pylist()
    assert [row for row in rows if row["difference"] != 0 or row["low"] or row["high"]] == []


def test_common_chance_makes_differences_narrower_than_two_samples_would_be(done) -> None:
    _, findings = done
    results = pl.DataFrame(pl.from_arrow(findings.results)).filter(pl.col("measure") == "Utilisation: all")
    plain, greedy = (results.filter(pl.col("policy") == name).sort("seed")["value"].to_numpy() for name in NAMES)
    assert (greedy - plain).std() < np.sqrt(plain.var() + greedy.var())


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=12))
def test_an_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = interval(np.array(values))
    slack = 1e-9 * max(map(abs, values)) + 1e-12
    assert min(values) - slack <= low <= high <= max(values) + slack


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    held = [low <= 2.0 <= high for low, high in (interval(rng.normal(2.0, 1.0, 20)) for _ in range(200))]
    assert 0.87 <= np.mean(held) <= 0.99


def test_a_measure_that_only_one_policy_has_is_left_out() -> None:
    rows = [("a", 1, "service", "x", "s", 1.0), ("b", 1, "service", "x", "s", None), ("b", 1, "service", "y", "s", 2.0)]
    table = pa.table(
        [pa.array(list(column), kind.type) for column, kind in zip(zip(*rows, strict=True), RESULTS, strict=True)],
        schema=RESULTS,
    )
    assert differences_table(table, "a").num_rows == 0


def test_the_report_is_one_file_that_asks_for_nothing(done) -> None:
    out, findings = done
    page = (out / "report.html").read_text("utf-8")
    body = page[page.index("</script>") :]
    assert findings.sha256 in body
    assert body.count('class="plotly-graph-div"') >= 7
    assert re.search(r"""(src|href)=["']https?:""", body) is None
    for name in ("service_rate", "Hourly earnings, online: mean", "Reversal rate: pending"):
        assert name in body


def test_tables_on_disk_are_those_in_memory(done) -> None:
    out, findings = done
    for name in ("results", "differences", "couriers", "jobs"):
        assert pq.read_table(out / f"{name}.parquet").equals(getattr(findings, name))


# --- sweeps


def test_a_sweep_tries_the_grid_and_marks_what_nothing_beats(short_day_folder: Path, tmp_path: Path) -> None:
    parameters = (parse("matching.batch_window=2s,90s"), parse("pays.0.per_minute=30,45"))
    sweep = Sweep(short_day_folder, policies.load("plain"), parameters, settings.load("fixed"), (1,))
    points = run_sweep(sweep, tmp_path, processes=1)
    assert points.height == 4
    by_label = {row["label"]: row for row in points.to_dicts()}
    short, long = by_label["batch_window=2s,per_minute=45"], by_label["batch_window=90s,per_minute=45"]
    assert short["wait_mean_s"] < long["wait_mean_s"]
    assert by_label["batch_window=2s,per_minute=30"]["hourly"] < short["hourly"]
    assert not by_label["batch_window=90s,per_minute=30"]["efficient"]
    assert (tmp_path / "frontier.html").exists()


def test_an_optimiser_stays_in_range_and_repeats_itself(short_day_folder: Path, tmp_path: Path) -> None:
    parameters = (parse("matching.batch_window=2s..60s"), parse("surge.cap_percent=150..250"))
    sweep = Sweep(short_day_folder, policies.load("plain"), parameters, settings.load("fixed"), (1,), trials=3)
    first = run_sweep(sweep, tmp_path / "a", processes=1)
    again = run_sweep(sweep, tmp_path / "b", processes=1)
    assert first.equals(again)
    for row in first.to_dicts():
        assert 2 <= float(row["matching.batch_window"].removesuffix("s")) <= 60
        assert 150 <= int(row["surge.cap_percent"]) <= 250


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=15))
def test_a_point_is_efficient_just_if_no_other_beats_it(values: list[tuple[float, float]]) -> None:
    marked = efficient([{"wait_mean_s": wait, "hourly": hourly} for wait, hourly in values])
    assert any(marked)
    for (wait, hourly), is_marked in zip(values, marked, strict=True):
        beaten = any(w <= wait and h >= hourly and (w < wait or h > hourly) for w, h in values)
        assert is_marked == (not beaten)


def test_parameters_are_read_as_people_write_them() -> None:
    assert parse("matching.batch_window=2s,10s").values == ("2s", "10s")
    assert parse("pays.0.per_km=90").values == (90,)
    assert parse("x.y=2s..60s") == Parameter("x.y", (), 2.0, 60.0, False, "s")
    assert parse("x.y=100..250") == Parameter("x.y", (), 100.0, 250.0, True, "")
    assert grid((parse("a=1,2"), parse("b=3"))) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
    for text in ("x", "x=", "x=5..2", "x=2s..60", "x=a..b"):
        with pytest.raises(TraceError, match="--vary"):
            parse(text)


def test_a_value_that_does_not_fit_is_refused_with_its_field() -> None:
    plain = policies.load("plain")
    assert with_values(plain, {"pays.0.per_km": 77}).pays[0].per_km == 77
    for values, said in (
        ({"matching.speed": 3}, "speed"),
        ({"pays.9.per_km": 3}, "no place"),
        ({"matching.batch_window": "fast"}, "fast"),
    ):
        with pytest.raises(PolicyError, match=said):
            with_values(plain, values)


# --- counterfactual and calibration


def test_nothing_changed_changes_nobodys_earnings(noon_log: Path, noon_folder: Path, tmp_path: Path) -> None:
    rules, lively = rules_of(noon_log), settings.load("lively")
    answer = run_counterfactual(noon_log, noon_folder, rules, rules.policy, lively, (1,), tmp_path / "out", 1)
    assert (rules.policy_changes, rules.zones) == (0, "")
    assert answer.summary["jobs_to_another_courier_share"] == 0
    assert (answer.summary["earn_more"], answer.summary["earn_less"]) == (0, 0)
    # The very log comes out again where its seed and its people are those that made it.
    same = run_counterfactual(noon_log, noon_folder, rules, rules.policy, lively, (3,), tmp_path / "again", 1)
    assert same.fidelity["earnings_correlation"] > 0.5


def test_lower_pay_takes_from_everyone_who_worked(noon_log: Path, noon_folder: Path, tmp_path: Path) -> None:
    rules = rules_of(noon_log)
    changed = with_values(rules.policy, {"pays.0.base": 100, "pays.0.minimum": 0, "floor.per_online_hour": 0})
    fixed = settings.load("fixed")
    answer = run_counterfactual(noon_log, noon_folder, rules, changed, fixed, (1,), tmp_path / "out", 1)
    assert answer.summary["jobs_to_another_courier_share"] == 0
    assert answer.summary["earn_less"] == answer.couriers.num_rows
    total = sum(row["difference_minor"] for row in answer.couriers.to_pylist())
    assert total < 0


def test_a_replay_held_against_itself_is_perfect(noon_log: Path, done) -> None:
    _, findings = done
    quantities = replayed_quantities(findings.jobs, findings.currency)
    for row in errors_table(quantities, quantities).to_pylist():
        assert (row["error"], row["ks"], row["wasserstein"]) == (0.0, 0.0, 0.0)
    recorded = recorded_quantities(read_trace(noon_log))
    assert all(values.size > 100 for values in recorded.values())


# --- the command


def test_the_command_compares_and_prints_the_hash(short_day_folder: Path, tmp_path: Path) -> None:
    arguments = [
        "replay",
        str(short_day_folder),
        "--policy",
        "plain",
        "--policy",
        "greedy",
        "--seeds",
        "1",
        "--behaviour",
        "fixed",
        "--processes",
        "1",
    ]
    done = CliRunner().invoke(app(), [*arguments, "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["policies"] == ["plain", "greedy"]
    assert re.fullmatch(r"[0-9a-f]{64}", found["sha256"])
    again = CliRunner().invoke(app(), [*arguments, "--out", str(tmp_path / "other"), "--json"])
    assert json.loads(again.stdout)["sha256"] == found["sha256"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "missing", "--out", "x"], "no such file"),
        (["replay", "DAY", "--policy", "nothing", "--out", "OUT"], "presets are"),
        (["replay", "DAY", "--behaviour", "nothing", "--out", "OUT"], "presets are"),
        (["sweep", "DAY", "--vary", "x", "--out", "OUT"], "--vary"),
        (["counterfactual", "DAY", "--out", "OUT"], "say what is otherwise"),
        (["calibrate", "DAY", "--out", "OUT"], "recorded no waits"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(
    short_day_folder: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    places = {"DAY": str(short_day_folder), "OUT": str(tmp_path / "out")}
    done = CliRunner().invoke(app(), [places.get(each, each) for each in arguments])
    assert done.exit_code in (1, 2), done.output
    assert said in done.output
    assert "Traceback" not in done.output


async def test_the_report_opens_in_a_browser_draws_its_figures_and_fits_on_paper(done) -> None:
    from playwright.async_api import async_playwright

    from tests.tools import needed

    out, _ = done
    asked, faults = [], []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=needed("chromium"), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        await page.goto(f"file://{out / 'report.html'}")
        await page.wait_for_selector(".main-svg")
        drawn = await page.locator(".plotly-graph-div .main-svg").count()
        assert drawn >= 7
        # On a phone nothing is wider than the screen but tables, which scroll by themselves.
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400
        assert (await page.pdf(format="A4")).startswith(b"%PDF")
        await browser.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_high_volume_records_are_calibrated_against_what_drivers_were_really_paid(
    noon_log: Path, tmp_path: Path
) -> None:
    """A month of TLC's form, made of a known day: zones of two kilometres, wall-clock times, dollars."""
    rows = [row for row in read_trace(noon_log).requests.to_pylist() if row["recorded_state"] == "completed"]
    size = 0.02

    def zone(latitude: float, longitude: float) -> int:
        return int((latitude - 49.9) / size) * 100 + int((longitude - 7.9) / size)

    ends = {
        end: [zone(row[f"{end}_latitude"], row[f"{end}_longitude"]) for row in rows] for end in ("pickup", "dropoff")
    }
    columns = {
        name: pa.array([row[mine].astimezone(NEW_YORK).replace(tzinfo=None) for row in rows], pa.timestamp("us"))
        for name, mine in (
            ("request_datetime", "request_time"),
            ("on_scene_datetime", "recorded_arrive_time"),
            ("pickup_datetime", "recorded_pickup_time"),
            ("dropoff_datetime", "recorded_dropoff_time"),
        )
    }
    columns |= {"PULocationID": pa.array(ends["pickup"]), "DOLocationID": pa.array(ends["dropoff"])}
    columns |= {
        name: pa.array([row[mine] / scale for row in rows])
        for name, mine, scale in (
            ("trip_miles", "recorded_distance_m", 1609.344),
            ("base_passenger_fare", "recorded_fare_minor", 100),
            ("driver_pay", "recorded_pay_minor", 100),
            ("tips", "recorded_tip_minor", 100),
        )
    }
    month = tmp_path / "fhvhv_tripdata_2026-01.parquet"
    pq.write_table(pa.table(columns), month)
    known = sorted({*ends["pickup"], *ends["dropoff"]})
    centres = [f"{at},{49.9 + (at // 100 + 0.5) * size},{7.9 + (at % 100 + 0.5) * size},900" for at in known]
    (tmp_path / "zones.csv").write_text("LocationID,latitude,longitude,radius_m\n" + "\n".join(centres) + "\n", "utf-8")
    (tmp_path / "people.toml").write_text('name = "x"\n[couriers.shifts]\ncouriers = 24\nmean_hours = 12\n', "utf-8")
    arguments = ["calibrate", str(month), "--zones", str(tmp_path / "zones.csv"), "--policy", "city", "--json"]
    arguments += ["--behaviour", str(tmp_path / "people.toml"), "--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(app(), arguments)
    assert ran.exit_code == 0, ran.output
    errors = {row["quantity"]: row for row in json.loads(ran.stdout)["errors"]}
    assert errors.keys() == {"wait for the pickup", "trip", "fare", "pay", "pay an hour of trip"}
    # Trips are played as they were recorded; pay follows from them, by the same tariff.
    assert abs(errors["trip"]["error"]) < 0.01
    assert abs(errors["pay"]["error"]) < 0.15
    assert errors["wait for the pickup"]["recorded"] == len(rows)
