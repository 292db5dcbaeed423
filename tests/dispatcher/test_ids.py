"""An identifier that the market makes names its market, and nothing else."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from unittest import mock

import pytest
from google.protobuf.message import Message

from dispatcher.decisions.index import decisions_of
from dispatcher.ids import TOKEN_BYTES, id_of_token, made_id, market_of
from dispatcher.log.files import read_log
from dispatcher.market import Market
from dispatcher.market.decide import reviews
from dispatcher.market.market import Event
from dispatcher.messages import parts
from dispatcher.pricing.tariff import BASIS_POINTS
from load_tests.bench import busy_market
from load_tests.bench.busy_market import BusyMarket
from services.rpc.requests import new_id
from tests.service.test_migrations import LOGS

MADE = frozenset(("offer_id", "nudge_id", "review_id", "decision_id", "price_decision_id", "surge_decision_id")) | {
    "not_offered_decision_id"
}
TOKEN = re.compile(r"[a-z2-7]{16}")


class Named(BusyMarket):
    """Its jobs have ids as the services make them."""

    def _request(self, job_id: str) -> busy_market.Act:
        return super()._request(made_id("busy", busy_market.SECRET, job_id, 0))


@cache
def busy(secret: bytes) -> tuple[Event, ...]:
    """Part of a day of a market: the same for every secret but for the identifiers. No review is drawn for a check."""
    with (
        mock.patch.object(busy_market, "SECRET", secret),
        mock.patch.object(reviews, "_draw", return_value=BASIS_POINTS),
    ):
        return tuple(Named(couriers=20, jobs_an_hour=400, hours=0.7).run())


def made_ids(record: Message) -> Iterator[tuple[str, str]]:
    """Field and value of every identifier that the market made, in a message and its parts."""
    for field, value in record.ListFields():
        if field.name in MADE:
            yield field.name, value
    for part in parts(record):
        yield from made_ids(part)


def all_ids(events: tuple[Event, ...]) -> dict[str, set[str]]:
    """Field -> its values; and the ids of decisions as people are shown them."""
    found: dict[str, set[str]] = {}
    for event in events:
        for name, value in made_ids(event):
            found.setdefault(name, set()).add(value)
        for key in decisions_of(event):
            found.setdefault("decision_id", set()).add(key.decision_id)
    return found


def test_every_id_is_the_market_and_a_token() -> None:
    found = all_ids(busy(b"one"))
    assert MADE - {"review_id"} <= set(found) <= MADE
    for value in set[str]().union(*found.values()):
        assert market_of(value) == "busy"
        assert TOKEN.fullmatch(value.removeprefix("busy-")), value
    assert TOKEN.fullmatch(new_id("busy").removeprefix("busy-"))


def test_no_id_says_when_it_was_made_or_what_it_belongs_to() -> None:
    """Tokens in the order in which they were made look drawn: as many rise as fall, and none begins like another."""
    found = dict.fromkeys(value for event in busy(b"one") for _, value in made_ids(event))
    tokens = [value.rpartition("-")[2] for value in found]
    assert len(tokens) > 300
    rising = sum(one < other for one, other in itertools.pairwise(tokens))
    assert abs(rising / (len(tokens) - 1) - 0.5) < 0.1
    assert max(len(shared(*pair)) for pair in itertools.pairwise(sorted(tokens))) < 8


def test_each_character_of_a_token_is_as_frequent_as_any_other() -> None:
    tokens = [made_id("m", b"secret", kind, sequence)[2:] for kind in ("offer", "review") for sequence in range(5000)]
    expected = len(tokens) / 32
    for place in zip(*tokens, strict=True):
        counts = Counter(place)
        assert len(counts) == 32
        # Six standard deviations.
        assert max(abs(count - expected) for count in counts.values()) < 6 * expected**0.5


def shared(one: str, other: str) -> str:
    return "".join(a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=True)))


def test_ids_of_another_secret_have_nothing_in_common_and_nothing_else_depends_on_it() -> None:
    """What the market decides, and in which order, does not follow from its ids."""
    one, other = busy(b"one"), busy(b"other")
    ids = [set[str]().union(*all_ids(events).values()) for events in (one, other)]
    assert not ids[0] & ids[1]
    assert len(one) == len(other)
    assert numbered(one) == numbered(other)


def numbered(events: tuple[Event, ...]) -> list[str]:
    """Events as text, with the number of its first mention in place of each identifier, and without the secret."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"id {len(numbers)}")

    text = [re.sub(r'secret: ".*"', "", str(event)) for event in events]
    return [re.sub(r"busy-[a-z2-7]{16}", number, each) for each in text]


@pytest.mark.parametrize("market_id", ["m", "a-b-c", "x" * 64])
def test_an_id_is_no_longer_than_the_contract_allows_and_names_its_market(market_id: str) -> None:
    for made in (made_id(market_id, b"secret", "offer", 2**63), id_of_token(market_id, bytes(TOKEN_BYTES))):
        assert len(made) <= 81
        assert market_of(made) == market_id
        assert re.fullmatch(r"[A-Za-z0-9._:@-]{1,128}", made)


def test_ids_differ_by_market_kind_sequence_index_and_secret() -> None:
    made = {
        made_id(market, secret, kind, sequence, index)
        for market in ("a", "b")
        for secret in (b"1", b"2")
        for kind in ("offer", "review", "off")
        for sequence in (1, 11, 111)
        for index in (0, 1, 11)
    }
    assert len(made) == 2 * 2 * 3 * 3 * 3


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_decisions_of_earlier_logs_keep_their_ids(path) -> None:
    events = list(read_log(path))
    Market.fold(events)
    keys = [key for event in events for key in decisions_of(event)]
    assert any(key.decision_id.startswith("price:") for key in keys)
    for key in keys:
        assert not TOKEN.fullmatch(key.decision_id.rpartition("-")[2])
        if key.decision_id.startswith("price:"):
            assert key.decision_id == f"price:{key.job_id}"
