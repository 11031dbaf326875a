"""Runs beside each other: what differs in their recipes, their best values, and tests on the same pictures."""
