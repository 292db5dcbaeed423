"""Every measure equals what a slow and obvious recomputation of the whole log finds."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from dispatcher.measures.catalogue import Reading
from dispatcher.measures.opinions import one_stars_to_cut
from dispatcher.messages import copied
from dispatcher.times import SECOND, micros, span, timestamp
from geo.cells import area_cell
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb
from ratings.book import RatingBook, ScoreRules
from tests.dispatcher.measures.conftest import values
from tests.dispatcher.measures.slowly import P1, P2, P2W, P3, Day

HOUR_US = 3600 * SECOND
ACCEPTED, DECLINED = courier_pb.OFFER_OUTCOME_ACCEPTED, courier_pb.OFFER_OUTCOME_DECLINED


def spent(day: Day) -> dict[str, list[int]]:
    """By courier: time in each phase."""
    found = {}
    for courier, work in day.work.items():
        phases = [0, 0, 0, 0]
        for start, end, phase, _, _ in work.segments():
            phases[phase] += end - start
        found[courier] = phases
    return found


def earnings(day: Day, since_us: int = 0, until_us: int = 2**62) -> dict[str, int]:
    """By courier, without tips."""
    rows = day.postings.execute(
        "SELECT holder, sum(amount) FROM leg"
        " WHERE account = 'COURIER' AND line <> 'TIP' AND at_us >= ? AND at_us < ? GROUP BY holder",
        (since_us, until_us),
    )
    return defaultdict(int, rows.fetchall())


def unpaid_before_pickup(day: Day) -> tuple[int, int]:
    """Waiting at pickups that no line pays, and ways for jobs that brought nothing."""
    paid = {job for (job,) in day.postings.execute("SELECT DISTINCT job FROM leg WHERE account = 'COURIER'")}
    free = {}
    for _, made in day.bodies("offer_made"):
        for offered in made.offer.jobs:
            free[offered.job_id] = span(offered.waiting.free) if offered.waiting.per_minute else None
    picked = {body.job_id for _, body in day.bodies("job_picked_up")}
    waited, driven = defaultdict(int), defaultdict(int)
    spells: dict[tuple[str, str], int] = defaultdict(int)
    for courier, work in day.work.items():
        for start, end, phase, job, _ in work.segments():
            if phase == P2W:
                waited[courier, job] += end - start
            elif phase == P2:
                driven[courier, job] += end - start
            spells[courier, job] += end - start
    ended = {body.job_id for kind in ("job_cancelled", "job_failed") for _, body in day.bodies(kind)}
    released = {(body.courier_id, body.job_id) for _, body in day.bodies("job_released")}
    waiting = cancelled = 0
    for courier, job in spells:
        if (courier, job) in released or (job in ended and job not in picked and job not in paid):
            waiting += waited[courier, job]
            cancelled += driven[courier, job]
        elif job in picked:
            wait = waited[courier, job]
            waiting += wait if free[job] is None else min(wait, free[job])
    return waiting, cancelled


def test_time_and_its_shares(day: Day, reading: Reading) -> None:
    phases = np.sum(list(spent(day).values()), axis=0)
    assert list(values(reading)["Courier time"].values()) == pytest.approx((phases / SECOND).tolist())
    assert values(reading)["Utilisation"]["all"] == pytest.approx(phases[P3] / phases.sum())
    waiting, cancelled = unpaid_before_pickup(day)
    found = values(reading)
    assert found["Displaced risk"] == pytest.approx(
        {"waiting at pickup": waiting / SECOND, "cancelled": cancelled / SECOND}
    )
    assert found["Unpaid share of time"]["all"] == pytest.approx((phases[P1] + waiting + cancelled) / phases.sum())
    commanded = sum(
        end - start
        for work in day.work.values()
        for start, end, phase, _, offered in work.segments()
        if phase == P1 and offered
    )
    unpaid = commanded + phases[P2] + waiting
    assert found["Hors-travail ratio"] == pytest.approx(unpaid / (commanded + phases[P2] + phases[P2W] + phases[P3]))


def test_utilisation_by_hour_of_the_day(day: Day, reading: Reading) -> None:
    rows = defaultdict(lambda: [0, 0, 0, 0])
    last_full_hour = day.end_us // HOUR_US * HOUR_US
    for work in day.work.values():
        for start, end, phase, _, _ in work.segments():
            for hour in range(start // HOUR_US, end // HOUR_US + 1):
                inside = min(end, (hour + 1) * HOUR_US, last_full_hour) - max(start, hour * HOUR_US)
                rows[hour % 24][phase] += max(inside, 0)
    expected = {f"{hour:02d}h": row[P3] / sum(row) for hour, row in rows.items() if sum(row)}
    found = values(reading)["Utilisation"]
    assert {name: value for name, value in found.items() if name != "all"} == pytest.approx(expected)
    assert len(expected) > 2


def test_spells_of_waiting_and_choice(day: Day, reading: Reading) -> None:
    lengths, with_offer, online = [], 0, 0
    for work in day.work.values():
        segments = work.segments()
        online += sum(end - start for start, end, _, _, _ in segments)
        with_offer += sum(end - start for start, end, _, _, offered in segments if offered)
        for spell_start, spell_end in work.online:
            free_since = None
            for start, end, phase, _, _ in (s for s in segments if spell_start <= s[0] < spell_end):
                if phase == P1:
                    free_since = start if free_since is None else free_since
                elif free_since is not None:
                    lengths.append(start - free_since)
                    free_since = None
                last = end
            if free_since is not None and last == spell_end and spell_end < day.end_us:
                lengths.append(spell_end - free_since)
    found = values(reading)
    assert found["Waiting for work"]["count"] == len(lengths)
    assert found["Waiting for work"]["mean"] == pytest.approx(np.mean(lengths) / SECOND)
    offers = len(day.bodies("offer_made"))
    assert found["Choice"] == pytest.approx(
        {"offers an hour": offers / (online / HOUR_US), "share with an offer": with_offer / online}
    )


def test_money_by_sql(day: Day, reading: Reading) -> None:
    database = day.postings
    ended = "body IN ('job_completed', 'job_cancelled', 'job_failed')"

    def total(where: str) -> int:
        return database.execute(f"SELECT coalesce(sum(amount), 0) FROM leg WHERE {where}").fetchone()[0]

    fares = -total(f"account = 'CLIENT' AND {ended}")
    tax, pay = total(f"account = 'TAX' AND {ended}"), total(f"account = 'COURIER' AND {ended}")
    found = values(reading)
    assert found["Take rate"]["all"] == pytest.approx((fares - tax - pay) / (fares - tax))
    lines = dict(
        database.execute("SELECT lower(line), sum(amount) FROM leg WHERE account = 'COURIER' GROUP BY line").fetchall()
    )
    assert reading.measures.money.pay == lines
    without_tips = sum(amount for line, amount in lines.items() if line != "tip")
    assert found["Floor top-up"] == pytest.approx(
        {"minor_units": lines["top_up"], "share": lines["top_up"] / without_tips}
    )
    by_job = database.execute(
        """SELECT -sum(amount) FILTER (WHERE account = 'CLIENT') - sum(amount) FILTER (WHERE account = 'TAX'),
                  sum(amount) FILTER (WHERE account = 'COURIER')
           FROM leg WHERE body = 'job_completed' GROUP BY sequence"""
    ).fetchall()
    rates = [(net - paid) / net for net, paid in by_job]
    assert found["Take rate"]["jobs count"] == len(rates)
    assert found["Take rate"]["jobs mean"] == pytest.approx(np.mean(rates))


def jobs_of(day: Day) -> dict[str, job_pb.Job]:
    return {body.job.job_id: body.job for _, body in day.bodies("job_placed")}


def test_surge_reaches_couriers_as_the_prices_say(day: Day, reading: Reading) -> None:
    jobs = jobs_of(day)
    charged = paid = 0
    for _, body in day.bodies("job_completed"):
        job = jobs[body.job_id]
        if job.HasField("surge"):
            charged += job.fare.total.minor_units - job.surge.base_fare_minor_units
            paid += job.pay.total.minor_units - job.surge.base_pay_minor_units
    assert charged > 0
    assert values(reading)["Surge pass-through"] == pytest.approx(paid / charged)


def completed_jobs(day: Day) -> list[tuple[job_pb.Job, float, int, int]]:
    """(job, minutes with it aboard, its courier's pay, pay without surge), its end_time that of its completion."""
    jobs, picked = jobs_of(day), {body.job_id: at for at, body in day.bodies("job_picked_up")}
    found = []
    for at, body in day.bodies("job_completed"):
        job = copied(jobs[body.job_id])
        pay = sum(leg.minor_units for leg in body.postings.legs if leg.account == types_pb.ACCOUNT_COURIER)
        base = job.surge.base_pay_minor_units if job.HasField("surge") else job.pay.total.minor_units
        job.end_time.CopyFrom(timestamp(at))
        found.append((job, (at - picked[body.job_id]) / (60 * SECOND), pay, base))
    return found


def half(job: job_pb.Job) -> str:
    # By the centre of the pickup's fine cell, as areas are.
    import h3

    from tests.dispatcher.measures.conftest import CENTRE

    latitude, _ = h3.cell_to_latlng(
        h3.latlng_to_cell(job.spec.pickup.position.latitude, job.spec.pickup.position.longitude, 9)
    )
    return "north" if latitude >= CENTRE[0] else "south"


def test_dispersion_and_coupling_of_pay(day: Day, reading: Reading) -> None:
    groups, rows = defaultdict(list), defaultdict(list)
    for job, minutes, pay, base in completed_jobs(day):
        km = job.trip_distance_metres / 1000
        size = job.trip_distance_metres.bit_length()
        group = job.spec.kind, half(job), micros(job.end_time) // HOUR_US, size
        groups[group].append((pay / km, pay / minutes))
        rows[job.spec.kind].append((minutes, km, base))
    squares, freedom = np.zeros(2), 0
    for members in groups.values():
        if len(members) > 1:
            matrix = np.array(members)
            squares += (((matrix / matrix.mean(axis=0)) - 1) ** 2).sum(axis=0)
            freedom += len(members) - 1
    found = values(reading)
    assert list(found["Price dispersion"].values()) == pytest.approx(np.sqrt(squares / freedom).tolist())
    for kind, name in ((types_pb.JOB_KIND_RIDE, "ride"), (types_pb.JOB_KIND_DELIVERY, "delivery")):
        minutes, km, base = np.array(rows[kind]).T
        design = np.column_stack([np.ones_like(minutes), minutes, km])
        fitted = design @ np.linalg.lstsq(design, base, rcond=None)[0]
        r2 = 1 - ((base - fitted) ** 2).sum() / ((base - base.mean()) ** 2).sum()
        assert found["Fare-pay coupling"][name] == pytest.approx(r2)


def test_earnings_and_their_inequality(day: Day, reading: Reading) -> None:
    phases, earned = spent(day), earnings(day)
    worked = {courier: sum(times) for courier, times in phases.items() if sum(times)}
    found = values(reading)
    online = [earned[courier] / time * HOUR_US for courier, time in worked.items()]
    assert found["Hourly earnings, online"]["count"] == len(online)
    assert found["Hourly earnings, online"]["mean"] == pytest.approx(np.mean(online))
    engaged = [earned[name] / sum(times[1:]) * HOUR_US for name, times in phases.items() if sum(times[1:])]
    assert found["Hourly earnings, engaged"]["mean"] == pytest.approx(np.mean(engaged))
    hourly = [earned[courier] / time * HOUR_US for courier, time in worked.items() if time >= HOUR_US]
    mean = np.mean(hourly)
    differences = sum(abs(x - y) for x, y in product(hourly, hourly))
    assert found["Inequality"]["gini"] == pytest.approx(differences / (2 * len(hourly) ** 2 * mean))
    theil = np.mean([x / mean * np.log(x / mean) if x else 0.0 for x in hourly])
    assert found["Inequality"]["theil"] == pytest.approx(theil)
    floor = reading.measures.terms.floor_per_hour
    assert found["Share below floor"]["gross"] == pytest.approx(np.mean([x < floor for x in hourly]))
    gaps = [earned[name] / sum(earned.values()) - time / sum(worked.values()) for name, time in worked.items()]
    assert found["Amortised fairness"] == pytest.approx({"max": max(map(abs, gaps)), "sd": np.std(gaps)})


def test_who_lost_by_the_new_policy(day: Day, reading: Reading) -> None:
    changed = [at for at, _ in day.bodies("policy_set")][1]
    before, after = earnings(day, 0, changed), earnings(day, changed)
    pairs = []
    for courier, work in day.work.items():
        segments = work.segments()
        first = sum(min(end, changed) - start for start, end, *_ in segments if start < changed)
        second = sum(end - max(start, changed) for start, end, *_ in segments if end > changed)
        if first >= HOUR_US // 2 and second >= HOUR_US // 2:
            pairs.append((before[courier] / first * HOUR_US, after[courier] / second * HOUR_US))
    old, new = np.array(pairs).T
    assert len(pairs) > 20
    assert values(reading)["Losers' share"] == pytest.approx(
        {"share": (new < old).mean(), "mean change": new.mean() - old.mean()}
    )


def distance_m(start: tuple[float, float], end: tuple[float, float]) -> float:
    north, east = np.radians(end[0] - start[0]), np.radians(end[1] - start[1])
    return float(6_371_008.8 * np.hypot(north, east * np.cos(np.radians(end[0]))))


def test_kilometres_loaded_and_empty(day: Day, reading: Reading) -> None:
    logged: dict[int, np.ndarray] = {}
    at: dict[int, tuple[float, float] | None] = {}
    names, busy, jobs, made = {}, set(), jobs_of(day), {}
    driven = defaultdict(float)
    for event in day.log:
        kind = event.WhichOneof("body")
        body = getattr(event, kind)
        if kind == "courier_online":
            names[body.courier_id] = number = body.courier_number
            logged[number] = np.array([body.latitude_e7, body.longitude_e7])
            at[number] = tuple(logged[number] / 1e7)
        elif kind == "round_settled":
            moves = zip(body.moved_latitude_e7_deltas, body.moved_longitude_e7_deltas, strict=True)
            for number, move in zip(np.cumsum(body.moved_number_deltas), moves, strict=True):
                logged[number] = logged[number] + move
                here = tuple(logged[number] / 1e7)
                if number not in busy:
                    if at[number] is not None:
                        driven["P1"] += distance_m(at[number], here)
                    at[number] = here
        elif kind == "offer_made":
            made[body.offer.jobs[0].job_id] = body.offer.pickup_distance_metres
        elif kind == "offer_answered" and body.outcome == ACCEPTED:
            busy.add(names[body.courier_id])
            at[names[body.courier_id]] = None
        elif kind == "job_picked_up":
            driven["P2"] += made[body.job_id]
        elif kind == "job_completed":
            number = names[body.courier_id]
            driven["P3"] += jobs[body.job_id].trip_distance_metres
            dropoff = jobs[body.job_id].spec.dropoff.position
            busy.discard(number)
            at[number] = (dropoff.latitude, dropoff.longitude)
        elif kind in ("job_released", "job_cancelled", "job_failed") and body.courier_id in names:
            busy.discard(names[body.courier_id])
    empty = driven["P1"] + driven["P2"]
    assert values(reading)["Deadhead share"] == pytest.approx(empty / (empty + driven["P3"]))
    cost = sum(
        reading.measures.terms.costs[record.vehicle] * record.metres / 1000
        for record in reading.measures.couriers.values()
    )
    hours = sum(map(sum, spent(day).values())) / HOUR_US
    assert sum(record.metres for record in reading.measures.couriers.values()) == pytest.approx(empty + driven["P3"])
    assert values(reading)["Net of cost"] == pytest.approx((sum(earnings(day).values()) - cost) / hours)


def test_offers_answers_and_what_they_showed(day: Day, reading: Reading) -> None:
    made = {body.offer.offer_id: (at, body.offer) for at, body in day.bodies("offer_made")}
    answered = day.bodies("offer_answered")
    names = {number: name.removeprefix("OFFER_OUTCOME_").lower() for name, number in courier_pb.OfferOutcome.items()}
    found = values(reading)
    outcomes = Counter(names[body.outcome] for _, body in answered)
    assert found["Offers"] == {name: outcomes[name] for name in ("accepted", "declined", "timed_out", "withdrawn")}
    used = [at - made[body.offer_id][0] for at, body in answered if body.outcome in (ACCEPTED, DECLINED)]
    assert found["Time to answer"]["used mean"] == pytest.approx(np.mean(used) / SECOND)
    assert found["Information at offer"] == 1.0


OF_A_COURIER = {"offer_made", "offer_answered", "job_completed", "courier_offline", "courier_online"}


def test_waits_after_declining_matched_by_place_and_hour(day: Day, reading: Reading) -> None:
    jobs, waits = jobs_of(day), {"declined": defaultdict(list), "completed": defaultdict(list)}
    offered = {body.offer.offer_id: body.offer for _, body in day.bodies("offer_made")}
    log = [(micros(event.time), event.WhichOneof("body"), event) for event in day.log]
    bodies = [(now, kind, getattr(event, kind)) for now, kind, event in log if kind in OF_A_COURIER]
    for courier, work in day.work.items():
        since: tuple[str, int, tuple[str, int]] | None = None
        for now, kind, body in bodies:
            whose = body.offer.courier_id if kind == "offer_made" else body.courier_id
            if whose != courier:
                continue
            # A courier who completes one job of several is not free.
            free = not any(a <= now < b for a, b, _, _ in work.phases)
            if kind == "offer_made":
                if since is not None and free:
                    waits[since[0]][since[2]].append((now - since[1]) / SECOND)
                since = None
            elif kind == "offer_answered" and body.outcome == DECLINED and free:
                at = jobs[offered[body.offer_id].jobs[0].job_id].spec.pickup.position
                since = "declined", now, (area_cell(at.latitude, at.longitude), now // HOUR_US % 24)
            elif kind == "job_completed" and free:
                at = jobs[body.job_id].spec.dropoff.position
                since = "completed", now, (area_cell(at.latitude, at.longitude), now // HOUR_US % 24)
            elif kind in ("courier_offline", "courier_online") or (
                kind == "offer_answered" and body.outcome == ACCEPTED
            ):
                since = None
    both = set(waits["declined"]) & set(waits["completed"])
    weights = {place: len(waits["declined"][place]) for place in both}
    gaps = {place: np.mean(waits["declined"][place]) - np.mean(waits["completed"][place]) for place in both}
    found = values(reading)["After declining"]
    flat = [wait for group in waits["completed"].values() for wait in group]
    assert found["after a job (mean)"] == pytest.approx(np.mean(flat))
    expected = sum(weights[place] * gaps[place] for place in both) / sum(weights.values())
    assert found["matched difference"] == pytest.approx(expected)


def test_decisions_by_kind_and_decider(day: Day, reading: Reading) -> None:
    expected: Counter[str] = Counter()
    quoted = {body.job.job_id for _, body in day.bodies("job_quoted")}
    expected["price/rule"] = len(quoted | jobs_of(day).keys())
    expected["offer/solver"] = len(day.bodies("offer_made"))
    expected["surge/rule"] = len(day.bodies("surge_updated"))
    for _, body in day.bodies("job_rated"):
        expected["exclusion/rule" if body.rating.cause else "score/rule"] += 1
    for _, body in day.bodies("rating_revised"):
        expected["exclusion/human" if body.rating.cause else "score/human"] += 1
    for _, body in day.bodies("standing_changed"):
        expected["standing/human" if body.change.decided_by else "standing/rule"] += 1
    for _, body in day.bodies("review_decided"):
        upheld = body.review.outcome == transparency_pb.REVIEW_OUTCOME_UPHELD
        if body.review.kind == transparency_pb.REVIEW_KIND_CONTEST:
            expected["contest/human"] += 1
        elif body.review.kind == transparency_pb.REVIEW_KIND_RATING and upheld:
            expected["exclusion/human"] += 1
    found = values(reading)
    assert found["Decisions"] == {name: count for name, count in expected.items() if count}
    kinds = {name.split("/")[0] for name in expected}
    for kind in kinds:
        total = sum(count for name, count in expected.items() if name.startswith(kind))
        assert found["Automation rate"][kind] == pytest.approx(1 - expected[f"{kind}/human"] / total)
    assert found["Explanation coverage"] == 1.0


def test_review_work_and_contests(day: Day, reading: Reading) -> None:
    opinions = [body.opinion for _, body in day.bodies("review_opinion_given")]
    seconds = sum(span(opinion.time_spent) for opinion in opinions) / SECOND
    pay = day.postings.execute("SELECT sum(amount) FROM leg WHERE account = 'REVIEWER'").fetchone()[0]
    found = values(reading)
    assert found["Review work"] == pytest.approx(
        {"answers": len(opinions), "seconds": seconds, "pay": pay, "pay an hour": pay / seconds * 3600}
    )
    decided = [body.review for _, body in day.bodies("review_decided")]
    contests = [review for review in decided if review.kind == transparency_pb.REVIEW_KIND_CONTEST]
    opened = [b.review for _, b in day.bodies("review_opened") if b.review.kind == transparency_pb.REVIEW_KIND_CONTEST]
    overturned = [review.outcome == transparency_pb.REVIEW_OUTCOME_OVERTURNED for review in contests]
    answers = [micros(review.decide_time) - micros(review.open_time) for review in contests]
    assert found["Reversal rate"] == pytest.approx(
        {
            "rate": np.mean(overturned),
            "pending": len(opened) - len(contests),
            "answer s (mean)": np.mean(answers) / SECOND,
        }
    )
    real = [
        all(span(o.time_spent) >= 10 * SECOND and len(o.reason) >= 15 for o in review.opinions) for review in decided
    ]
    assert found["Meaningful review"] == pytest.approx(np.mean(real))
    assert 0 < np.mean(real) < 1


def test_ratings_given_and_excluded(day: Day, reading: Reading) -> None:
    ratings = [body.rating for _, body in day.bodies("job_rated")]
    completed = len(day.bodies("job_completed"))
    found = values(reading)
    for side, actor in (("client", job_pb.ACTOR_CLIENT), ("courier", job_pb.ACTOR_COURIER)):
        given = sum(rating.rater == actor for rating in ratings)
        assert found["Ratings given"][side] == given
        assert found["Ratings given"][f"{side} share"] == pytest.approx(given / completed)
    stars = [rating.stars for rating in ratings if rating.rater == job_pb.ACTOR_CLIENT]
    shares = [stars.count(star) / len(stars) for star in range(1, 6)]
    entropy = -sum(share * np.log2(share) for share in shares if share)
    assert found["Rating inflation"] == pytest.approx(
        {"mean_stars": np.mean(stars), "five_star_share": shares[4], "entropy_bits": entropy}
    )
    names = {n: name.removeprefix("EXCLUSION_CAUSE_").lower() for name, n in policy_pb.ExclusionCause.items()}
    excluded = Counter(names[rating.cause] for rating in ratings if rating.cause)
    excluded += Counter(names[b.rating.cause] for _, b in day.bodies("rating_revised") if b.rating.cause)
    assert found["Excluded ratings"] == excluded
    leniencies = [rating.leniency for rating in ratings if not rating.cause]
    assert found["Rater leniency"]["sd"] == pytest.approx(np.std(leniencies))
    causes = (policy_pb.STANDING_CAUSE_SCORE_BELOW, policy_pb.STANDING_CAUSE_SAFETY_REPORTS)
    by_rule = [b.change for _, b in day.bodies("standing_changed") if not b.change.decided_by]
    bitten = sum(change.cause in causes for change in by_rule)
    assert bitten > 0
    assert found["Asymmetry"]["couriers"] == pytest.approx(bitten / len(stars))
    assert found["Asymmetry"]["clients"] == 0.0


def test_scores_with_and_without_correction(day: Day, reading: Reading) -> None:
    """Two books are kept: one as it was, one whose ratings count as many stars as were given."""
    policy = day.bodies("policy_set")[-1][1].policy.ratings
    rules = ScoreRules(span(policy.half_life) / SECOND, policy.prior_weight, policy.prior_mean, policy.market_weight)
    corrected, plain = RatingBook(), RatingBook()
    for at, event in sorted(
        [*day.bodies("job_rated"), *day.bodies("rating_revised")], key=lambda pair: (pair[0], pair[1].rating.job_id)
    ):
        rating = event.rating
        if rating.rater != job_pb.ACTOR_CLIENT:
            continue
        given_s, now_s = micros(rating.rate_time) / SECOND, at / SECOND
        for book, counts in ((corrected, rating.counted_stars), (plain, float(rating.stars))):
            if not hasattr(event, "review_id"):
                if not rating.cause:
                    _add(book, rating.rated_id, counts, now_s, rules)
            elif rating.cause:
                book.take_out(rating.rated_id, counts, given_s, rules)
            else:
                book.rated.setdefault(rating.rated_id, replace(_nobody(), as_of_s=given_s))
                book.put_back(rating.rated_id, counts, given_s, rules)
    measures, now_s = reading.measures, day.end_us / SECOND
    active = {name: record for name, record in measures.couriers.items() if record.ratings > 0}
    changes = []
    for name, record in active.items():
        change = corrected.score(name, now_s, rules) - plain.score(name, now_s, rules)
        changes.append(abs(change))
        assert measures.opinions.correction_of(record, measures.terms, day.end_us) == pytest.approx(change, abs=1e-6)
    found = values(reading)
    assert found["Rater leniency"]["score change"] == pytest.approx(np.mean(changes), abs=1e-6)
    thresholds = measures.terms.thresholds
    near = [any(abs(record.score - mark) <= 0.1 for mark in thresholds) for record in active.values()]
    assert found["Rating pressure"] == pytest.approx(np.mean(near))


def _add(book: RatingBook, person: str, counts: float, at_s: float, rules: ScoreRules) -> None:
    """A rating that counts so much, whoever gave it."""
    book.rated.setdefault(person, replace(_nobody(), as_of_s=at_s))
    book.put_back(person, counts, at_s, rules)


def _nobody():
    from ratings.book import Rated

    return Rated()


def test_one_star_ratings_to_the_cut_by_trying(day: Day, reading: Reading) -> None:
    measures = reading.measures
    cuts = []
    for record in measures.couriers.values():
        if record.ratings <= 0:
            continue
        aged = 0.5 ** ((day.end_us - record.rated_us) / SECOND / measures.terms.half_life_s)
        weight = measures.terms.prior_weight + record.weight * aged
        tries = 0
        while (record.score * weight + tries) / (weight + tries) >= measures.terms.cut:
            tries += 1
        cuts.append(tries)
        assert one_stars_to_cut(record, measures.terms, day.end_us) == tries
    found = values(reading)["Threshold fragility"]
    assert found == {"median": np.median(cuts), "lowest tenth": np.quantile(cuts, 0.1, method="lower")}


def test_nudges_and_what_was_earned_after_them(day: Day, reading: Reading) -> None:
    names = {n: name.removeprefix("NUDGE_OUTCOME_").lower() for name, n in courier_pb.NudgeOutcome.items()}
    closed = [(at, body.courier_id, names[body.outcome]) for at, body in day.bodies("nudge_closed")]
    found = values(reading)["Nudges"]
    for name in ("followed", "not_followed"):
        over = [(at, who) for at, who, outcome in closed if outcome == name and at + HOUR_US // 2 <= day.end_us]
        gains = [earnings(day, at, at + HOUR_US // 2)[who] for at, who in over]
        assert found[f"earned after, {name}"] == pytest.approx(np.mean(gains))
    outcomes = Counter(outcome for _, _, outcome in closed)
    assert found["followed share"] == pytest.approx(
        outcomes["followed"] / (outcomes["followed"] + outcomes["not_followed"])
    )


def test_offers_of_the_best_scored(day: Day, reading: Reading) -> None:
    phases = spent(day)
    offers = Counter(body.offer.courier_id for _, body in day.bodies("offer_made"))
    scored = {name: r.score for name, r in reading.measures.couriers.items() if r.score}
    best = sorted(scored, key=lambda name: -scored[name])[: len(scored) // 10]
    time = {name: sum(phases[name]) for name in scored}
    assert values(reading)["Steering spread"] == pytest.approx(
        {
            "offers": sum(offers[name] for name in best) / sum(offers[name] for name in scored),
            "online time": sum(time[name] for name in best) / sum(time.values()),
        }
    )


def test_areas(day: Day, reading: Reading) -> None:
    jobs, picked = jobs_of(day), {body.job_id: at for at, body in day.bodies("job_picked_up")}
    placed = Counter(half(job) for job in jobs.values())
    cancelled = Counter(half(jobs[b.job_id]) for _, b in day.bodies("job_cancelled") if b.job_id in jobs)
    waits, stars = defaultdict(list), defaultdict(list)
    for job_id, at in picked.items():
        waits[half(jobs[job_id])].append((at - micros(jobs[job_id].place_time)) / SECOND)
    for _, body in day.bodies("job_rated"):
        if body.rating.rater == job_pb.ACTOR_CLIENT:
            stars[half(jobs[body.rating.job_id])].append(body.rating.stars)
    found = values(reading)["Area disparity"]

    def ratio(by_area: dict[str, float]) -> float:
        return max(by_area.values()) / min(by_area.values())

    assert found["wait"] == pytest.approx(ratio({name: float(np.mean(w)) for name, w in waits.items()}))
    assert found["score"] == pytest.approx(ratio({name: float(np.mean(s)) for name, s in stars.items()}))
    assert found["cancelled"] == pytest.approx(ratio({name: cancelled[name] / placed[name] for name in placed}))
    paid, engaged = defaultdict(int), defaultdict(int)
    for job, _, pay, _ in completed_jobs(day):
        paid[half(job)] += pay
    # Of those who brought it to its end: from the last acceptance on.
    accepted = {job: at for at, b in day.bodies("offer_answered") if b.outcome == ACCEPTED for job in b.job_ids}
    for at, body in day.bodies("job_completed"):
        engaged[half(jobs[body.job_id])] += at - accepted[body.job_id]
    assert found["hourly_earnings"] == pytest.approx(ratio({name: paid[name] / engaged[name] for name in paid}))


def test_data_harvested(day: Day, reading: Reading) -> None:
    points = [(at, len(body.moved_number_deltas)) for at, body in day.bodies("round_settled")]
    completed, count = len(day.bodies("job_completed")), sum(n for _, n in points)
    age = sum(n * (day.end_us - at) for at, n in points) / count / SECOND
    assert values(reading)["Data harvested"] == pytest.approx(
        {
            "points a job": count / completed,
            "events a job": len(day.log) / completed,
            "points' mean age": age,
            "oldest": (day.end_us - micros(day.log[0].time)) / SECOND,
        }
    )
