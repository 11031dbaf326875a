"""All kinds of figure, by the name that a saved figure records."""

from vitbench.declarations import Declarations
from vitbench.requests.base import Figure

KINDS = Declarations("figure", Figure, "vitbench.requests", "FIGURES", lambda one: one.place)
"""Declared beside their requests, or by a package."""
