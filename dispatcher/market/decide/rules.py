"""An operator's commands: the policy and the zones."""

from __future__ import annotations

from dispatcher import commands
from dispatcher.errors import InvalidField, ZonesInvalid
from dispatcher.market.decide.drafts import Drafts
from dispatcher.market.limits import CAP_ENDS_WITHIN_US, CAP_STARTS_WITHIN_US, check_at_most
from dispatcher.market.state import MarketState
from dispatcher.market.travel import travel_model
from dispatcher.messages import copied
from dispatcher.policy_defaults import fill_in
from dispatcher.times import SECOND, micros, span, timestamp
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb

LONGEST_NOTICE_US = 366 * 86_400 * SECOND


def set_policy(state: MarketState, command: commands.SetPolicy, now_us: int, drafts: Drafts) -> str:
    """In force at once, or announced: no sooner than the notice that the present policy promises."""
    if state.policy.version and command.policy.currency_code != state.policy.currency_code:
        raise InvalidField("policy.currency_code", "a market keeps its currency; open another market")
    if state.policy.version:
        _check_caps(command.policy, now_us)
    travel_model(command.policy, state.networks)
    urgent = not state.policy.version or _differs_in_emergency_caps_alone(state.policy, command.policy)
    earliest_us = now_us if urgent else now_us + span(state.policy.notice_period)
    effective_us = max(earliest_us, now_us) if command.effective_us is None else command.effective_us
    if effective_us - now_us > LONGEST_NOTICE_US:
        raise InvalidField("effective_time", "lies more than a year ahead", "NOTICE_TOO_LONG")
    if effective_us < now_us:
        raise InvalidField("effective_time", "lies in the past", "PAST_EFFECT")
    if effective_us < earliest_us:
        notice = span(state.policy.notice_period) // SECOND
        raise InvalidField("effective_time", f"the policy in force promises a notice of {notice} s", "NOTICE_TOO_SHORT")
    if effective_us > now_us:
        drafts.add(
            policy_announced=events_pb.PolicyAnnounced(
                policy=command.policy, operator_id=command.operator_id, effective_time=timestamp(effective_us)
            )
        )
    else:
        enforce(state, command.policy, command.operator_id, drafts)
    return str(state.policy.version + 1)


def _check_caps(policy: policy_pb.Policy, now_us: int) -> None:
    """Raise InvalidField where an emergency cap begins or ends beyond its limit."""
    for index, cap in enumerate(policy.surge.emergency_caps):
        for name, within_us in (("start_time", CAP_STARTS_WITHIN_US), ("end_time", CAP_ENDS_WITHIN_US)):
            if cap.HasField(name):
                field = f"policy.surge.emergency_caps[{index}].{name}"
                check_at_most(field, micros(getattr(cap, name)), now_us + within_us, "CAP_TOO_FAR")


def _differs_in_emergency_caps_alone(present: policy_pb.Policy, wanted: policy_pb.Policy) -> bool:
    """An emergency does not wait for a notice period, and neither do defaults of a later version than ``present``."""
    before, with_caps = copied(present), copied(wanted)
    fill_in(before)
    fill_in(with_caps)
    with_caps.version = before.version
    del with_caps.surge.emergency_caps[:]
    with_caps.surge.emergency_caps.extend(before.surge.emergency_caps)
    return bool(with_caps == before)


def enforce(state: MarketState, chosen: policy_pb.Policy, operator_id: str, drafts: Drafts) -> None:
    """A policy comes into force, with the next version and with the defaults of this version of the software."""
    policy = copied(chosen)
    fill_in(policy)
    policy.version = state.policy.version + 1
    drafts.add(policy_set=events_pb.PolicySet(policy=policy, operator_id=operator_id))


def set_zones(state: MarketState, command: commands.SetZones, now_us: int, drafts: Drafts) -> str:  # noqa: ARG001
    try:
        zones = zones_from_geojson(command.geojson)
    except ZoneError as fault:
        raise ZonesInvalid(fault.sentences) from fault
    # The log keeps the document with its repairs, so that every later reading finds the same zones.
    drafts.add(zones_set=events_pb.ZonesSet(geojson=zones.document, operator_id=command.operator_id))
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
