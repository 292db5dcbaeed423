"""How each event changes the state of a market: the only place where it changes."""

from dispatcher.market.apply.fold import apply

__all__ = ["apply"]
