"""The market: a deterministic state machine. Commands in, events out; the same log gives the same state."""

from dispatcher.market.market import Market
from dispatcher.market.round import MovedCouriers, Round

__all__ = ["Market", "MovedCouriers", "Round"]
