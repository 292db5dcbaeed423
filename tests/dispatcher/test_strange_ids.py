"""People and jobs whose ids look like parts of one another: nobody's action affects anybody else."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands
from dispatcher.deciders import deciders, set_deciders
from dispatcher.decisions.explain import explain
from dispatcher.decisions.index import decisions_of
from dispatcher.errors import DispatchError
from dispatcher.market import Market
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as pb
from services.auth.caller import Caller
from services.host.sessions import Sessions, Stream, _session_id
from tests.kit import Bench, call_by

# What the contract allows: letters, digits and . _ : @ -
IDS = ("corp", "corp:eve", "a", "a:b", "a.b", "1.2.x", "x", "a-b", "1", "b:1", "a@b", "corp:eve:1", "-", ":")
ids = st.sampled_from(IDS)


def served(clients: list[str]) -> Bench:
    """A finished job for each client, whose id is the job's too; all by one courier, whose id begins like theirs."""
    bench = Bench()
    bench.online("corp:eve")
    for client_id in clients:
        bench.serve(client_id, "corp:eve", client_id=client_id)
    return bench


def restarted(bench: Bench) -> None:
    bench.market = Market.restore(bench.market.snapshot())


def rate(bench: Bench, who: str, job_id: str, number: str) -> None:
    rating = rating_pb.Rating(job_id=job_id, rater=1, rater_id=who, stars=1, tags=["safety"])
    bench.do(commands.RateJob(request=call_by(who, number, method="RatingService/RateJob"), rating=rating))


def tip(bench: Bench, who: str, job_id: str, number: str) -> None:
    request = call_by(who, number, method="PayService/AddTip")
    bench.do(commands.AddTip(request=request, client_id=who, job_id=job_id, minor_units=100))


def cancel(bench: Bench, who: str, job_id: str, number: str) -> None:
    request = call_by(who, number, method="JobService/CancelJob")
    bench.do(commands.CancelJob(request=request, client_id=who, job_id=job_id))


def contest(bench: Bench, who: str, job_id: str, number: str) -> None:
    decision = next(
        explain(event, key.decision_id, key.person_id, bench.market.state.policy.standing)
        for event in bench.log
        for key in decisions_of(event)
        if key.job_id == job_id and key.kind == pb.DECISION_KIND_PRICE
    )
    request = call_by(who, number, method="TransparencyService/ContestDecision")
    bench.do(commands.ContestDecision(request=request, person_id=who, decision=decision, statement="too much"))


def erase(bench: Bench, who: str, _job_id: str, number: str) -> None:
    request = call_by(who, number, method="TransparencyService/EraseMyData")
    bench.do(commands.ErasePerson(request=request, person_id=who, pseudonym="erased-1"))


ACTS: tuple[Callable[[Bench, str, str, str], None], ...] = (rate, tip, cancel, contest, erase)


def about(bench: Bench, client_id: str) -> tuple[object, ...]:
    """What the market knows of a client and their job."""
    state = bench.market.state
    reviews = [review for review in state.reviews.values() if review.subject_id == client_id]
    given = {key: kept[0] for key, kept in state.rated.items() if key[0] == client_id}
    return state.jobs[client_id].SerializeToString(deterministic=True), len(reviews), given


@settings(max_examples=40, deadline=None)
@given(
    st.lists(ids.filter(lambda name: name != "corp:eve"), min_size=2, max_size=4, unique=True),
    st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3), st.integers(0, 3), ids), max_size=10),
)
def test_what_one_person_does_changes_nothing_of_another(clients, acts) -> None:
    bench = served(clients)
    done: set[tuple[object, str, str]] = set()
    for act, who, whose, number in acts:
        actor, owner = clients[who % len(clients)], clients[whose % len(clients)]
        before = {client_id: about(bench, client_id) for client_id in clients}
        length = len(bench.log)
        try:
            act(bench, actor, owner, number)
        except DispatchError:
            assert len(bench.log) == length
        restarted(bench)
        for client_id in clients:
            if client_id != actor:
                assert about(bench, client_id) == before[client_id]
        if (act, actor, number) in done:
            assert len(bench.log) == length
        if len(bench.log) > length:
            done.add((act, actor, number))


@settings(max_examples=40)
@given(st.lists(ids, max_size=4), ids)
def test_who_decided_is_exactly_who_is_named(names: list[str], other: str) -> None:
    for record in (pb.Review(), pb.Decision(), rating_pb.StandingChange()):
        set_deciders(record, names)
        assert deciders(record) == list(dict.fromkeys(names))
        assert (other in deciders(record)) == (other in names)
        record.ClearField("decided_by_ids")  # as an earlier version wrote it
        assert deciders(record) == list(dict.fromkeys(names))


@settings(max_examples=60)
@given(ids, st.sampled_from(("client", "courier", "operator")), ids, st.sampled_from(("client", "courier")))
def test_a_limit_counts_one_caller(one: str, role: str, other: str, another_role: str) -> None:
    same = Caller(role, one).principal == Caller(another_role, other).principal
    assert same == ((role, one) == (another_role, other))


@settings(max_examples=60)
@given(ids, ids)
def test_a_resume_token_is_its_couriers_alone(one: str, other: str) -> None:
    sessions = Sessions()
    token = sessions.open(one, "", Stream()).token
    session_id = _session_id(token, one)
    assert session_id
    assert (_session_id(token, other) is not None) == (one == other)
    earlier = f"1.{session_id}.{one}"
    assert (_session_id(earlier, other) == session_id) == (one == other)


@given(st.text(max_size=40), ids)
def test_what_is_no_resume_token_opens_a_new_session(text: str, courier_id: str) -> None:
    for token in (text, f"2.{text}", f"1.{text}"):
        found = _session_id(token, courier_id)
        assert found is None or found.isalnum()
