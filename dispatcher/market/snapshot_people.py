"""What a snapshot holds of people: ratings, accounts, clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dispatcher.market.accounts import Account, level_of
from dispatcher.market.clocks import Clock
from dispatcher.times import SECOND, micros, rounded_us, timestamp
from gig.v1 import job_pb2 as job_pb
from gig.v1 import snapshot_pb2 as pb
from ratings.book import Rated, Rater, RatingBook
from ratings.standing import Conduct, Level


def save_book(book: RatingBook) -> pb.RatingBook:
    return pb.RatingBook(
        rated=[
            pb.RatedPerson(
                person_id=person_id,
                weighted_sum=kept.weighted_sum,
                weight=kept.weight,
                ratings=kept.ratings,
                as_of_s=kept.as_of_s,
                excluded=kept.excluded,
            )
            for person_id, kept in sorted(book.rated.items())
        ],
        raters=[
            pb.Rater(person_id=person_id, residual_sum=rater.residual_sum, given=rater.given)
            for person_id, rater in sorted(book.raters.items())
        ],
        sum=book.total,
        count=book.count,
    )


def restore_book(saved: pb.RatingBook) -> RatingBook:
    return RatingBook(
        rated={
            kept.person_id: Rated(kept.weighted_sum, kept.weight, kept.ratings, kept.as_of_s, kept.excluded)
            for kept in saved.rated
        },
        raters={rater.person_id: Rater(rater.residual_sum, rater.given) for rater in saved.raters},
        total=saved.sum,
        count=saved.count,
    )


def save_given(rated: Mapping[tuple[str, int], tuple[int, int]]) -> list[pb.GivenRating]:
    return [
        pb.GivenRating(job_id=job_id, rater=job_pb.Actor.Name(side), stars=stars, time=timestamp(at_us))
        for (job_id, side), (stars, at_us) in rated.items()
    ]


def restore_given(saved: Iterable[pb.GivenRating]) -> dict[tuple[str, int], tuple[int, int]]:
    return {(kept.job_id, kept.rater): (kept.stars, micros(kept.time)) for kept in saved}


def save_account(person_id: str, account: Account) -> pb.PersonAccount:
    conduct = account.conduct
    return pb.PersonAccount(
        person_id=person_id,
        level=level_of(account.level),
        since=timestamp(account.since_us),
        change=account.change,
        decision_id=account.decision_id,
        contest_by=timestamp(account.contest_by_us),
        accepted=conduct.accepted,
        released=conduct.released,
        declined=conduct.declined,
        answered=conduct.answered,
        safety_reports=conduct.safety_reports,
        as_of=timestamp(rounded_us(conduct.as_of_s * SECOND)),
        ratings_judged=account.ratings_judged,
    )


def restore_account(saved: pb.PersonAccount) -> Account:
    conduct = Conduct(
        saved.accepted,
        saved.released,
        saved.declined,
        saved.answered,
        saved.safety_reports,
        micros(saved.as_of) / SECOND,
    )
    change = saved.change if saved.HasField("change") else None
    return Account(
        Level(saved.level),
        micros(saved.since),
        change,
        saved.decision_id,
        micros(saved.contest_by),
        conduct,
        saved.ratings_judged,
    )


def save_clock(courier_id: str, clock: Clock) -> pb.CourierClock:
    return pb.CourierClock(
        courier_id=courier_id,
        since=timestamp(clock.since_us),
        shift_us=clock.shift_us,
        period_start=timestamp(clock.period_us),
        engaged_us=clock.engaged_us,
        engaged_metres=clock.engaged_metres,
        earned_minor_units=clock.earned,
    )


def restore_clock(saved: pb.CourierClock) -> Clock:
    return Clock(
        micros(saved.since),
        list(saved.shift_us),
        micros(saved.period_start),
        saved.engaged_us,
        saved.engaged_metres,
        saved.earned_minor_units,
    )
