"""Rules may watch and ask; a named human alone restricts or ends. Reviews are work: claimed, reasoned, paid."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import decisions_of
from dispatcher.errors import InvalidField, NotFound, NotYours, PolicyError, WrongState
from dispatcher.log.invariants import violations
from dispatcher.market import Market
from dispatcher.market.standing_rules import rule_sentence
from dispatcher.measures import Measures
from dispatcher.measures.review_work import ReviewWork
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from ratings.standing import Level, StandingCause, StandingRule
from tests.kit import Bench

UPHELD, OVERTURNED = pb.REVIEW_OUTCOME_UPHELD, pb.REVIEW_OUTCOME_OVERTURNED
WATCH, RESTRICTED, ENDED = (
    policy_pb.STANDING_LEVEL_WATCH,
    policy_pb.STANDING_LEVEL_RESTRICTED,
    policy_pb.STANDING_LEVEL_ENDED,
)
REASON = "looked at every job and its circumstances"


def strict(second_opinions: int = 0, **rule: object) -> policy_pb.Policy:
    """A policy that asks a human after two ratings below 4.5, without any shrinkage to speak of."""
    chosen = policy.load("plain")
    chosen.ratings.prior_weight = 0.1
    chosen.ratings.leniency_weight = 0
    chosen.reviews.second_opinion_basis_points = second_opinions
    del chosen.standing.rules[:]
    rule.setdefault("cause", policy_pb.STANDING_CAUSE_SCORE_BELOW)
    rule.setdefault("level", policy_pb.STANDING_LEVEL_UNDER_REVIEW)
    chosen.standing.rules.add(name="strict", threshold=rule.pop("threshold", 4.5), min_count=2, **rule)
    return policy.checked(chosen)


def rated(bench: Bench, stars: int, count: int, start: int = 0, tags: tuple[str, ...] = ()) -> None:
    for number in range(start, start + count):
        bench.serve(f"job-{number}", trip_s=60.0)
        given = rating_pb.Rating(job_id=f"job-{number}", rater=1, rater_id="ann", stars=stars, tags=tags)
        bench.do(commands.RateJob(rating=given))
        bench.wait(0)


def level(bench: Bench, person_id: str = "bo") -> Level:
    return bench.market.state.account(person_id).level


def under_review(**more: object) -> tuple[Bench, pb.Review]:
    bench = Bench(strict(**more))
    bench.online()
    rated(bench, 1, 2)
    return bench, next(iter(bench.market.state.reviews.values()))


def decide(
    bench: Bench, review_id: str, reviewer: str = "ria", outcome: pb.ReviewOutcome = UPHELD, **more: object
) -> list[events_pb.Event]:
    bench.do(commands.ClaimReview(reviewer_id=reviewer, review_id=review_id))
    bench.wait(90)
    command = commands.DecideReview(
        reviewer_id=reviewer, review_id=review_id, outcome=outcome, reason=more.pop("reason", REASON), **more
    )
    return bench.do(command)


def test_a_rule_asks_a_human_and_nothing_else_follows_for_the_worker() -> None:
    bench, review = under_review()
    change = bench.market.state.account("bo").change
    assert level(bench) is Level.UNDER_REVIEW
    assert (change.rule, change.decided_by, change.count) == ("strict", "", 2)
    assert change.value < change.threshold == 4.5
    assert "rule 'strict'" in review.statement
    assert bench.courier_state() == "FREE"
    bench.serve("more")
    assert bench.state("more") == "COMPLETED"


def test_no_rule_can_restrict_or_end_an_account_neither_by_message_nor_by_code() -> None:
    for severe in (RESTRICTED, ENDED):
        chosen = policy.load("plain")
        chosen.standing.rules[0].level = severe
        with pytest.raises(PolicyError, match="level"):
            policy.checked(chosen)
    for severe in (Level.RESTRICTED, Level.ENDED, Level.GOOD):
        with pytest.raises(ValueError, match="only a human"):
            StandingRule("strict", StandingCause.SCORE_BELOW, 4.0, 1, severe)


def test_a_log_in_which_an_account_was_ended_without_a_human_is_not_sound() -> None:
    bench, _ = under_review()
    forged = events_pb.Event(sequence=bench.market.sequence + 1, time=bench.log[-1].time)
    forged.standing_changed.change.person_id = "bo"
    forged.standing_changed.change.after = ENDED
    forged.standing_changed.change.rule = "strict"
    assert not violations(bench.log)
    assert "without a human" in violations([*bench.log, forged])[0]


def test_declining_offers_is_no_cause_unless_the_policy_says_so_in_public() -> None:
    with pytest.raises(PolicyError, match="declines_may_count"):
        strict(cause=policy_pb.STANDING_CAUSE_DECLINED_SHARE_ABOVE, threshold=0.1)
    bench = Bench()
    bench.online()
    for number in range(40):
        bench.place(f"job-{number}")
        bench.round()
        bench.answer(bench.job(f"job-{number}").offer_id, accept=False)
        bench.do(commands.CancelJob(job_id=f"job-{number}", client_id="ann"))
    bench.wait(0)
    assert level(bench) is Level.GOOD
    assert bench.market.state.account("bo").conduct.declined == 0


def test_a_rule_that_holds_no_more_lets_go_of_an_account_that_it_noted() -> None:
    bench = Bench(strict(level=WATCH))
    bench.online()
    rated(bench, 1, 2)
    assert level(bench) is Level.WATCH
    rated(bench, 5, 40, start=2)
    assert level(bench) is Level.GOOD


def test_giving_up_accepted_jobs_is_counted_in_shares() -> None:
    bench = Bench(strict(cause=policy_pb.STANDING_CAUSE_RELEASED_SHARE_ABOVE, threshold=0.5, level=WATCH))
    bench.online()
    for number in range(3):
        bench.place(f"job-{number}")
        bench.round()
        bench.answer(bench.job(f"job-{number}").offer_id)
        bench.progress("FAILED", f"job-{number}")
        bench.do(commands.CancelJob(job_id=f"job-{number}", client_id="ann"))
        bench.wait(0)
    assert level(bench) is Level.WATCH
    assert "given up before the pickup" in rule_sentence(bench.market.state.account("bo").change)


def test_a_human_ends_an_account_in_writing_and_the_courier_goes_offline() -> None:
    bench, review = under_review()
    events = decide(bench, review.review_id, level=ENDED)
    assert level(bench) is Level.ENDED
    change = bench.market.state.account("bo").change
    assert (change.decided_by, change.reason, change.review_id) == ("ria", REASON, review.review_id)
    assert bench.courier_state() == "OFFLINE"
    assert any(event.HasField("courier_offline") for event in events)
    with pytest.raises(WrongState, match="account is ended"):
        bench.online()


def test_a_job_in_hand_is_finished_before_the_restriction_takes_the_courier_off() -> None:
    bench, review = under_review()
    bench.place("last")
    bench.round()
    bench.answer(bench.job("last").offer_id)
    bench.progress("PICKED_UP", "last")
    decide(bench, review.review_id, level=RESTRICTED)
    assert bench.courier_state() == "WITH_JOB"
    bench.progress("COMPLETED", "last")
    assert bench.courier_state() == "OFFLINE"
    assert bench.job("last").money.pay_minor_units > 0


def test_a_human_who_finds_no_fault_clears_the_account_and_rules_start_anew() -> None:
    bench, review = under_review()
    decide(bench, review.review_id, outcome=OVERTURNED)
    assert level(bench) is Level.GOOD
    rated(bench, 1, 1, start=10)
    assert level(bench) is Level.GOOD
    rated(bench, 1, 1, start=11)
    assert level(bench) is Level.UNDER_REVIEW


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("level", {"level": policy_pb.STANDING_LEVEL_UNSPECIFIED}),
        ("level", {"level": policy_pb.STANDING_LEVEL_UNDER_REVIEW}),
        ("level", {"level": ENDED, "outcome": OVERTURNED}),
        ("reason", {"level": WATCH, "reason": " " * 20}),
        ("compensation_minor_units", {"level": WATCH, "compensation_minor_units": 5}),
        ("compensation_minor_units", {"outcome": OVERTURNED, "compensation_minor_units": 50_001}),
    ],
)
def test_a_decision_that_does_not_fit_names_the_field(field, change) -> None:
    bench, review = under_review()
    with pytest.raises(InvalidField) as fault:
        decide(bench, review.review_id, **change)
    assert fault.value.field == field
    assert level(bench) is Level.UNDER_REVIEW


def test_nobody_decides_their_own_case_without_a_claim_or_after_it_lapsed() -> None:
    bench, review = under_review()
    with pytest.raises(NotYours, match="about themselves"):
        bench.do(commands.ClaimReview(reviewer_id="bo", review_id=review.review_id))
    unclaimed = commands.DecideReview(
        reviewer_id="ria", review_id=review.review_id, outcome=UPHELD, reason=REASON, level=WATCH
    )
    with pytest.raises(WrongState, match="claim the review first"):
        bench.do(unclaimed)
    bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review.review_id))
    with pytest.raises(WrongState, match="another reviewer"):
        bench.do(commands.ClaimReview(reviewer_id="sam", review_id=review.review_id))
    bench.wait(1801)
    with pytest.raises(WrongState, match="lapses"):
        bench.do(unclaimed)
    bench.do(commands.ClaimReview(reviewer_id="sam"))
    with pytest.raises(NotFound):
        bench.do(commands.ClaimReview(reviewer_id="tia"))


def test_an_answer_is_paid_by_the_piece_with_the_time_that_it_took() -> None:
    bench, review = under_review()
    given = decide(bench, review.review_id, level=WATCH)[0].review_opinion_given
    assert given.opinion.time_spent.seconds == 90
    legs = {(leg.account, leg.holder_id): leg.minor_units for leg in given.postings.legs}
    assert legs == {(types_pb2.ACCOUNT_REVIEWER, "ria"): 250, (types_pb2.ACCOUNT_PLATFORM, ""): -250}


def test_two_opinions_that_differ_ask_a_third_and_the_majority_decides() -> None:
    bench, review = under_review(second_opinions=10_000)
    decide(bench, review.review_id, "ria", level=ENDED)
    assert level(bench) is Level.UNDER_REVIEW
    with pytest.raises(WrongState, match="given their opinion"):
        bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review.review_id))
    decide(bench, review.review_id, "sam", outcome=OVERTURNED)
    assert level(bench) is Level.UNDER_REVIEW
    decide(bench, review.review_id, "tia", level=ENDED)
    assert level(bench) is Level.ENDED
    assert bench.market.state.account("bo").change.decided_by == "ria, tia"
    measures = Measures()
    for event in bench.log:
        measures.fold(event)
    assert (measures.reviews.decided, measures.reviews.opinions, measures.reviews.second_opinions) == (1, 3, 1)
    assert measures.decisions.totals()["standing/human"] == 1
    assert Measures.from_json(measures.to_json()).reviews == measures.reviews


def test_three_opinions_that_all_differ_end_with_the_mildest() -> None:
    bench, review = under_review(second_opinions=10_000)
    decide(bench, review.review_id, "ria", level=ENDED)
    decide(bench, review.review_id, "sam", level=RESTRICTED)
    decide(bench, review.review_id, "tia", outcome=OVERTURNED)
    assert level(bench) is Level.GOOD


def contest(bench: Bench, decision: pb.Decision, statement: str = "the kitchen was late", **more: object) -> str:
    command = commands.ContestDecision(person_id="bo", decision=decision, statement=statement, **more)
    return bench.do(command)[0].review_opened.review.review_id


def decision_of(bench: Bench, decision_id: str, person_id: str = "bo") -> pb.Decision:
    for event in reversed(bench.log):
        if any(key.decision_id == decision_id and key.person_id == person_id for key in decisions_of(event)):
            return explain(event, decision_id, person_id, bench.market.state.policy.standing)
    raise AssertionError(decision_id)


def test_a_contest_that_is_upheld_takes_the_rating_out_and_pays_what_it_cost() -> None:
    bench = Bench(policy.load("plain"))
    bench.online()
    rated(bench, 1, 1)
    rating = next(event.job_rated.rating for event in bench.log if event.HasField("job_rated"))
    review_id = contest(bench, decision_of(bench, rating.decision_id))
    review = bench.market.state.reviews[review_id]
    assert (review.answer_by_time.seconds - review.open_time.seconds) == 14 * 86_400
    events = decide(bench, review_id, outcome=OVERTURNED, compensation_minor_units=700)
    person = bench.market.state.ratings_of_couriers.rated["bo"]
    assert (person.ratings, person.excluded, person.weight) == (0, 1, 0.0)
    revised = next(event.rating_revised.rating for event in events if event.HasField("rating_revised"))
    state = bench.market.state
    assert revised.score_before < revised.score_after
    after = state.ratings_of_couriers.score("bo", bench.now / 1_000_000, state.score_rules)
    assert revised.score_after == pytest.approx(after)
    decided = next(event.review_decided for event in events if event.HasField("review_decided"))
    assert decided.review.answer == REASON
    assert [(leg.holder_id, leg.minor_units) for leg in decided.postings.legs] == [("bo", 700), ("", -700)]
    with pytest.raises(WrongState, match="looked at this decision"):
        contest(bench, decision_of(bench, rating.decision_id), contested_before=True)
    assert Market.fold(bench.log).snapshot() == bench.market.snapshot()


def test_a_contested_restriction_is_judged_by_somebody_else_and_undone() -> None:
    bench, review = under_review()
    decide(bench, review.review_id, level=RESTRICTED)
    decision_id = bench.market.state.account("bo").decision_id
    review_id = contest(bench, decision_of(bench, decision_id), "I was never late")
    with pytest.raises(NotYours, match="own decision"):
        bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review_id))
    decide(bench, review_id, "sam", outcome=OVERTURNED)
    assert level(bench) is Level.GOOD
    bench.online()


def test_overturning_an_old_decision_does_not_undo_a_later_one() -> None:
    bench, review = under_review()
    first = decision_of(bench, bench.market.state.account("bo").decision_id)
    decide(bench, review.review_id, level=WATCH)
    contested = contest(bench, decision_of(bench, bench.market.state.account("bo").decision_id))
    opened = commands.OpenReview(operator_id="olu", subject_id="bo", statement="a new complaint")
    again = bench.do(opened)[-1].review_opened.review.review_id
    decide(bench, again, "tia", level=ENDED)
    decide(bench, contested, "sam", outcome=OVERTURNED)
    assert level(bench) is Level.ENDED
    assert first.kind == pb.DECISION_KIND_STANDING


def test_who_revised_a_rating_does_not_judge_the_contest_of_it() -> None:
    bench = Bench()
    bench.online()
    rated(bench, 1, 1, tags=("safety",))
    decide(bench, next(iter(bench.market.state.reviews)), outcome=OVERTURNED)
    revised = next(event.rating_revised.rating for event in bench.log if event.HasField("rating_revised"))
    review_id = contest(bench, decision_of(bench, revised.decision_id))
    with pytest.raises(NotYours, match="own decision"):
        bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review_id))
    decide(bench, review_id, "sam", outcome=OVERTURNED)
    assert bench.market.state.ratings_of_couriers.rated["bo"].ratings == 0


def test_a_job_that_goes_back_because_of_a_humans_decision_is_not_the_couriers_fault() -> None:
    bench, review = under_review()
    bench.place("last")
    bench.round()
    bench.answer(bench.job("last").offer_id)
    events = decide(bench, review.review_id, level=ENDED)
    released = next(event.job_released for event in events if event.HasField("job_released"))
    assert released.fault == job_pb2.FAULT_PLATFORM
    assert bench.market.state.account("bo").conduct.released == 0


def test_contests_are_for_ones_own_decisions_while_the_time_for_them_lasts() -> None:
    bench, _ = under_review()
    own = decision_of(bench, bench.market.state.account("bo").decision_id)
    with pytest.raises(NotYours):
        bench.do(commands.ContestDecision(person_id="eve", decision=own, statement="no"))
    # A human is being asked already: what the courier has to say goes to that review.
    said = commands.ContestDecision(person_id="bo", decision=own, statement="the app froze twice")
    assert bench.do(said)[0].HasField("review_statement_added")
    assert len(bench.market.state.reviews) == 1
    assert next(iter(bench.market.state.reviews.values())).statement.endswith("the app froze twice")
    score = decision_of(bench, next(e.job_rated.rating.decision_id for e in bench.log if e.HasField("job_rated")))
    contest(bench, score)
    with pytest.raises(WrongState, match="looked at"):
        contest(bench, score)
    bench.wait(181 * 86_400)
    with pytest.raises(WrongState, match="over"):
        contest(bench, own)


def test_a_flagged_rating_counts_once_a_human_has_found_so() -> None:
    bench = Bench()
    bench.online()
    rated(bench, 1, 1, tags=("safety",))
    review = next(iter(bench.market.state.reviews.values()))
    assert review.kind == pb.REVIEW_KIND_RATING
    assert bench.market.state.ratings_of_couriers.rated["bo"].ratings == 0
    decide(bench, review.review_id, outcome=OVERTURNED)
    assert bench.market.state.ratings_of_couriers.rated["bo"].ratings == 1


def test_an_operator_may_ask_another_human_but_not_decide_alone() -> None:
    bench = Bench()
    bench.online()
    opened = commands.OpenReview(operator_id="olu", subject_id="bo", statement="a complaint by telephone")
    review_id = bench.do(opened)[-1].review_opened.review.review_id
    assert level(bench) is Level.UNDER_REVIEW
    with pytest.raises(NotYours, match="own decision"):
        bench.do(commands.ClaimReview(reviewer_id="olu", review_id=review_id))
    with pytest.raises(WrongState, match="waits already"):
        bench.do(opened)
    decide(bench, review_id, "sam", level=RESTRICTED)
    assert level(bench) is Level.RESTRICTED


def test_a_client_whose_account_is_ended_cannot_place() -> None:
    bench = Bench()
    opened = commands.OpenReview(operator_id="olu", subject_id="ann", statement="does not pay")
    decide(bench, bench.do(opened)[-1].review_opened.review.review_id, level=ENDED)
    with pytest.raises(WrongState, match="ended"):
        bench.place()


def test_kappa_is_that_of_a_worked_example() -> None:
    """Twenty pairs, as in Cohen's own form: 13 agree on one, 3 on the other."""
    work = ReviewWork()
    work.pairs.update({"a/a": 13, "a/b": 1, "b/a": 3, "b/b": 3})
    observed, expected = 16 / 20, (14 * 16 + 6 * 4) / 400
    assert work.kappa() == pytest.approx((observed - expected) / (1 - expected))
    assert ReviewWork().kappa() is None


