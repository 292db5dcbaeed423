"""The policy as people write it: TOML presets and files, read into the Policy message, checked field by field."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from dispatcher.errors import PolicyError
from dispatcher.lost_contact import lost_contact
from dispatcher.policy_defaults import fill_in
from dispatcher.times import micros
from dispatcher.validation import Fault, faults_of
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb

DEFAULT = "plain"


def presets() -> list[str]:
    """Names of the policies that come with the project."""
    files = resources.files("dispatcher.policies").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load(name_or_path: str) -> policy_pb.Policy:
    """A preset by name, or a TOML file by path. Raises PolicyError that names the field and the fault."""
    if name_or_path in presets():
        text = _preset(name_or_path)
    else:
        try:
            text = Path(name_or_path).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as fault:
            raise PolicyError(
                f"cannot read the policy {name_or_path!r} ({fault}); presets are: {', '.join(presets())}"
            ) from fault
    return parse(text, name_or_path)


def parse(text: str, origin: str) -> policy_pb.Policy:
    """The Policy that a TOML text holds; its keys are the message's field names, durations are like "2s".

    ``extends = "plain"`` starts from a preset: tables are merged, everything else is replaced.
    """
    try:
        policy = json_format.ParseDict(_tables(text, origin), policy_pb.Policy())
    except PolicyError:
        raise
    # ValueError: no TOML, or a number with more digits than Python reads.
    except (ValueError, json_format.ParseError, RecursionError, OverflowError) as fault:
        raise PolicyError(f"{origin}: {fault}") from fault
    return checked(policy, origin)


def _tables(text: str, origin: str) -> dict[str, Any]:
    """The TOML's tables, on top of the preset's that it extends."""
    own = tomllib.loads(text)
    base = own.pop("extends", None)
    if base is None:
        return own
    if base not in presets():
        raise PolicyError(f"{origin}: extends: there is no preset {base!r}; presets are: {', '.join(presets())}")
    return _merged(_tables(_preset(base), base), own)


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    both = [key for key in own if isinstance(own[key], dict) and isinstance(base.get(key), dict)]
    return base | own | {key: _merged(base[key], own[key]) for key in both}


def _preset(name: str) -> str:
    return resources.files("dispatcher.policies").joinpath(f"{name}.toml").read_text("utf-8-sig")


def checked(policy: policy_pb.Policy, origin: str = "policy") -> policy_pb.Policy:
    """Return the policy itself, with defaults for what it must have and leaves out.

    Raises PolicyError that lists every fault, each with the path of its field.
    """
    fill_in(policy)
    faults = faults_of(policy)
    known = {field for field, _ in faults}
    faults += [fault for fault in _inconsistencies(policy) if fault[0] not in known]
    if faults:
        raise PolicyError.of(origin, faults)
    return policy


def _inconsistencies(policy: policy_pb.Policy) -> Iterator[Fault]:
    """Fields that are valid each on its own, and not together."""
    for check in (_speeds, _surge, _nudges, _standing, _sharing, _tariffs, _lost_contact):
        yield from check(policy)


def _speeds(policy: policy_pb.Policy) -> Iterator[Fault]:
    travel = policy.travel
    for name, line in (
        ("straight_line", travel.straight_line if travel.HasField("straight_line") else None),
        ("learned.straight_line", travel.learned.straight_line if travel.HasField("learned") else None),
    ):
        if line is not None and len(line.speeds_mps) not in (1, 24):
            yield f"travel.{name}.speeds_mps", "give 1 speed, or 24 by hour"


def _nudges(policy: policy_pb.Policy) -> Iterator[Fault]:
    if not policy.HasField("nudges"):
        return
    if not policy.HasField("surge"):
        yield "nudges", "they tell of surge, and the policy has none"
    for name in ("reach", "valid_for"):
        if not policy.nudges.HasField(name):
            yield f"nudges.{name}", "is required"


def _surge(policy: policy_pb.Policy) -> Iterator[Fault]:
    surge = policy.surge
    if not policy.HasField("surge"):
        return
    if policy.travel.HasField("planar"):
        yield "surge", "needs positions on the globe, and travel.planar has none"
    if surge.mode == job_pb.SURGE_MODE_ADDITIVE and not surge.additive_minor_units:
        yield "surge.additive_minor_units", "say what a multiplier of 200 % adds"
    for index, cap in enumerate(surge.emergency_caps):
        both = cap.HasField("start_time") and cap.HasField("end_time")
        if both and micros(cap.end_time) <= micros(cap.start_time):
            yield f"surge.emergency_caps[{index}].end_time", "must be after start_time"


def _standing(policy: policy_pb.Policy) -> Iterator[Fault]:
    names = [rule.name for rule in policy.standing.rules]
    if len(set(names)) != len(names):
        yield "standing.rules", "each rule needs a name of its own"
    for index, rule in enumerate(policy.standing.rules):
        declines = rule.cause == policy_pb.STANDING_CAUSE_DECLINED_SHARE_ABOVE
        if declines and not policy.standing.declines_may_count:
            yield (
                f"standing.rules[{index}].cause",
                "declining an offer is no cause for anything, unless standing.declines_may_count says so in public",
            )


def _sharing(policy: policy_pb.Policy) -> Iterator[Fault]:
    sharing = policy.matching.sharing
    if policy.matching.HasField("sharing") and sharing.jobs_per_courier < sharing.jobs_per_offer:
        yield "matching.sharing.jobs_per_courier", "must not be below jobs_per_offer"


def _lost_contact(policy: policy_pb.Policy) -> Iterator[Fault]:
    in_force = lost_contact(policy)
    if in_force.end_after_us < in_force.task_after_us:
        yield "jobs.lost_contact.end_after", "must not be shorter than task_after"


def _tariffs(policy: policy_pb.Policy) -> Iterator[Fault]:
    for name in ("fares", "pays"):
        kinds = [tariff.kind for tariff in getattr(policy, name)]
        if len(set(kinds)) != len(kinds):
            yield name, "must hold one tariff for each kind of job"
    if {tariff.kind for tariff in policy.fares} != {tariff.kind for tariff in policy.pays}:
        yield "pays", "each kind of job with a fare needs a pay, and the other way round"
