"""A recipe that is being put together: a preset, and what a person changed; checked whole at every change."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from screens.paths import full_path
from screens.snapshot import Floats
from vitbench.errors import UserError
from vitbench.nearest import perhaps_path
from vitbench.recipe import Recipe, load_recipe, warnings
from vitbench.recipe_names import refuse_unknown_names
from vitbench.recipe_tables import description

_CURVE_POINTS = 400
_ASSUMED_STEPS = 100


@dataclass(frozen=True)
class Field:
    """One key of a recipe: its path, its value as TOML would write it, and what it means."""

    path: str
    value: str
    explanation: str
    changed: bool


@dataclass
class RecipeDraft:
    """Preset, data, model and single keys. `recipe` is the last whole one; `problem` says why the newest is none."""

    preset: str = "fast"
    data: str = ""
    model: str = ""
    changes: dict[str, str] = field(default_factory=dict)
    recipe: Recipe | None = None
    problem: str = ""
    warnings: list[str] = field(default_factory=list)

    def overrides(self) -> list[str]:
        """What is put over the preset, as `--set` would write it."""
        chosen = []
        if self.model:
            chosen.append(f"model.name={json.dumps(self.model)}")
        if self.data:
            chosen.append(f"data.path={json.dumps(full_path(self.data))}")
        return chosen + [f"{path}={value}" for path, value in self.changes.items()]

    def check(self) -> None:
        """Builds the recipe; keeps the last good one beside the problem of this one."""
        try:
            self.recipe = load_recipe(self.preset, self.overrides())
        except UserError as error:
            self.problem, self.warnings = str(error), []
            return
        self.problem = self._missing() or self._unknown(self.recipe)
        self.warnings = [said for said in warnings(self.recipe) if said not in self.problem]

    def try_change(self, path: str, value: str) -> str:
        """What would be wrong with a value, as a sentence; empty if nothing is."""
        trial = RecipeDraft(self.preset, self.data, self.model, {**self.changes, path: value})
        try:
            load_recipe(self.preset, trial.overrides())
        except UserError as error:
            return str(error)
        return ""

    def _unknown(self, recipe: Recipe) -> str:
        try:
            refuse_unknown_names(recipe.model.name, recipe.optim.name)
        except UserError as error:
            return str(error)
        return ""

    def _missing(self) -> str:
        if not self.data:
            return "Choose the data: a folder of pictures, a CSV file, or scenes."
        if ":" not in self.data.split("/")[0] and not Path(full_path(self.data)).exists():
            return f"There is no {self.data}{perhaps_path(self.data)}."
        return ""

    def fields(self) -> list[Field]:
        """Every key of the last good recipe, in its order."""
        if self.recipe is None:
            return []
        recipe = self.recipe
        return [
            Field(path, written(value), explanation, path in self.changes)
            for path, value, explanation in _walk(recipe, "")
            if path not in ("preset", "name", "data.path", "model.name")
            and (not path.startswith("caption.") or recipe.task == "caption")
        ]

    def learning_rates(self, steps_per_epoch: int = 0) -> tuple[Floats, Floats]:
        """The learning rate over the epochs, in at most a few hundred points; empty without a recipe."""
        if self.recipe is None:
            return np.zeros(0), np.zeros(0)
        per_epoch = steps_per_epoch or _ASSUMED_STEPS
        total = per_epoch * self.recipe.train.epochs
        steps = np.unique(np.linspace(0, total - 1, min(total, _CURVE_POINTS)).astype(int))
        rates = [self.recipe.learning_rate(int(step), per_epoch) for step in steps]
        return steps / per_epoch, np.array(rates, float)


def _walk(table: BaseModel, prefix: str) -> Iterator[tuple[str, object, str]]:
    for name, about in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, BaseModel):
            yield from _walk(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, description(about)


def written(value: object) -> str:
    """A value as a person types it: texts without quotes, nothing for what is not set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
