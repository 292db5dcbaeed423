"""Erasure replaces a name wherever the contract names people, and nowhere else; the rest of the log stays as it was."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor

from dispatcher import commands
from dispatcher.log.invariants import violations
from dispatcher.market import Market
from dispatcher.pay.ledger_check import check_ledger
from dispatcher.redaction import HOLDS_WORDS, NAMES_NO_ONE, NAMES_PEOPLE, Erased, redacted
from gig.v1 import events_pb2 as events_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from tests.kit import Bench, call_by


# Strings of the contract that name no person: words, other things' ids, places, formats.
def worked(courier: str, client: str) -> Bench:
    bench = Bench()
    bench.online(courier)
    bench.online("another", (40.79, -73.95))
    bench.serve("job", courier, client_id=client)
    given = rating_pb.Rating(job_id="job", rater=1, rater_id=client, stars=1, comment="rude", tags=["safety"])
    bench.do(commands.RateJob(request=call_by(client, "r", method="RatingService/RateJob"), rating=given))
    bench.do(commands.SetBlock(client_id=client, courier_id=courier, blocked=True, operator_id="olu", reason="asked"))
    review_id = next(iter(bench.market.state.reviews))
    bench.do(commands.ClaimReview(reviewer_id="ria", review_id=review_id))
    bench.do(commands.DecideReview(reviewer_id="ria", review_id=review_id, outcome=1, reason="heard both sides"))
    bench.do(commands.GoOffline(courier_id=courier))
    return bench


def without(bench: Bench, person: str, pseudonym: str) -> list[events_pb.Event]:
    erased = Erased(person, pseudonym, frozenset({"job"}))
    return [redacted(events_pb.Event.FromString(event.SerializeToString()), erased) for event in bench.log]


def test_no_record_of_the_log_names_the_person_and_the_fold_is_the_same_but_for_the_name() -> None:
    bench = worked("bo-the-courier", "ann-the-client")
    events = without(bench, "bo-the-courier", "erased-1")
    assert not any(b"bo-the-courier" in event.SerializeToString() for event in events)
    assert violations(events) == []
    ledger, faults = check_ledger(events)
    assert faults == []
    assert ledger.accounts == check_ledger(bench.log)[0].accounts
    folded = Market.fold(events)
    renamed = bench.market.snapshot()
    redacted(renamed, Erased("bo-the-courier", "erased-1", frozenset({"job"})))
    assert folded.snapshot() == renamed
    assert folded.state.ratings_of_couriers.rated["erased-1"].excluded == 1


def test_a_clients_words_go_with_the_name() -> None:
    events = without(worked("bo", "ann-the-client"), "ann-the-client", "erased-2")
    assert not any(b"ann-the-client" in event.SerializeToString() for event in events)
    assert not any(b"rude" in event.SerializeToString() for event in events)


def test_a_name_that_stands_elsewhere_by_chance_is_left_there() -> None:
    """Somebody may be called like a currency, a policy, a market, a zone."""
    for name in ("USD", "plain", "test", "olu"):
        bench = worked(name, "ann") if name != "olu" else worked("bo", "ann")
        events = without(bench, name, "erased-3")
        first = Market.fold(events[:2]).state
        assert (first.market_id, first.policy.name, first.policy.currency_code) == ("test", "plain", "USD")
        assert violations(events) == []


def strings(descriptor: Descriptor, seen: set[str], found: set[str]) -> set[str]:
    if descriptor.full_name in seen or descriptor.full_name.startswith("google."):
        return found
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if field.message_type is not None:
            strings(field.message_type, seen, found)
        elif field.type == field.TYPE_STRING:
            found.add(field.name)
    return found


def test_every_string_of_log_and_snapshot_is_known_to_name_people_or_not() -> None:
    seen: set[str] = set()
    found = strings(events_pb.Event.DESCRIPTOR, seen, set())
    found |= strings(snapshot_pb.MarketSnapshot.DESCRIPTOR, seen, set())
    assert found == NAMES_PEOPLE | HOLDS_WORDS | NAMES_NO_ONE
    assert len(found) == len(NAMES_PEOPLE) + len(HOLDS_WORDS) + len(NAMES_NO_ONE)
