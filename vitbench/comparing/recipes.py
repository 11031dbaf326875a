"""Recipes beside each other: the keys that differ, and runs that differ by their seed alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from vitbench.recipe import Recipe

SEED = "train.seed"
LABELS = frozenset({"name", "preset"})
"""Keys that name a run and change nothing in it."""


def flat(recipe: Recipe) -> dict[str, object]:
    """`table.key` to value; a table that a person fills, such as `model.options`, is taken apart too."""
    return flat_values(recipe.model_dump(mode="json"))


def flat_values(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as one, with `table.key` for a key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat_values(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differing(recipes: Sequence[Recipe]) -> dict[str, list[object]]:
    """The keys whose values are not the same in all recipes, with the value of each; None where one has no such key."""
    tables = [flat(recipe) for recipe in recipes]
    keys = dict.fromkeys(key for table in tables for key in table if key not in LABELS)
    found = {key: [table.get(key) for table in tables] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def groups_by_seed(recipes: Mapping[str, Recipe]) -> list[list[str]]:
    """Names of runs whose recipes are equal but for the seed, in the order given; a run alone is a group too."""
    groups: dict[str, list[str]] = {}
    for name, recipe in recipes.items():
        rest = {key: value for key, value in flat(recipe).items() if key not in LABELS and key != SEED}
        groups.setdefault(repr(sorted(rest.items())), []).append(name)
    return list(groups.values())
