"""A job that a free courier can take is offered, however long it has waited and whatever the policy's weights are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import policy
from dispatcher.errors import PolicyError
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import HERE, Bench

WEIGHTS = [field.name for field in policy_pb.CostWeights.DESCRIPTOR.fields]
NEAR = (40.751, -73.981)


def weighted(name: str = "plain", **weights: float) -> policy_pb.Policy:
    """The preset with these weights, and jobs that wait for a week before they expire."""
    chosen = policy.load(name)
    chosen.jobs.max_wait.seconds = 7 * 86_400
    for weight, value in weights.items():
        setattr(chosen.matching.weights, weight, value)
    return policy.checked(chosen)


def test_a_job_of_900_seconds_is_offered_where_lateness_outweighs_age() -> None:
    bench = Bench(weighted(lateness=2.0, job_age=1.0, unmatched=600.0))
    bench.place(pickup=HERE)
    bench.wait(900)
    bench.online("bo", NEAR)
    bench.round()
    assert bench.state() == "OFFERED"


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["plain", "shared", "cargo-pooled"]),
    weights=st.dictionaries(st.sampled_from(WEIGHTS), st.sampled_from([0.0, 1.0, 1000.0]) | st.floats(0, 1000)),
    waited_s=st.sampled_from([0, 900, 40_000, 500_000]),
)
def test_every_accepted_policy_offers_a_job_to_the_free_courier_beside_it(name, weights, waited_s) -> None:
    try:
        chosen = weighted(name, **weights)
    except PolicyError:
        return
    chosen.matching.ClearField("promise")
    bench = Bench(chosen)
    bench.place()
    bench.wait(waited_s)
    bench.online("bo", NEAR)
    bench.round()
    assert bench.state() == "OFFERED"
