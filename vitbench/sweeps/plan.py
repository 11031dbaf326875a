"""A sweep as one validated description: a TOML file, or one that comes with the package."""

import itertools
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vitbench.errors import UserError
from vitbench.files.parsing import read_toml
from vitbench.files.reading import MissingFile, Unreadable
from vitbench.nearest import perhaps
from vitbench.paths import expanded
from vitbench.recipe import Recipe, parse_recipe, warnings
from vitbench.recipe_epochs import fitted_to_epochs
from vitbench.recipe_names import refuse_unknown_names
from vitbench.sweeps.space import Dimension, Space, Values, dimension, grid_size
from vitbench.text import shortened

_PRESETS = Path(__file__).parent / "presets"
_MOST = 10_000


class Stopping(BaseModel):
    """When a trial that is losing is stopped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Literal["none", "median", "halving"] = Field(
        "none", description="median: below the median of the trials before it; halving: not in the best 1 / keep"
    )
    after: Annotated[float, Field(gt=0, lt=1)] = Field(0.25, description="the share of a run that every trial gets")
    keep: Annotated[int, Field(ge=2, le=100)] = Field(3, description="halving: one in so many goes on")
    at_least: Annotated[int, Field(ge=1)] = Field(4, description="median: with fewer trials before it none is stopped")


class Plan(BaseModel):
    """What is tried, on which recipe, and how it is judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", max_length=200, description="what the sweep is called")
    method: Literal["grid", "random", "tpe"] = Field("grid", description="which points are tried")
    trials: Annotated[int, Field(ge=1, le=_MOST)] | None = Field(
        None, description="how many points; a grid without it takes all"
    )
    points: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="numbers that a grid takes of a range")
    repeats: Annotated[int, Field(ge=1, le=100)] = Field(1, description="seeds for each point")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="trial n is f(seed, n)")
    parallel: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="runs in the queue at a time; results of later ones decide nothing about earlier ones"
    )
    metric: str = Field("", description="the scalar that is judged by its best value; without it the monitored one")
    goal: Literal["max", "min"] | None = Field(None, description="without it, what the metric's name tells")
    stopping: Stopping = Field(default_factory=Stopping)
    space: Space
    recipe: dict[str, Any]
    """The recipe of all trials, as a recipe's file has it."""

    @field_validator("space", mode="before")
    @classmethod
    def _as_dimensions(cls, space: object) -> object:
        if not isinstance(space, dict) or not space:
            raise ValueError("the table space names at least one recipe key")
        return {key: dimension(value) for key, value in _dotted(space).items()}

    @model_validator(mode="after")
    def _fits(self) -> "Plan":
        if "train.seed" in self.space and self.repeats > 1:
            raise ValueError("train.seed cannot be in the space of a sweep with repeats: these are its seeds")
        if self.method == "grid":
            if grid_size(self.space, self.points) > _MOST:
                raise ValueError(f"the grid has more than {_MOST:,} points; take fewer, or method = random")
        elif self.trials is None:
            raise ValueError(f"trials must be given for method = {self.method}")
        return self

    @property
    def trial_count(self) -> int:
        """How many points are tried."""
        if self.method != "grid":
            assert self.trials is not None
            return self.trials
        size = grid_size(self.space, self.points)
        return size if self.trials is None else min(self.trials, size)

    @property
    def is_job_array(self) -> bool:
        """Whether the runs are one job array of SLURM: all are known before the first, and none is stopped early."""
        on_slurm = (self.recipe.get("launch") or {}).get("engine") == "slurm"
        same = not any(key.startswith("launch.") for key in self.space)
        return on_slurm and same and self.method != "tpe" and self.stopping.rule == "none"

    def recipe_of(self, values: Values, repeat: int) -> Recipe:
        """The recipe of one run, its warm-up and its head's epochs shortened where fewer epochs are tried.

        Raises UserError if the values do not fit it.
        """
        merged = _merged(self.recipe, values)
        adapted = fitted_to_epochs(self.recipe, merged, set(values))
        if self.repeats > 1:
            train = dict(merged.get("train", {}))
            merged["train"] = train | {"seed": int(train.get("seed", 0)) + repeat}
        recipe = parse_recipe(merged, f"trial with {describe(values)}")
        recipe._adapted = adapted
        return recipe

    def notes(self) -> list[str]:
        """What is to be known of the trials: names that the catalogue does not have, keys that were adapted."""
        return list(dict.fromkeys(said for point in _corners(self) for said in warnings(self.recipe_of(point, 0))))

    def anchored(self) -> "Plan":
        """The same with paths that hold from any folder. Raises UserError as `Recipe.anchored` does, for any trial."""
        for point in _corners(self):
            tried = self.recipe_of(point, 0)
            refuse_unknown_names(tried.model.name, tried.optim.name)
        recipe = parse_recipe(self.recipe, "the sweep's recipe").anchored()
        return self.model_copy(update={"recipe": recipe.model_dump(mode="json", exclude_none=True)})


