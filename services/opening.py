"""Warnings at the start: settings that a market which exists already ignores, and policies of earlier versions."""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher.market.state import MarketState
from dispatcher.messages import copied
from geo.summed_travel import SummedTravel
from services.host.market_host import Opening
from services.settings import Settings


def ignored_settings(settings: Settings, opening: Opening, state: MarketState) -> Iterator[str]:
    """Yield a sentence for each setting that a flag, the environment or a file gives, and that differs from what is in
    force."""
    given = settings.model_fields_set
    wanted = copied(opening.policy)
    wanted.version = state.policy.version
    if "policy" in given and wanted != state.policy:
        yield (
            f"policy {settings.policy!r} is ignored: market {state.market_id!r} exists, and its policy "
            f"{state.policy.name!r}, version {state.policy.version}, is in force; to change it, use gig policy publish"
        )
    if "zones" in given and opening.zones_geojson != state.zones_geojson:
        zones = len(state.zones.zones)
        yield (
            f"zones {settings.zones} are ignored: market {state.market_id!r} exists, and its {zones} zones are in "
            "force; to change them, call OversightService/SetZones"
        )


def outdated_policy(state: MarketState) -> Iterator[str]:
    """Yield a sentence where the policy in force lacks bounds that a policy published now would have."""
    if isinstance(state.travel, SummedTravel):
        published = f"policy {state.policy.name!r}, version {state.policy.version}, of market {state.market_id!r}"
        yield (
            f"{published} has no bounds for learned travel times, because an earlier version published it, and learns "
            "from implausible trips too; to bound them, publish the policy again with gig policy publish"
        )
