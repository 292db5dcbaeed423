"""What people get to see of others in their own records: nothing that names them, or their door."""

from __future__ import annotations

from dispatcher.decisions.privacy import job_for_courier, offer_for_courier
from tests.kit import Bench


def test_a_couriers_copy_of_a_job_names_neither_the_client_nor_the_door() -> None:
    bench = Bench()
    bench.place(pickup=(40.7512345, -73.9812345))
    job = bench.job()
    job.spec.pickup.label = "Ann's, third floor"
    copy = job_for_courier(job)
    assert (copy.client_id, copy.spec.pickup.label) == ("", "")
    assert (copy.spec.pickup.position.latitude, copy.spec.pickup.position.longitude) == (40.751, -73.981)
    assert copy.fare == job.fare
    assert job.spec.pickup.label == "Ann's, third floor"


def test_an_offer_names_no_other_courier_and_keeps_their_costs() -> None:
    bench = Bench()
    bench.online("near")
    bench.online("other", (40.752, -73.982))
    bench.place()
    bench.round()
    offer = next(iter(bench.market.state.offers.values()))
    shown = offer_for_courier(offer)
    assert [other.courier_id for other in offer.reason.alternatives] == ["other"]
    assert [other.courier_id for other in shown.reason.alternatives] == ["another courier (1)"]
    assert shown.reason.alternatives[0].terms == offer.reason.alternatives[0].terms
