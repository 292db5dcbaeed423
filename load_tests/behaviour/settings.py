"""The parameters of behaviour, as people write them: TOML presets and files, checked field by field."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from load_tests.traces.errors import TraceError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Least0 = Annotated[float, Field(ge=0.0)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Acceptance(Model):
    """P(accept) = 1 / (1 + exp(-u)), u = intercept + pay_per_hour x (offered pay, in units of the currency, for an hour
    of way and trip) + pickup_minutes x (minutes to the pickup) + waited_minutes x (minutes since the courier was free).
    """

    model: Literal["always", "logit"] = "always"
    intercept: float = 0.0
    pay_per_hour: float = 0.0
    pickup_minutes: float = 0.0
    waited_minutes: float = 0.0


class Answer(Model):
    """Seconds until an offer is answered: lognormal. ``silent_share``: of offers that nobody answers."""

    median_s: Least0 = 0.0
    sigma: Least0 = 0.0
    silent_share: Share = 0.0


class Shifts(Model):
    """For traces that do not say who worked when. ``couriers`` None: so many that at the busiest hour ``utilisation``
    of their time would go into recorded trips (or, where none are recorded, trips by the travel model). Each shift
    begins at the time of a random request less a random part of its length, which is normal, and not below an hour."""

    couriers: Annotated[int, Field(gt=0)] | None = None
    utilisation: Annotated[float, Field(gt=0.0, le=1.0)] = 0.55
    mean_hours: Positive = 6.0
    sd_hours: Least0 = 1.5


class Repositioning(Model):
    """A free courier, once ``after_idle_s`` have passed without a job, goes with probability ``share`` to the cell
    within reach where surge less travel pays most, if its multiplier is at least ``min_gain_percent`` above where they
    are; and looks again after as long."""

    share: Share = 0.0
    after_idle_s: Positive = 600.0
    within_km: Positive = 4.0
    min_gain_percent: Positive = 20.0


class OutsideWork(Model):
    """Multi-homing: ``share`` of the couriers also get jobs from others, while free, at a rate ``per_idle_hour``
    (Poisson); they are offline for that time, which is lognormal, and come back where a random trip ends."""

    share: Share = 0.0
    per_idle_hour: Least0 = 0.0
    median_minutes: Positive = 20.0
    sigma: Least0 = 0.0


class Patience(Model):
    """Seconds after which a client who has no courier gives up: Weibull. None: as long as the policy waits."""

    scale_s: Positive | None = None
    shape: Positive = 1.0


class Boarding(Model):
    """Seconds between the courier's arrival and the pickup: lognormal. Where the trace recorded it, that is used."""

    median_s: Least0 = 0.0
    sigma: Least0 = 0.0


class Ratings(Model):
    """``share`` of completed jobs that the client rates, and how likely one to five stars are."""

    share: Share = 0.0
    stars: tuple[Share, Share, Share, Share, Share] = (0.0, 0.0, 0.0, 0.0, 1.0)

    @model_validator(mode="after")
    def _sums_to_one(self) -> Ratings:
        if abs(sum(self.stars) - 1) > 1e-6:
            raise ValueError("the five shares must sum to 1")
        return self


class Couriers(Model):
    acceptance: Acceptance = Acceptance()
    answer: Answer = Answer()
    shifts: Shifts = Shifts()
    repositioning: Repositioning = Repositioning()
    outside_work: OutsideWork = OutsideWork()


class Clients(Model):
    patience: Patience = Patience()
    boarding: Boarding = Boarding()
    ratings: Ratings = Ratings()


class Behaviour(Model):
    name: str
    description: str = ""
    couriers: Couriers = Couriers()
    clients: Clients = Clients()


def presets() -> list[str]:
    files = resources.files("load_tests.behaviour.presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load(name_or_path: str) -> Behaviour:
    """A preset by name, or a TOML file by path. Raises TraceError that names the field and the fault."""
    try:
        if name_or_path in presets():
            text = (
                resources.files("load_tests.behaviour.presets").joinpath(f"{name_or_path}.toml").read_text("utf-8-sig")
            )
        else:
            text = Path(name_or_path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        known = ", ".join(presets())
        raise TraceError(f"cannot read the behaviour {name_or_path!r} ({fault}); presets are: {known}") from fault
    return parse(text, name_or_path)


def parse(text: str, origin: str) -> Behaviour:
    try:
        return Behaviour.model_validate(tomllib.loads(text))
    except ValidationError as fault:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in fault.errors())
        raise TraceError(f"{origin}: {wrong}") from fault
    except (ValueError, RecursionError) as fault:  # no TOML, or a number with more digits than Python reads
        raise TraceError(f"{origin}: {fault}") from fault
