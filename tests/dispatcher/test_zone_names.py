"""Whatever name the zones let a queue have, an operator can ask for the queue by it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.validation import faults_of
from geo.geojson import LONGEST_NAME, zones_from_geojson
from geo.zones import ZoneError
from gig.v1 import oversight_service_pb2 as pb
from tests.geo.test_zones import collection, square

STRANGE = st.sampled_from("\x00\t\n\x7f\u200b\u200d\u202e\u2028\ufeff\ufffe\ud800\U0001f6eb\U000e0041é ")
NAMES = st.one_of(
    st.text(min_size=1, max_size=12),
    st.lists(st.characters() | STRANGE, min_size=1, max_size=6).map("".join),
    st.integers(1, LONGEST_NAME + 150).map(lambda length: "Ä" * length),
    st.integers(-(10**6), 10**6),
)


@given(NAMES)
def test_a_queue_whose_name_is_accepted_can_be_read_by_it(name: str | int) -> None:
    try:
        zones = zones_from_geojson(collection(square(1, 1, 1, name=name, rule="queue")))
    except ZoneError:
        return
    (zone,) = zones.zones
    assert faults_of(pb.GetQueueRequest(zone=zone.name)) == []