def test_a_policy_with_notice_is_announced_and_comes_into_force_at_its_time() -> None:
    chosen = policy.load("colorado")
    bench = Bench(chosen)
    tomorrow = bench.now + 86_400_000_000
    early = commands.SetPolicy(policy=policy.load("fairwork"), operator_id="olu", effective_us=tomorrow)
    with pytest.raises(InvalidField, match="notice of 1209600 s"):
        bench.do(early)
    with pytest.raises(InvalidField, match="past"):
        bench.do(commands.SetPolicy(policy=chosen, operator_id="olu", effective_us=bench.now - 1))
    bench.do(commands.SetPolicy(policy=policy.load("fairwork"), operator_id="olu"))
    announced = bench.market.state.announced
    assert announced.policy.name == "fairwork"
    bench.wait(14 * 86_400 - 1)
    assert bench.market.state.policy.name == "colorado"
    bench.wait(1)
    assert (bench.market.state.policy.name, bench.market.state.policy.version) == ("fairwork", 2)
    assert bench.market.state.announced is None


def test_an_erased_person_has_nothing_under_way() -> None:
    bench, review = under_review()
    erase = commands.ErasePerson(person_id="bo", pseudonym="erased-1")
    with pytest.raises(WrongState, match="go offline"):
        bench.do(erase)
    bench.do(commands.GoOffline(courier_id="bo"))
    with pytest.raises(WrongState, match="waits for its answer"):
        bench.do(erase)
    decide(bench, review.review_id, level=WATCH)
    assert bench.do(erase)[0].person_erased.pseudonym == "erased-1"
    bench.place("live")
    with pytest.raises(WrongState, match="under way"):
        bench.do(commands.ErasePerson(person_id="ann", pseudonym="erased-2"))


def test_who_has_judged_is_not_erased_before_the_review_ends_and_so_cannot_judge_again() -> None:
    bench, review = under_review(second_opinions=10_000)
    bench.do(commands.OpenReview(operator_id="olu", subject_id="ann", statement="does not pay"))
    decide(bench, review.review_id, "ria", level=WATCH)
    for person in ("ria", "olu"):
        with pytest.raises(WrongState, match="of what you decided waits"):
            bench.do(commands.ErasePerson(person_id=person, pseudonym="erased-1"))
    decide(bench, review.review_id, "sam", level=WATCH)
    assert bench.do(commands.ErasePerson(person_id="ria", pseudonym="erased-1"))


def test_contract_levels_and_rule_levels_are_the_same_numbers() -> None:
    for kept in Level:
        assert policy_pb.StandingLevel.Value(f"STANDING_LEVEL_{kept.name}") == kept
