"""The policy as a public document: every parameter with its value, its weight, its meaning, and its source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher import money
from dispatcher.times import SECOND, span
from gig.v1 import policy_pb2 as policy_pb

# Fields that hold money by their names; the tariffs' own amounts are named in _AMOUNTS.
_AMOUNTS = ("base", "per_km", "per_minute", "minimum", "waiting_per_minute", "per_online_hour", "per_hour")
_UNITS = ((86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s"), (1000, "ms"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """``path`` within the policy; ``value`` as people read it; ``meaning``: what the contract says of it."""

    path: str
    value: str
    meaning: str


def parameters(policy: policy_pb.Policy) -> list[Parameter]:
    """Every parameter that is set, in the order of the contract; without name, description and sources."""
    return [
        found
        for found in _walk(policy, "", policy.currency_code)
        if found.path.partition(".")[0].partition("[")[0] not in ("name", "description", "sources")
    ]


def difference(before: policy_pb.Policy, after: policy_pb.Policy) -> list[tuple[str, str, str, str]]:
    """(path, value before, value after, meaning) of every parameter that differs; "" where it is not set."""
    old = {found.path: found for found in parameters(before)}
    new = {found.path: found for found in parameters(after)}
    return [
        (path, was, is_, (new.get(path) or old[path]).meaning)
        for path in dict.fromkeys([*old, *new])
        if (was := old[path].value if path in old else "") != (is_ := new[path].value if path in new else "")
        and path != "version"
    ]


def markdown(policy: policy_pb.Policy) -> str:
    """The whole policy for everyone whom it governs."""
    lines = [f"# Policy {policy.name!r}, version {policy.version}", "", policy.description or "(no description)", ""]
    lines += _promises(policy)
    for section, rows in _sections(policy).items():
        lines += [f"## {section}", ""]
        if meaning := _comments().get(f"gig.v1.{_message_of(policy, section)}"):
            lines += [meaning, ""]
        if section == "matching":
            lines += _weights(policy)
        lines += ["| parameter | value | meaning |", "|---|---|---|"]
        lines += [f"| `{row.path}` | {row.value} | {_cell(row.meaning)} |" for row in rows]
        lines.append("")
    if policy.sources:
        lines += ["## Sources", "", "| parameter | source | compared with it |", "|---|---|---|"]
        lines += [
            f"| `{row.parameter}` | {_cell(row.source)} | {'yes' if row.verified else 'not yet'} |"
            for row in policy.sources
        ]
        lines.append("")
    return "\n".join(lines)


def _promises(policy: policy_pb.Policy) -> list[str]:
    """What follows from the parameters for people, in sentences."""
    declines = "may be used by rules on standing" if policy.standing.declines_may_count else "has no consequence"
    notice = _span(policy.notice_period) if span(policy.notice_period) else "none"
    return [
        f"- An offer may be answered for {_span(policy.offers.time_to_answer)}. Declining one {declines}.",
        f"- {_reoffer(policy.offers)}",
        f"- {_queues(policy.queues)}",
        "- Rules note an account for watching or ask a human. A named human alone restricts or ends it, in writing.",
        f"- Every decision can be contested for {_span(policy.standing.contest_within)}, and a human answers within"
        f" {_span(policy.reviews.answer_within)}.",
        f"- Notice before a change of this policy: {notice}.",
        "",
    ]


def _reoffer(offers: policy_pb.OfferPolicy) -> str:
    """When a job is offered again to a courier who did not take it."""
    first = _span(offers.reoffer_after)
    text = f"A job that a courier declines, lets pass or gives up is offered to them again after {first}"
    if not offers.HasField("backoff"):
        return f"{text}. Other jobs are offered meanwhile."
    backoff = offers.backoff
    most = max(backoff.most, offers.reoffer_after, key=span)
    return (
        f"{text} at the soonest. Each further time the wait is {backoff.growth:g} times as long, at least"
        f" {_span(backoff.least)} and at most {_span(most)}. Other jobs are offered meanwhile."
    )


def _queues(queues: policy_pb.QueuePolicy) -> str:
    """What a courier keeps and loses in the queue of a zone."""
    text = "In a queue zone, a job goes to the first in line who can take it, and whom it passes over keeps the place."
    declines = (
        f"Declining {queues.declines} offers of the zone's jobs costs the place"
        if queues.declines
        else "Declining an offer never costs the place"
    )
    silence = f" Leaving {queues.no_shows} offers in a row without an answer costs it." if queues.no_shows else ""
    return f"{text} {declines}.{silence}"


def _weights(policy: policy_pb.Policy) -> list[str]:
    """How much each term counts when couriers are compared, and which share it has of all weights."""
    weights = policy.matching.weights
    named = [
        (field.name, getattr(weights, field.name), field)
        for field in weights.DESCRIPTOR.fields
        if field.name not in ("unmatched", "income_gap")
    ]
    total = sum(weight for _, weight, _ in named) or 1.0
    rows = [
        f"| `{name}` | {weight:g} | {weight / total:.0%} | {_cell(_comments().get(field.full_name, ''))} |"
        for name, weight, field in sorted(named, key=lambda row: -row[1])
    ]
    return [
        "When couriers are compared, a second of each term counts as so many seconds of the way to the pickup:",
        "",
        "| term | weight | share of all weights | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _sections(policy: policy_pb.Policy) -> dict[str, list[Parameter]]:
    found: dict[str, list[Parameter]] = {}
    for row in parameters(policy):
        section = row.path.partition(".")[0].partition("[")[0]
        found.setdefault(section if "." in row.path or "[" in row.path else "general", []).append(row)
    return found


def _message_of(policy: policy_pb.Policy, section: str) -> str:
    field = policy.DESCRIPTOR.fields_by_name.get(section)
    return field.message_type.name if field is not None and field.message_type is not None else ""


def _walk(message: Message, prefix: str, currency: str, inherited: str = "") -> Iterator[Parameter]:
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        meaning = _comments().get(field.full_name, inherited)
        values = list(value) if field.is_repeated else [value]
        if field.message_type is None and field.is_repeated:
            yield Parameter(path, ", ".join(_scalar(field, one, currency) for one in values), meaning)
            continue
        for place, one in enumerate(values):
            here = f"{path}[{place}]" if field.is_repeated else path
            if isinstance(one, Duration):
                yield Parameter(here, _span(one), meaning)
            elif isinstance(one, Timestamp):
                yield Parameter(here, one.ToJsonString(), meaning)
            elif isinstance(one, Message):
                yield from _walk(one, f"{here}.", currency, meaning)
            else:
                yield Parameter(here, _scalar(field, one, currency), meaning)


def _scalar(field: Any, value: Any, currency: str) -> str:
    """As people read it: amounts in the currency, shares in percent, names of choices in plain words."""
    if field.enum_type is not None:
        name = str(field.enum_type.values_by_number[value].name)
        return name.removeprefix(_enum_prefix(field.enum_type.name)).replace("_", " ").lower()
    if field.name.endswith("minor_units") or (
        field.name in _AMOUNTS and field.containing_type.name in ("Tariff", "PayFloor", "EngagedFloor", "JobFloor")
    ):
        return money.text(value, currency)
    if field.name.endswith("_basis_points"):
        return f"{value / 100:g} %"
    if field.name.endswith("_percent"):
        return f"{value} %"
    if field.name.endswith("_thousandths"):
        return f"{value / 1000:g} minor units of {currency}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _enum_prefix(name: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name).lstrip("_") + "_"


def _span(duration: Duration) -> str:
    """2 d 12 h, in the largest units that fit."""
    left, parts = span(duration), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


@cache
def _comments() -> dict[str, str]:
    """What the contract says of each field, as the build took it from there."""
    text = resources.files("gig.v1").joinpath("policy_comments.json").read_text("utf-8-sig")
    found: dict[str, str] = json.loads(text)
    return found
