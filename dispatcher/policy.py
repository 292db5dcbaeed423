"""The policy as people write it: TOML presets and files, read into the Policy message, checked field by field."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import protovalidate
from google.protobuf import json_format

from dispatcher.errors import PolicyError
from gig.v1 import policy_pb2 as policy_pb

DEFAULT = "plain"


def presets() -> list[str]:
    """Names of the policies that come with the project."""
    files = resources.files("dispatcher.policies").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load(name_or_path: str) -> policy_pb.Policy:
    """A preset by name, or a TOML file by path. Raises PolicyError that names the field and the fault."""
    if name_or_path in presets():
        text = resources.files("dispatcher.policies").joinpath(f"{name_or_path}.toml").read_text("utf-8")
    else:
        try:
            text = Path(name_or_path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise PolicyError(
                f"cannot read the policy {name_or_path!r} ({fault}); presets are: {', '.join(presets())}"
            ) from fault
    return parse(text, name_or_path)


def parse(text: str, origin: str) -> policy_pb.Policy:
    """The Policy that a TOML text holds; its keys are the message's field names, durations are like "2s"."""
    try:
        policy = json_format.ParseDict(tomllib.loads(text), policy_pb.Policy())
    except (tomllib.TOMLDecodeError, json_format.ParseError) as fault:
        raise PolicyError(f"{origin}: {fault}") from fault
    return checked(policy, origin)


def checked(policy: policy_pb.Policy, origin: str = "policy") -> policy_pb.Policy:
    """The policy itself, if it can govern a market."""
    try:
        protovalidate.validate(policy)
    except protovalidate.ValidationError as fault:
        faults = "; ".join(f"{field_path(violation)}: {violation.proto.message}" for violation in fault.violations)
        raise PolicyError(f"{origin}: {faults}") from fault
    _check_speeds(policy, origin)
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


def field_path(violation: protovalidate.Violation) -> str:
    """The violated field as a dotted path."""
    return ".".join(
        element.field_name + (f"[{element.subscript.value}]" if element.subscript else "")
        for element in (violation.proto.field.elements if violation.proto.field else ())
    )
