"""Recipes of many runs, read fast and held small: their keys are one tuple for all, equal values one object.

A frozen recipe has a key a line, and the recipes of a store repeat each other, so a line that was read before is not
parsed again: 10,000 recipes take a second instead of twenty.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from vitbench.comparing.recipes import LABELS, SEED, flat_values
from vitbench.errors import UserError
from vitbench.files.parsing import parse_toml
from vitbench.files.reading import RECIPE, read_text
from vitbench.recipe import Recipe
from vitbench.runs.store import Run

_MOST_LINES = 20_000
"""Lines that are remembered."""


class RecipeKeys(Mapping[str, Any]):
    """`table.key` to value."""

    __slots__ = ("_group", "_names", "_values")

    def __init__(self, names: dict[str, int], values: tuple[Any, ...], group: int = 0) -> None:
        """`names` has the place of each key among the `values`; `group` is the same for recipes that differ by their
        seed alone."""
        self._names, self._values, self._group = names, values, group

    def __getitem__(self, key: str) -> object:
        return self._values[self._names[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def group(self) -> int:
        """The number of its group of seeds; 0 where its recipe is not known."""
        return self._group


NO_KEYS = RecipeKeys({}, ())


class RecipeReader:
    """Reads recipes, and remembers the lines, keys, values and groups that it has met."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, Any]] = {}
        self._names: dict[tuple[str, ...], dict[str, int]] = {}
        self._values: dict[tuple[type, str], Any] = {}
        self._groups: dict[tuple[tuple[str, str], ...], int] = {}

    def read(self, run: Run) -> RecipeKeys:
        """The keys of a run's recipe; none where it cannot be read."""
        try:
            text = read_text(run.folder / "recipe.toml", RECIPE)
            values = flat_values(self._parsed(text))
        except (UserError, OSError):
            return NO_KEYS
        names = tuple(values)
        places = self._names.setdefault(names, {name: place for place, name in enumerate(names)})
        shared = tuple(self._values.setdefault((type(value), repr(value)), value) for value in values.values())
        rest = tuple((name, repr(value)) for name, value in values.items() if name not in LABELS and name != SEED)
        return RecipeKeys(places, shared, self._groups.setdefault(rest, len(self._groups) + 1))

    def _parsed(self, text: str) -> dict[str, Any]:
        """The tables of a recipe. A line that is no whole entry by itself, in a file edited by hand, is read with all
        others."""
        tables: dict[str, Any] = {}
        table = tables
        for line in text.split("\n"):
            bare = line.strip()
            if not bare or bare.startswith("#"):
                continue
            if bare.startswith("["):
                if not (bare.endswith("]") and bare[1:-1].isidentifier()):
                    return parse_toml(text, "recipe.toml")
                table = tables.setdefault(bare[1:-1], {})
                continue
            entry = self._lines.get(bare)
            if entry is None:
                try:
                    entry = parse_toml(bare, "recipe.toml")
                except UserError:
                    return parse_toml(text, "recipe.toml")
                if len(self._lines) < _MOST_LINES:
                    self._lines[bare] = entry
            table |= entry
        return tables


@cache
def known_keys() -> tuple[str, ...]:
    """Every key that a recipe can have, as `table.key`."""
    found: list[str] = []
    for name, field in Recipe.model_fields.items():
        table = field.annotation
        if isinstance(table, type) and issubclass(table, BaseModel):
            found += [f"{name}.{key}" for key in table.model_fields]
        else:
            found.append(name)
    return tuple(found)
