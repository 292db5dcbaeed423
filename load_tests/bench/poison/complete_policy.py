"""A policy that has every part that any preset has, so that each of its fields can be set to an extreme."""

from __future__ import annotations

from typing import Any

from dispatcher import policy
from dispatcher.errors import PolicyError
from gig.v1 import policy_pb2 as policy_pb
from load_tests.contract.rules import time_type


def complete_policy(base: policy_pb.Policy) -> policy_pb.Policy:
    """Return the base with parts of the presets added as long as the whole remains valid."""
    found = policy_pb.Policy()
    found.CopyFrom(base)
    found.privacy.coarsen_after.FromSeconds(90 * 86_400)
    found.privacy.expire_after.FromSeconds(365 * 86_400)
    found.surge.emergency_caps.add(zone="stadium", cap_percent=200, reason="a state of emergency")
    for preset in policy.presets():
        _add(found, found, policy.load(preset))
    return policy.checked(found)


def _add(whole: policy_pb.Policy, target: Any, source: Any) -> None:
    """Copy what the target lacks; undo each part with which the whole is not valid."""
    for field, value in source.ListFields():
        if field.containing_oneof is not None and target.WhichOneof(field.containing_oneof.name):
            continue
        if field.is_repeated:
            missing = not len(getattr(target, field.name))
        else:
            missing = field.has_presence and not target.HasField(field.name)
        if not missing:
            if field.message_type is not None and not field.is_repeated and not time_type(field):
                _add(whole, getattr(target, field.name), value)
            continue
        if field.is_repeated:
            getattr(target, field.name).extend(value)
        elif field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)
        try:
            policy.checked(whole)
        except PolicyError:
            target.ClearField(field.name)
