"""All kinds of figure, by the name that a saved figure records."""

from vitbench.declarations import Declarations
from vitbench.requests.base import Figure

FIGURE_KINDS = Declarations("figure", Figure, "vitbench.requests", "FIGURES", lambda one: one.order)
"""Declared beside their requests, or by a package."""
