"""An operator's commands: the policy and the zones."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.errors import InvalidField
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.state import MarketState
from dispatcher.market.travel import travel_model
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb


def set_policy(state: MarketState, command: commands.SetPolicy, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    if state.policy.version and command.policy.currency_code != state.policy.currency_code:
        raise InvalidField("policy.currency_code", "a market keeps its currency; open another market")
    travel_model(command.policy, state.networks)
    policy = policy_pb.Policy()
    policy.CopyFrom(command.policy)
    policy.version = state.policy.version + 1
    drafts.add(policy_set=events_pb.PolicySet(policy=policy, operator_id=command.operator_id))
    return str(policy.version)


def set_zones(state: MarketState, command: commands.SetZones, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    try:
        zones = zones_from_geojson(command.geojson)
    except ZoneError as fault:
        raise InvalidField("geojson", str(fault), "ZONES_INVALID") from fault
    drafts.add(zones_set=events_pb.ZonesSet(geojson=command.geojson, operator_id=command.operator_id))
    return str(len(zones.zones))


def set_block(state: MarketState, command: commands.SetBlock, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    """Keep a client and a courier apart, or let them meet again; jobs in hand go on."""
    if command.blocked == (command.courier_id in state.blocked.get(command.client_id, ())):
        return command.courier_id
    drafts.add(
        pair_blocked=events_pb.PairBlocked(
            client_id=command.client_id,
            courier_id=command.courier_id,
            blocked=command.blocked,
            operator_id=command.operator_id,
            reason=command.reason,
        )
    )
    return command.courier_id
