"""Sound requests for any method, from its descriptor, its rules and what is known of the market.

A field is filled by its name where the name means something (``job_id``, ``page_token``, ``zone``), else by its rules;
so new methods and fields are covered without new code. The tables at the end raise the share of answers that are OK.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, OneofDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from dispatcher import policy
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb
from load_tests.contract.fields import FieldPath, paths_of, set_time
from load_tests.contract.rules import SECOND_NS, counts_of, is_required, is_required_oneof, range_of, time_type
from load_tests.fuzz.values import EXTREME_SHARE, value_of
from load_tests.fuzz.world import HELD, PEOPLE, KnownJob, World
from load_tests.ordinary import city
from services.auth.access import RULES, Rule
from services.auth.caller import CLIENT, COURIER
from services.auth.contract import path_of

# Share of optional fields that are set; most items of a list beyond its least number; deepest nesting that is filled.
OPTIONAL_SHARE, ITEMS, DEEPEST = 0.25, 2, 6
# Policies with a notice period come into force so late that the next announcement takes their place before.
ANNOUNCED_S = 30 * 86_400
REPEATED_REQUEST_SHARE = 0.02
# A courier who asks about a job is the one who holds it this often.
HOLDER_SHARE = 0.9
# Couriers of the fuzzer hold it; jobs that ask for it are theirs alone.
SKILL = "fuzz"
# Called by couriers who have an offer.
ANSWERING = "CourierService/AnswerOffer"
LIVE = frozenset({job_pb.JOB_STATE_QUEUED, job_pb.JOB_STATE_SCHEDULED, job_pb.JOB_STATE_OFFERED})
DONE = frozenset({job_pb.JOB_STATE_COMPLETED})
NEXT_STEP: Mapping[int, courier_pb.ProgressStep] = {
    job_pb.JOB_STATE_ASSIGNED: courier_pb.PROGRESS_STEP_ARRIVED,
    job_pb.JOB_STATE_AT_PICKUP: courier_pb.PROGRESS_STEP_PICKED_UP,
    job_pb.JOB_STATE_PICKED_UP: courier_pb.PROGRESS_STEP_COMPLETED,
}


@dataclass(slots=True)
class Scene:
    """Who calls, and what this one request is about: names by field."""

    role: str
    person_id: str
    now_ns: int
    job: KnownJob | None = None
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """``role`` and ``person_id``: who sends it. ``job_id``: the job that it is about, if it is about one."""

    message: Message
    role: str
    person_id: str
    job_id: str


class Sound:
    """``now_ns`` returns the market's time. ``base``: the policy that the policies sent are variations of. ``plain``:
    no optional parts, no ends of ranges, no repeated requests, the base policy as it is."""

    def __init__(
        self,
        rng: np.random.Generator,
        world: World,
        now_ns: Callable[[], int],
        base: policy_pb.Policy,
        plain: bool = False,
    ) -> None:
        self._rng, self._world, self._now_ns, self._base = rng, world, now_ns, base
        self._variety = 0.0 if plain else 1.0
        self._policy_paths = [
            path for path in paths_of(policy_pb.Policy.DESCRIPTOR) if range_of(path.last) and not path.last.is_repeated
        ]
        self._templates: Mapping[str, Callable[[Scene], Message]] = {
            "gig.v1.Position": lambda _: city.position(rng),
            "gig.v1.JobSpec": lambda _: city.job(rng, ""),
            "gig.v1.CourierProfile": lambda _: self._profile(),
            "gig.v1.LocationBatch": self._locations,
            "gig.v1.Policy": lambda _: self._policy(),
            "gig.v1.CalendarPeriod": self._period,
        }
        self._requests = 0

    def request(self, method: MethodDescriptor) -> Request:
        """Draw a request for a method, and its caller."""
        path = path_of(method)
        scene = self._scene(path, RULES[path])
        message: Message = GetMessageClass(method.input_type)()
        self._fill(message, scene, 0)
        tune = _TUNED.get(message.DESCRIPTOR.full_name)
        if tune is not None:
            tune(message, scene, self._rng)
        return Request(message, scene.role, scene.person_id, scene.job.job_id if scene.job is not None else "")

    def streamed(self, message_class: type[Message], courier_id: str, arm: str) -> Any:
        """Draw a message of a courier's stream, of this kind."""
        job = self._world.held_job(courier_id)
        scene = Scene(COURIER, courier_id, self._now_ns(), job)
        self._name(scene)
        message: Any = message_class()
        self._fill(getattr(message, arm), scene, 1)
        getattr(message, arm).SetInParent()
        if arm == "progress" and job is not None:
            message.progress.step = NEXT_STEP.get(job.state, courier_pb.PROGRESS_STEP_ARRIVED)
        return message

    def complete(self, message: Any, path: FieldPath) -> None:
        """Fill the messages on the way to a field that are absent, so that nothing but the field can be wrong."""
        for one in path.fields[:-1]:
            absent = not len(getattr(message, one.name)) if one.is_repeated else not message.HasField(one.name)
            if absent:
                scene = Scene("", "", self._now_ns())
                self._fill_list(message, one, scene, 0) if one.is_repeated else self._set(message, one, scene, 0)
            message = getattr(message, one.name)
            if one.is_repeated:
                message = message[0] if len(message) else message.add()

    # --- who and what

    def _scene(self, path: str, rule: Rule) -> Scene:
        roles = sorted(rule.roles)
        role = roles[int(self._rng.integers(len(roles)))]
        job = self._world.job(self._rng, _STATES.get(path, frozenset()))
        person_id = self._one_of(PEOPLE[role])
        if job is not None and role == CLIENT:
            person_id = job.client_id
        elif job is not None and role == COURIER and job.courier_id and self._rng.random() < HOLDER_SHARE:
            person_id = job.courier_id
        if path == ANSWERING and self._world.offers:
            person_id = self._one_of([*self._world.offers])
        scene = Scene(role, person_id, self._now_ns(), job)
        self._name(scene)
        decision = self._world.pair(self._rng, "decision_id", person_id)
        if decision is not None:
            scene.names["decision_id"] = decision[0]
            if role in rule.found:
                scene.person_id = decision[1] if not job or "job_id" not in path else person_id
        if rule.subject:
            scene.names[rule.subject] = scene.person_id if role in rule.own else self._one_of(PEOPLE[COURIER])
        scene.names["page_token"] = self._world.page_tokens.get((path, scene.person_id), "")
        return scene

    def _name(self, scene: Scene) -> None:
        names, world, job = scene.names, self._world, scene.job
        if job is not None:
            names |= {"job_id": job.job_id, "client_id": job.client_id}
        names.setdefault("client_id", self._one_of(PEOPLE[CLIENT]))
        names["courier_id"] = self._one_of(PEOPLE[COURIER])
        names["subject_id"] = self._one_of(PEOPLE[COURIER])
        for kind in ("quote_id", "offer_id", "review_id"):
            found = world.pair(self._rng, kind, scene.person_id)
            if found is not None:
                names[kind] = found[0]
        if scene.person_id in world.offers:
            names["offer_id"] = world.offers[scene.person_id]
        names[f"{scene.role}_id"] = scene.person_id
        names["zone"] = self._one_of(world.zones or ("zone-0",))
        names["resume_token"] = ""

    def _one_of(self, found: Any) -> Any:
        return found[int(self._rng.integers(len(found)))]

    # --- messages and fields

    def _fill(self, message: Any, scene: Scene, depth: int) -> None:
        template = self._templates.get(message.DESCRIPTOR.full_name)
        if template is not None:
            message.CopyFrom(template(scene))
            return
        for oneof in message.DESCRIPTOR.oneofs:
            self._fill_oneof(message, oneof, scene, depth)
        for one in message.DESCRIPTOR.fields:
            if one.containing_oneof is None or len(one.containing_oneof.fields) == 1:
                self._fill_field(message, one, scene, depth)

    def _fill_oneof(self, message: Any, oneof: OneofDescriptor, scene: Scene, depth: int) -> None:
        if len(oneof.fields) == 1 or not (
            is_required_oneof(oneof) or self._rng.random() < OPTIONAL_SHARE * self._variety
        ):
            return
        known = [one for one in oneof.fields if one.name in scene.names or one.message_type is not None]
        self._set(message, self._one_of(known or oneof.fields), scene, depth)

    def _fill_field(self, message: Any, one: FieldDescriptor, scene: Scene, depth: int) -> None:
        if one.is_repeated:
            self._fill_list(message, one, scene, depth)
        elif one.message_type is not None and not is_required(one):
            if depth < DEEPEST and self._rng.random() < OPTIONAL_SHARE * self._variety:
                self._set(message, one, scene, depth)
        else:
            self._set(message, one, scene, depth)

    def _fill_list(self, message: Any, one: FieldDescriptor, scene: Scene, depth: int) -> None:
        least, most = counts_of(one)
        count = min(least + int(self._rng.integers(0, ITEMS + 1)), most if most is not None else least + ITEMS)
        if count and (least or self._rng.random() < OPTIONAL_SHARE * self._variety) and depth < DEEPEST:
            target = getattr(message, one.name)
            if one.message_type is None:
                target.extend(dict.fromkeys(self._value(one, scene) for _ in range(count)))
            else:
                for _ in range(count):
                    self._fill(target.add(), scene, depth + 1)

    def _set(self, message: Any, one: FieldDescriptor, scene: Scene, depth: int) -> None:
        if time_type(one):
            set_time(getattr(message, one.name), self._value(one, scene))
        elif one.message_type is not None:
            target = getattr(message, one.name)
            target.SetInParent()
            self._fill(target, scene, depth + 1)
        else:
            setattr(message, one.name, self._value(one, scene))

    def _value(self, one: FieldDescriptor, scene: Scene) -> Any:
        if one.name == "request_id":
            if not self._requests or self._rng.random() >= REPEATED_REQUEST_SHARE * self._variety:
                self._requests = int(self._rng.integers(1 << 60))
            return f"r{self._requests}"
        if one.name == "geojson":
            return self._zones()
        if one.name in scene.names and one.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return scene.names[one.name]
        return value_of(self._rng, one, scene.now_ns, EXTREME_SHARE * self._variety)

    # --- templates

    def _profile(self) -> Message:
        """A courier who may do the jobs that are placed for the fuzzer's couriers."""
        vehicle = self._one_of((types_pb.VEHICLE_TYPE_CAR, types_pb.VEHICLE_TYPE_BICYCLE, types_pb.VEHICLE_TYPE_VAN))
        return courier_pb.CourierProfile(vehicle_type=vehicle, skills=[SKILL])

    def _locations(self, scene: Scene) -> Message:
        count = int(self._rng.integers(1, 6)) if self._variety else 1
        places = [city.position(self._rng) for _ in range(count)]
        batch = courier_pb.LocationBatch(
            latitudes=[place.latitude for place in places], longitudes=[place.longitude for place in places]
        )
        if self._rng.random() < 0.5 * self._variety:
            set_time(batch.start_time, scene.now_ns - 10 * SECOND_NS)
            batch.offsets_ms.extend(range(0, 1000 * count, 1000))
        return batch

    def _policy(self) -> policy_pb.Policy:
        """The base with up to three numbers or times changed within their ranges; some break a rule between fields."""
        found = policy_pb.Policy()
        found.CopyFrom(self._base)
        for _ in range(int(self._rng.integers(0, 4)) if self._variety else 0):
            path: FieldPath = self._one_of(self._policy_paths)
            if all(holder.message_type is None or holder.containing_oneof is None for holder in path.fields):
                path.set(found, value_of(self._rng, path.last, 0, EXTREME_SHARE))
        return found

    def _zones(self) -> str:
        """A few squares of every rule about the city, so small that they leave most of it as it is."""
        rules = ("queue", "surge_override", "no_pickup", "no_dropoff", "no_entry")
        features = []
        for index in range(int(self._rng.integers(0, 5))):
            corner = city.position(self._rng)
            features.append(square(corner.longitude, corner.latitude, 0.002, f"zone-{index}", self._one_of(rules)))
        self._world.zones = [feature["properties"]["name"] for feature in features]
        return json.dumps({"type": "FeatureCollection", "features": features}) if features else ""

    def _period(self, _scene: Scene) -> Message:
        return pay_pb.CalendarPeriod(
            length=self._one_of((pay_pb.PERIOD_LENGTH_DAY, pay_pb.PERIOD_LENGTH_WEEK)),
            date=f"2026-11-2{int(self._rng.integers(0, 10))}",
            time_zone=self._one_of(("", "UTC", "America/New_York", "Pacific/Chatham")),
        )


