"""Measures of work: one pure projection from events, used by the live export, the replay report and each view."""

from dispatcher.measures.fold import Measures
from dispatcher.measures.population import Figures, figures

__all__ = ["Figures", "Measures", "figures"]
