"""`gig log check`, `audit` and pseudonymised exports, on logs made by the Market and harmed by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dispatcher import commands
from dispatcher.deciders import set_deciders
from dispatcher.log.audit import acts_of
from dispatcher.log.files import read_log, write_log
from dispatcher.log.invariants import violations
from dispatcher.log.journal import write_journal
from dispatcher.log.pseudonyms import KeyUnfit, Pseudonyms
from dispatcher.market import Market
from dispatcher.messages import copied
from dispatcher.pay.ledger_check import check_ledger
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from services.cli.main import app
from tests.kit import SECRET, Bench, call_by, spec

KEY = b"a key of sixteen"


def worked() -> Bench:
    """A day with a rating, a block, a review that humans decide, and a look at somebody's data."""
    bench = Bench()
    bench.online("bo-the-courier")
    request = call_by("ann-the-client", "place-1")
    bench.do(commands.PlaceJob(request=request, job_id="job", client_id="ann-the-client", spec=bench_spec()))
    bench.round()
    bench.answer(bench.job().offer_id, "bo-the-courier")
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.progress(step, "job", "bo-the-courier")
    rating = rating_pb.Rating(
        job_id="job", rater=1, rater_id="ann-the-client", stars=1, comment="rude words", tags=["safety"]
    )
    bench.do(commands.RateJob(rating=rating))
    bench.do(
        commands.SetBlock(
            client_id="ann-the-client", courier_id="bo-the-courier", blocked=True, operator_id="olu", reason="asked"
        )
    )
    review_id = next(iter(bench.market.state.reviews))
    bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review_id))
    bench.do(commands.DecideReview(reviewer_id="ria", review_id=review_id, outcome=1, reason="heard both sides"))
    bench.do(commands.OpenReview(operator_id="olu", subject_id="bo-the-courier", statement="a second complaint"))
    bench.do(
        commands.NoteAccess(
            reader_id="olu", role="operator", method="CourierService/GetCourier", subject_id="bo-the-courier"
        )
    )
    return bench


def bench_spec():
    made = spec()
    made.pickup.label = "the blue door"
    return made


def log_command(folder: Path, command: str, events: list[events_pb.Event], *options: str) -> Result:
    write_log(folder / "day.log", events)
    return CliRunner().invoke(app(), ["log", command, str(folder / "day.log"), *options])


PROMISES = [
    {"kind": "placed", "client_id": "ann-the-client", "request_id": "place-1", "job_id": "job"},
    {"kind": "progress", "courier_id": "bo-the-courier", "job_id": "job", "step": "PROGRESS_STEP_COMPLETED"},
]


def test_a_sound_log_that_keeps_its_promises_is_proved(tmp_path) -> None:
    write_journal(tmp_path / "journal", PROMISES)
    outcome = log_command(tmp_path, "check", worked().log, "--journal", str(tmp_path / "journal"), "--json")
    assert outcome.exit_code == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert (told["jobs"], told["acknowledged"], told["faults"], told["first_faults"]) == (1, 2, 0, [])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            {"kind": "placed", "client_id": "ann-the-client", "request_id": "place-1", "job_id": "other"},
            "not on the log",
        ),
        (PROMISES[0] | {"client_id": "ben"}, "not on the log"),
        ({"kind": "cancelled", "client_id": "ann-the-client", "job_id": "job"}, "cancellation"),
        ({"kind": "answered", "courier_id": "bo-the-courier", "offer_id": "none", "accepted": True}, "offer none"),
        (
            {"kind": "progress", "courier_id": "cleo", "job_id": "job", "step": "PROGRESS_STEP_ARRIVED"},
            "PROGRESS_STEP_ARRIVED",
        ),
    ],
)
def test_a_promise_that_the_log_does_not_keep_is_told(tmp_path, line, said) -> None:
    write_journal(tmp_path / "journal", [line])
    outcome = log_command(tmp_path, "check", worked().log, "--journal", str(tmp_path / "journal"))
    assert outcome.exit_code == 1
    assert said in outcome.stderr


def double(events: list[events_pb.Event]) -> None:
    """A request that became two jobs."""
    twin = events_pb.Event.FromString(next(e for e in events if e.HasField("job_placed")).SerializeToString())
    twin.job_placed.job.job_id = "twin"
    events.append(twin)


def unbalance(events: list[events_pb.Event]) -> None:
    next(e for e in events if e.HasField("job_completed")).job_completed.postings.legs[0].minor_units += 1


def answer_again(events: list[events_pb.Event]) -> None:
    answered = next(e for e in events if e.HasField("offer_answered"))
    events.append(events_pb.Event.FromString(answered.SerializeToString()))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (double, "one request became 2 jobs"),
        (unbalance, "not zero"),
        (answer_again, "is not open for this courier"),
    ],
)
def test_what_is_wrong_with_a_log_is_told_by_event(
    tmp_path, harm: Callable[[list[events_pb.Event]], None], said: str
) -> None:
    events = worked().log
    harm(events)
    for number, event in enumerate(events, start=1):
        event.sequence = number
    write_journal(tmp_path / "journal", PROMISES)
    outcome = log_command(tmp_path, "check", events, "--journal", str(tmp_path / "journal"))
    assert outcome.exit_code == 1
    assert said in outcome.stderr