def square(longitude: float, latitude: float, side: float, name: str, rule: str) -> dict[str, Any]:
    """Return a GeoJSON feature: a square zone, its corner in the south-west."""
    east, north = longitude + side, latitude + side
    ring = [[longitude, latitude], [east, latitude], [east, north], [longitude, north], [longitude, latitude]]
    properties: dict[str, Any] = {"name": name, "rule": rule}
    if rule == "surge_override":
        properties["multiplier"] = 1.5
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def fuzzed_policy() -> policy_pb.Policy:
    """Return the policy that the market serves under: quick rounds, surge that ticks often, jobs that wait minutes,
    positions that stay usable, because drawn couriers seldom send any."""
    found = policy.load("city")
    for span, seconds in (
        (found.matching.batch_window, 2),
        (found.offers.time_to_answer, 60),
        (found.jobs.max_wait, 300),
        (found.surge.tick, 10),
        (found.couriers.position_limit, 86_400),
    ):
        set_time(span, seconds * SECOND_NS)
    found.notice_period.Clear()
    return found


# --- what raises the share of answers that are OK


def _reported(message: Any, scene: Scene, _rng: np.random.Generator) -> None:
    if scene.job is not None:
        message.progress.step = NEXT_STEP.get(scene.job.state, courier_pb.PROGRESS_STEP_ARRIVED)


