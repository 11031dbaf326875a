"""Widgets that know nothing of runs or networks."""