def plan_names() -> list[str]:
    """The sweeps that come with vitbench."""
    return sorted(file.stem for file in _PRESETS.glob("*.toml"))


def plan_note(name: str) -> str:
    """What a sweep that comes with vitbench is, as the comment at the top of its file says."""
    lines = (_PRESETS / f"{name}.toml").read_text().splitlines()
    return " ".join(line.removeprefix("#").strip() for line in itertools.takewhile(lambda one: one[:1] == "#", lines))


def plan_document(source: str | Path) -> tuple[Path, dict[str, Any]]:
    """The values in a sweep file, or of the sweep of that name, and the file. Raises UserError with the file."""
    file = expanded(str(source))
    if str(source) in plan_names() and not file.is_file():
        file = _PRESETS / f"{source}.toml"
    try:
        return file, read_toml(file)
    except MissingFile as error:
        near = perhaps(str(source), plan_names())
        raise UserError(
            f"There is no sweep file and no sweep {shortened(str(source))}{near}; those that come with vitbench are: "
            f"{', '.join(plan_names())}."
        ) from error
    except Unreadable as error:
        raise UserError(f"{error} Name a sweep file (TOML), or one of: {', '.join(plan_names())}.") from error


def load_plan(source: str | Path, recipe: dict[str, Any] | None = None, **changes: object) -> Plan:
    """The plan in a file, or of that name; `recipe` replaces what it says of the recipe, `changes` further fields.

    Raises UserError with file and key.
    """
    from vitbench.recipe import load_recipe

    file, values = plan_document(source)
    base = values.pop("base", None)
    own = values.pop("recipe", {})
    if not isinstance(own, dict):
        raise UserError(f"{file}: recipe must be a table of recipe keys.")
    if recipe is None:
        if base is None:
            raise UserError(f'{file}: base is missing: the preset or recipe file to start from, such as base = "fast".')
        if not isinstance(base, str):
            raise UserError(f"{file}: base must be the name of a preset or of a recipe file.")
        beside = file.parent / base
        changes_of_recipe = [f"{key}={json.dumps(value)}" for key, value in _dotted(own, leaves=True).items()]
        loaded = load_recipe(str(beside) if beside.is_file() else base, changes_of_recipe)
        recipe = loaded.model_dump(mode="json", exclude_none=True)
    values |= {name: value for name, value in changes.items() if value is not None}
    return parse_plan({**values, "recipe": recipe}, str(file))


def parse_plan(values: dict[str, Any], where: str) -> Plan:
    """Raises UserError; `where` opens its sentence. The recipe of the first point is checked too."""
    try:
        plan = Plan.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{where}: {_reason(error)}.") from None
    for values_of_all in _corners(plan):
        plan.recipe_of(values_of_all, 0)
    return plan


def describe(values: Values) -> str:
    """One point in words: `optim.lr=0.001 optim.name=adamw`."""
    return " ".join(f"{key}={_short(value)}" for key, value in values.items())


def brief(values: Values) -> str:
    """One point for a narrow column: `adamw lr=0.001`. Words stand for themselves; of a key its last part is named."""
    words = [value for value in values.values() if isinstance(value, str)]
    others = [(key.rpartition(".")[2], value) for key, value in values.items() if not isinstance(value, str)]
    return " ".join([*words, *(f"{key}={_short(value)}" for key, value in others)])


def _corners(plan: Plan) -> list[Values]:
    """Points that together have every listed value and both ends of every range."""
    levels = {key: one.levels(2) for key, one in plan.space.items()}
    most = max(len(values) for values in levels.values())
    return [{key: values[min(place, len(values) - 1)] for key, values in levels.items()} for place in range(most)]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _merged(recipe: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The recipe with `table.key` values over it."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in recipe.items()}
    for path, value in values.items():
        *tables, key = path.split(".")
        place = merged
        for table in tables:
            below = place.get(table)
            place[table] = dict(below) if isinstance(below, dict) else {}
            place = place[table]
        place[key] = value
    return merged


def _dotted(table: dict[str, Any], prefix: str = "", leaves: bool = False) -> dict[str, Any]:
    """Nested tables as `table.key`; a table with low and high is a range and not taken apart, unless `leaves`."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        is_range = isinstance(value, dict) and not leaves and ({"low", "high", "values"} & value.keys())
        if isinstance(value, dict) and not is_range:
            found |= _dotted(value, f"{prefix}{key}.", leaves)
        else:
            found[f"{prefix}{key}"] = value
    return found


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("choice", "range"))
    words = first["msg"].removeprefix("Value error, ")
    return f"{where}: {words}" if where else words


__all__ = ["Dimension", "Plan", "Stopping", "describe", "load_plan", "parse_plan", "plan_names"]
