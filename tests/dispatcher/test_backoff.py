"""A job is offered ever more rarely to couriers who decline it, by a back-off that the policy publishes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy, policy_document
from dispatcher.market import Market
from dispatcher.market.backoff import Exclusion, again, wait_us
from dispatcher.times import LONGEST_US, SECOND, micros, span
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import HERE, Bench

COURIERS = ("bo", "cy", "di")
# How couriers may turn an offer down.
WAYS = ("decline", "let pass", "give up")


def offers(reoffer_after: float | None = None, **backoff: float) -> policy_pb.OfferPolicy:
    """An offer policy as publication accepts it; absent parts are filled in."""
    chosen = policy.load("plain")
    chosen.offers.Clear()
    chosen.offers.time_to_answer.seconds = 2
    if reoffer_after is not None:
        chosen.offers.reoffer_after.FromMicroseconds(round(reoffer_after * SECOND))
    if "growth" in backoff:
        chosen.offers.backoff.growth = backoff["growth"]
    for name in ("least", "most"):
        if name in backoff:
            getattr(chosen.offers.backoff, name).FromMicroseconds(round(backoff[name] * SECOND))
    return policy.checked(chosen).offers


OFFERS = st.builds(
    offers,
    st.none() | st.floats(0, 86_400),
    growth=st.floats(1.5, 10),
    least=st.floats(1, 3_600),
    most=st.floats(60, 86_400),
)


class Decliners(Bench):
    """Three couriers at one place who turn every offer down, and rounds of two seconds."""

    def __init__(self, offers_: policy_pb.OfferPolicy) -> None:
        chosen = policy.load("plain")
        chosen.offers.CopyFrom(offers_)
        super().__init__(chosen)
        for name in COURIERS:
            self.online(name, HERE)
        self.place()

    def turned_down(self, seconds: int, way: str = "decline") -> dict[str, list[int]]:
        """Market times of the offers to each courier, who turns each of them down at once."""
        end = self.now + seconds * SECOND
        while self.now <= end:
            self.round()
            if self.job().offer_id:
                self._turn_down(way)
            self.wait(2)
        made = [event.offer_made.offer for event in self.log if event.HasField("offer_made")]
        return {name: [micros(offer.make_time) for offer in made if offer.courier_id == name] for name in COURIERS}

    def _turn_down(self, way: str) -> None:
        courier_id, offer_id = self.job().courier_id, self.job().offer_id
        if way == "let pass":
            self.wait(2)
            return
        self.answer(offer_id, courier_id, accept=way == "give up")
        if way == "give up":
            self.progress("FAILED", courier_id=courier_id)


@settings(max_examples=60, deadline=None)
@given(OFFERS, st.integers(1, 200))
def test_each_wait_is_longer_than_the_one_before_up_to_the_longest(rules, times) -> None:
    waits = [wait_us(rules, time) for time in range(1, times + 2)]
    longest = max(span(rules.backoff.most), span(rules.reoffer_after))
    assert waits[0] == span(rules.reoffer_after)
    for before, after in pairwise(waits):
        assert before < after <= longest or before == after == longest
    if len(waits) > 2:
        assert waits[1] >= min(span(rules.backoff.least), longest)
    assert waits[-1] <= LONGEST_US


@settings(max_examples=15, deadline=None)
@given(OFFERS, st.sampled_from(WAYS))
def test_the_time_between_offers_of_a_job_to_a_courier_is_the_published_wait(rules, way) -> None:
    for times in Decliners(rules).turned_down(120, way).values():
        for number, (before, after) in enumerate(pairwise(times), start=1):
            assert after - before >= wait_us(rules, number)


@pytest.mark.parametrize("reoffer_after", [None, 0.0, 1.0, 2.0, 5.0])
def test_three_couriers_who_all_decline_get_few_offers(reoffer_after) -> None:
    """Without growth they got 21 in 40 seconds."""
    found = Decliners(offers(reoffer_after)).turned_down(40)
    assert all(len(times) <= 4 for times in found.values())
    later = Decliners(offers(reoffer_after)).turned_down(1_000)
    assert all(len(times) <= 9 for times in later.values())


def test_the_job_goes_to_the_others_while_one_waits() -> None:
    bench = Decliners(offers(30.0))
    asked = []
    for _ in COURIERS:
        bench.round()
        asked.append(bench.job().courier_id)
        bench.answer(bench.job().offer_id, asked[-1], accept=False)
    assert sorted(asked) == sorted(COURIERS)


def test_other_jobs_are_offered_meanwhile() -> None:
    bench = Decliners(offers(86_400.0))
    bench.turned_down(10)
    bench.place("other")
    bench.round()
    assert bench.job("other").courier_id in COURIERS


def test_a_withdrawn_offer_does_not_count() -> None:
    bench = Decliners(offers(5.0))
    bench.round()
    courier_id = bench.job().courier_id
    bench.do(commands.GoOffline(courier_id=courier_id))
    assert not bench.market.state.exclusions


def test_every_published_policy_says_how_the_wait_grows() -> None:
    for name in policy.presets():
        paths = {row.path for row in policy_document.parameters(policy.load(name))}
        assert {"offers.backoff.growth", "offers.backoff.least", "offers.backoff.most"} <= paths
    public = policy_document.markdown(policy.load("plain"))
    assert "offered to them again after 5 min at the soonest. Each further time the wait is 2 times as long" in public


def test_a_policy_of_an_earlier_version_keeps_its_constant_wait() -> None:
    earlier = offers(7.0)
    earlier.ClearField("backoff")
    assert {wait_us(earlier, times) for times in range(1, 9)} == {7 * SECOND}


def test_the_count_is_in_the_snapshot_and_one_in_those_of_earlier_versions() -> None:
    bench = Decliners(offers(1.0))
    bench.turned_down(30)
    saved = bench.market.snapshot()
    assert [kept.times for kept in saved.exclusions] == [3, 3, 3]
    assert Market.restore(saved).state.exclusions == bench.market.state.exclusions
    for kept in saved.exclusions:
        kept.ClearField("times")
    assert {one.times for one in Market.restore(saved).state.exclusions["job"].values()} == {1}


def test_a_new_policy_counts_from_what_was_declined_before() -> None:
    rules = offers(1.0)
    before = Exclusion(0, 4)
    assert again(rules, before, 100) == Exclusion(100 + wait_us(rules, 5), 5)