def test_a_journal_that_is_none_is_told_with_its_line(tmp_path) -> None:
    (tmp_path / "journal").write_text('{"kind": "placed"}\n', "utf-8")
    outcome = log_command(tmp_path, "check", worked().log, "--journal", str(tmp_path / "journal"))
    assert outcome.exit_code == 2
    assert "journal:1: client_id must be a text" in outcome.stderr


def test_what_people_did_by_office_is_listed(tmp_path) -> None:
    outcome = log_command(tmp_path, "audit", worked().log, "--json")
    acts = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [(act["person_id"], act["did"]) for act in acts] == [
        ("olu", "kept apart: asked"),
        ("ria", "claimed a review"),
        ("ria", "gave an opinion: upheld"),
        ("olu", "set a standing: under_review"),
        ("olu", "asked for a review"),
        ("olu", "looked by CourierService/GetCourier"),
    ]
    assert "bo-the-courier" in log_command(tmp_path, "audit", worked().log, "--person", "olu").stdout


def test_announced_policies_and_each_human_of_a_decision_are_acts() -> None:
    announced = events_pb.Event()
    announced.policy_announced.operator_id = "olu"
    announced.policy_announced.policy.name = "dearer"
    decided = events_pb.Event()
    decided.standing_changed.change.person_id = "bo"
    decided.standing_changed.change.after = policy_pb.STANDING_LEVEL_WATCH
    set_deciders(decided.standing_changed.change, ["ria", "ria:tia"])
    blocked = events_pb.Event()
    blocked.pair_blocked.client_id, blocked.pair_blocked.courier_id = "a:b", "b"
    found = [act for event in (announced, decided, blocked) for act in acts_of(event)]
    assert [act.person_id for act in found] == ["olu", "ria", "ria:tia", ""]
    assert [act.about for act in found] == ["dearer", "bo", "bo", "a:b, b"]
    assert found[-1].people == ("a:b", "b")


def pseudonymised(bench: Bench, key: bytes = KEY) -> list[events_pb.Event]:
    names = Pseudonyms(key)
    return [names.rewrite(events_pb.Event.FromString(event.SerializeToString())) for event in bench.log]


def test_the_markets_secret_is_neither_shown_nor_in_a_pseudonymised_log(tmp_path) -> None:
    bench = worked()
    bench.take(bench.market.resuming(bench.now, secret=b"unused"))
    resumed = events_pb.Event(sequence=len(bench.log) + 1)
    resumed.market_resumed.secret = SECRET
    log = [*bench.log, resumed]
    shown = log_command(tmp_path, "show", log).stdout
    assert base64.b64encode(SECRET).decode() not in shown
    assert shown.count('"secret": "(removed)"') == 2
    names = Pseudonyms(KEY)
    rewritten = b"".join(names.rewrite(copied(event)).SerializeToString() for event in log)
    assert SECRET in b"".join(event.SerializeToString() for event in log)
    assert SECRET not in rewritten


def test_under_pseudonyms_nobody_is_named_nothing_is_quoted_and_all_adds_up() -> None:
    bench = worked()
    events = pseudonymised(bench)
    raw = b"".join(event.SerializeToString() for event in events)
    for word in (b"ann-the-client", b"bo-the-courier", b"olu", b"ria", b"rude words", b"blue door", b"heard both"):
        assert word not in raw
    assert violations(events) == []
    ledger, faults = check_ledger(events)
    assert faults == []
    assert ledger.accounts == check_ledger(bench.log)[0].accounts
    # Whoever replays it finds the same market under other names.
    assert len(Market.fold(events).state.couriers) == 1


def test_one_key_gives_one_name_to_one_person_and_another_key_another() -> None:
    bench = worked()
    once, again, other = pseudonymised(bench), pseudonymised(bench), pseudonymised(bench, b"another long key")
    assert once == again
    online = [next(e for e in events if e.HasField("courier_online")).courier_online for events in (once, other)]
    assert online[0].courier_id != online[1].courier_id
    offer = next(e for e in once if e.HasField("offer_made")).offer_made.offer
    assert offer.courier_id == online[0].courier_id


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 65])
def test_a_key_that_could_be_tried_out_is_refused(key) -> None:
    with pytest.raises(KeyUnfit, match="16 to 64 bytes"):
        Pseudonyms(key)


def test_an_export_reads_back_as_a_log(tmp_path) -> None:
    write_log(tmp_path / "p.log", pseudonymised(worked()))
    assert [event.sequence for event in read_log(tmp_path / "p.log")] == list(range(1, len(worked().log) + 1))