def _rated(message: Any, scene: Scene, _rng: np.random.Generator) -> None:
    message.rater = job_pb.ACTOR_CLIENT if scene.role == CLIENT else job_pb.ACTOR_COURIER


def _announced(message: Any, scene: Scene, _rng: np.random.Generator) -> None:
    message.ClearField("effective_time")
    delay_if_noticed(message, scene.now_ns)


def delay_if_noticed(message: Any, now_ns: int) -> None:
    """Announce a policy that asks for notice for later: it must not keep the next one from coming into force."""
    if message.policy.HasField("notice_period") and message.policy.notice_period.ToNanoseconds():
        set_time(message.effective_time, now_ns + ANNOUNCED_S * SECOND_NS)


def _stated(message: Any, _scene: Scene, _rng: np.random.Generator) -> None:
    """A period of the calendar stands instead of two times."""
    if message.HasField("period"):
        message.ClearField("start_time")
        message.ClearField("end_time")


def _decided(message: Any, _scene: Scene, rng: np.random.Generator) -> None:
    """Only an overturned decision is made good, and its account is in good standing."""
    overturned = message.outcome == transparency_pb.REVIEW_OUTCOME_OVERTURNED
    message.compensation_minor_units = int(rng.integers(0, 500)) if overturned else 0
    if overturned:
        message.level = policy_pb.STANDING_LEVEL_UNSPECIFIED


_TUNED: Mapping[str, Callable[[Any, Scene, np.random.Generator], None]] = {
    "gig.v1.ReportProgressRequest": _reported,
    "gig.v1.RateJobRequest": _rated,
    "gig.v1.SetPolicyRequest": _announced,
    "gig.v1.GetStatementRequest": _stated,
    "gig.v1.DecideReviewRequest": _decided,
}
# The states of jobs that a method can do something with.
_STATES: Mapping[str, frozenset[int]] = {
    "JobService/CancelJob": LIVE,
    "TransparencyService/ExplainWait": LIVE,
    "CourierService/ReportProgress": HELD,
    "RatingService/RateJob": DONE,
    "PayService/AddTip": DONE,
}
