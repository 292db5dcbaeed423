"""The policy as people write it: TOML presets and files, read into the Policy message, checked field by field."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import protovalidate
from google.protobuf import json_format

from dispatcher.errors import PolicyError
from dispatcher.times import micros
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb

DEFAULT = "plain"
DAY_S = 86_400


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
            text = Path(name_or_path).read_text("utf-8")
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
    except (tomllib.TOMLDecodeError, json_format.ParseError, RecursionError, OverflowError) as fault:
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
    return resources.files("dispatcher.policies").joinpath(f"{name}.toml").read_text("utf-8")


def checked(policy: policy_pb.Policy, origin: str = "policy") -> policy_pb.Policy:
    """The policy itself, if it can govern a market; what it must have and leaves out is filled in."""
    _fill_in(policy)
    try:
        protovalidate.validate(policy)
    except protovalidate.ValidationError as fault:
        faults = "; ".join(f"{field_path(violation)}: {violation.proto.message}" for violation in fault.violations)
        raise PolicyError(f"{origin}: {faults}") from fault
    _check_speeds(policy, origin)
    _check_surge(policy, origin)
    _check_nudges(policy, origin)
    _check_standing(policy, origin)
    sharing = policy.matching.sharing
    if policy.matching.HasField("sharing") and sharing.jobs_per_courier < sharing.jobs_per_offer:
        raise PolicyError(f"{origin}: matching.sharing.jobs_per_courier: must not be below jobs_per_offer")
    for name in ("fares", "pays"):
        kinds = [tariff.kind for tariff in getattr(policy, name)]
        if len(set(kinds)) != len(kinds):
            raise PolicyError(f"{origin}: {name}: one tariff a kind of job")
    if {tariff.kind for tariff in policy.fares} != {tariff.kind for tariff in policy.pays}:
        raise PolicyError(f"{origin}: pays: each kind of job with a fare needs a pay, and the other way round")
    return policy


def _check_speeds(policy: policy_pb.Policy, origin: str) -> None:
    travel = policy.travel
    for name, line in (
        ("straight_line", travel.straight_line if travel.HasField("straight_line") else None),
        ("learned.straight_line", travel.learned.straight_line if travel.HasField("learned") else None),
    ):
        if line is not None and len(line.speeds_mps) not in (1, 24):
            raise PolicyError(f"{origin}: travel.{name}.speeds_mps: give 1 speed, or 24 by hour")


def _fill_in(policy: policy_pb.Policy) -> None:
    """People can contest, and are answered, under every policy: two weeks, as Directive (EU) 2024/2831, article 11, has
    it; and half a year to contest."""
    if not policy.reviews.HasField("answer_within"):
        policy.reviews.answer_within.seconds = 14 * DAY_S
    if not policy.reviews.HasField("claim_limit"):
        policy.reviews.claim_limit.seconds = 15 * 60
    if not policy.standing.HasField("contest_within"):
        policy.standing.contest_within.seconds = 180 * DAY_S


def _check_nudges(policy: policy_pb.Policy, origin: str) -> None:
    if not policy.HasField("nudges"):
        return
    if not policy.HasField("surge"):
        raise PolicyError(f"{origin}: nudges: they tell of surge, and the policy has none")
    for name in ("reach", "valid_for"):
        if not policy.nudges.HasField(name):
            raise PolicyError(f"{origin}: nudges.{name}: say how long")


def _check_surge(policy: policy_pb.Policy, origin: str) -> None:
    surge = policy.surge
    if not policy.HasField("surge"):
        return
    if policy.travel.HasField("planar"):
        raise PolicyError(f"{origin}: surge: needs positions on the globe, and travel.planar has none")
    if surge.mode == job_pb.SURGE_MODE_ADDITIVE and not surge.additive_minor_units:
        raise PolicyError(f"{origin}: surge.additive_minor_units: say what a multiplier of 200 % adds")
    for index, cap in enumerate(surge.emergency_caps):
        both = cap.HasField("start_time") and cap.HasField("end_time")
        if both and micros(cap.end_time) <= micros(cap.start_time):
            raise PolicyError(f"{origin}: surge.emergency_caps[{index}].end_time: must be after start_time")


def _check_standing(policy: policy_pb.Policy, origin: str) -> None:
    names = [rule.name for rule in policy.standing.rules]
    if len(set(names)) != len(names):
        raise PolicyError(f"{origin}: standing.rules: each rule needs a name of its own")
    for index, rule in enumerate(policy.standing.rules):
        declines = rule.cause == policy_pb.STANDING_CAUSE_DECLINED_SHARE_ABOVE
        if declines and not policy.standing.declines_may_count:
            raise PolicyError(
                f"{origin}: standing.rules[{index}].cause: declining an offer is no cause for anything,"
                " unless standing.declines_may_count says so in public"
            )


def field_path(violation: protovalidate.Violation) -> str:
    """The violated field as a dotted path."""
    return ".".join(
        element.field_name + (f"[{element.subscript.value}]" if element.subscript else "")
        for element in (violation.proto.field.elements if violation.proto.field else ())
    )
