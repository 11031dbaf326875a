"""What to train, as one validated description: a TOML file, checked as a whole before anything runs.

Types and ranges are errors. Names of networks and optimizers are compared with the shipped catalogue where a run is
about to start (`anchored`); a file with others can be read and shown, with warnings.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_toml, read_toml
from vitbench.files.reading import MissingFile, Unreadable
from vitbench.files.toml_text import toml_line, toml_value
from vitbench.nearest import nearest, perhaps_path
from vitbench.paths import expanded
from vitbench.recipe_epochs import fitted_to_epochs
from vitbench.recipe_tables import (
    CaptionTable,
    DataTable,
    LaunchTable,
    ModelTable,
    OptimTable,
    ScheduleTable,
    TrainTable,
    description,
)
from vitbench.schedules import learning_rate_with_head
from vitbench.text import shortened

__all__ = [
    "CaptionTable",
    "DataTable",
    "LaunchTable",
    "ModelTable",
    "OptimTable",
    "Recipe",
    "ScheduleTable",
    "TrainTable",
    "load_recipe",
    "parse_recipe",
    "preset_names",
    "warnings",
]

_DEEPEST_KEY = 8
"""Parts of a key of `--set`; the deepest of a recipe has two, and those of a network's options follow."""
_PRESETS = Path(__file__).resolve().parent / "presets"


class Recipe(BaseModel):
    """Everything that decides a run. Frozen: `with_changes` makes another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    task: Literal["classify", "multilabel", "caption"] = Field(
        "classify", description="classify | multilabel (several labels per picture) | caption"
    )
    name: str = Field("", description="the run's name, for people")
    preset: str = Field("", description="the preset that it started from")
    model: ModelTable = ModelTable()
    data: DataTable = DataTable()
    train: TrainTable = TrainTable()
    optim: OptimTable = OptimTable()
    schedule: ScheduleTable = ScheduleTable()
    launch: LaunchTable = LaunchTable()
    caption: CaptionTable = CaptionTable()
    _adapted: str = PrivateAttr("")
    """What was changed so that the keys fit each other, in a sentence; empty where nothing was."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = list(_contradictions(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.model_dump() == other.model_dump()

    def with_changes(self, overrides: Sequence[str]) -> "Recipe":
        """The recipe with `table.key=value` applied; raises UserError as `load_recipe` does."""
        return _parse_with(self.model_dump(exclude_none=True), overrides, "the recipe")

    def with_data(self, path: str) -> "Recipe":
        """The recipe on other data, whatever signs its path has."""
        return self.model_copy(update={"data": self.data.model_copy(update={"path": path})})

    def anchored(self) -> "Recipe":
        """The recipe as it may start: its paths are made absolute, so that a process in another folder finds them.

        Raises UserError if the data or the weights are not there, or for a name that timm does not have.
        """
        from vitbench.recipe_names import refuse_unknown_names

        path, weights = self.data.path, self.model.weights
        if not path:
            raise UserError("The recipe names no data: give --data DIR, or set data.path.")
        if not path.startswith("scenes:"):
            path = _existing(path, "data.path")
        if weights is not None:
            weights = _existing(weights, "model.weights")
        refuse_unknown_names(self.model.name, self.optim.name)
        model = self.model.model_copy(update={"weights": weights})
        return self.with_data(path).model_copy(update={"model": model})

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of optimizer step `step`, counted from 0."""
        train = self.train
        head_epochs = 0 if self.optim.probe_lrs is not None else train.head_epochs
        return learning_rate_with_head(self.schedule, self.optim, step, steps_per_epoch, train.epochs, head_epochs)

    def to_toml(self) -> str:
        """The whole recipe as TOML with a comment a key; reads back as an equal recipe."""
        lines = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if not isinstance(value, BaseModel):
                lines.append(toml_line(name, value, description(field)))
        for name in type(self).model_fields:
            table = getattr(self, name)
            if isinstance(table, BaseModel) and (name != "caption" or self.task == "caption"):
                lines += ["", f"[{name}]"]
                fields = type(table).model_fields.items()
                lines += [toml_line(key, getattr(table, key), description(field)) for key, field in fields]
        return "\n".join(lines) + "\n"


def preset_names() -> list[str]:
    """The recipes that come with vitbench."""
    return sorted(file.stem for file in _PRESETS.glob("*.toml"))


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a TOML file, or the preset of that name, with `table.key=value` overrides.

    Raises UserError that lists each problem with its key, its value and what is allowed.
    """
    named = str(source)
    file, preset = expanded(named), ""
    try:
        if named in preset_names() and not os.path.isfile(file):  # noqa: PTH113 - of a name that no file can have too
            file, preset = _PRESETS / f"{named}.toml", named
        values = read_toml(file)
    except MissingFile as error:
        is_file = named.endswith(".toml") or os.sep in named
        meant = (perhaps_path(file) if is_file else "") or _meant(named, preset_names())
        raise UserError(f"There is no recipe file and no preset {shortened(named)}{meant}.") from error
    except Unreadable as error:
        raise UserError(f"{error} Name a recipe file (TOML) or a preset: {', '.join(preset_names())}.") from error
    if preset:
        values["preset"] = preset
    return _parse_with(values, overrides, f"preset {preset}" if preset else str(file))


def parse_recipe(values: Mapping[str, object], where: str) -> Recipe:
    """The recipe with these values; `where` they come from opens the sentence of the UserError."""
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        problems = dict.fromkeys(_problem(detail) for detail in error.errors(include_url=False))
        raise UserError(f"{where}: {'; '.join(problems)}.") from error


def warnings(recipe: Recipe) -> list[str]:
    """A sentence for each name of a network or an optimizer that the shipped catalogue does not know, and for keys that
    were adapted to others."""
    from vitbench.recipe_names import unknown_names

    return [*([recipe._adapted] if recipe._adapted else []), *unknown_names(recipe.model.name, recipe.optim.name)]


def _parse_with(values: Mapping[str, object], overrides: Sequence[str], where: str) -> Recipe:
    """The recipe with these values and `table.key=value` over them; a preset's head epochs and warm-up are adapted to
    fewer epochs."""
    changed = _with_overrides(values, overrides)
    adapted = fitted_to_epochs(values, changed, {override.partition("=")[0].strip() for override in overrides})
    recipe = parse_recipe(changed, where)
    recipe._adapted = adapted
    return recipe


def _existing(path: str, key: str) -> str:
    full = expanded(path).absolute()
    try:
        full.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no file can have this name"
        if isinstance(error, FileNotFoundError):
            why = f"there is no {full}{perhaps_path(full)}"
        raise UserError(f"{key} = {shortened(path)} cannot be used: {why}.") from error
    return str(full)


def _contradictions(recipe: Recipe) -> Iterator[str]:
    """What no single key shows."""
    train, schedule = recipe.train, recipe.schedule
    learning_epochs = train.epochs - train.head_epochs
    if train.head_epochs > train.epochs:
        yield f"train.head_epochs = {train.head_epochs} (must be at most train.epochs = {train.epochs})"
    elif schedule.warmup_epochs > learning_epochs and recipe.optim.probe_lrs is None:
        left = f"the {learning_epochs} epochs that follow train.head_epochs" if train.head_epochs else "train.epochs"
        yield f"schedule.warmup_epochs = {schedule.warmup_epochs:g} (must be at most {left})"
    if schedule.min_lr > recipe.optim.lr:
        yield f"schedule.min_lr = {schedule.min_lr:g} (must be at most optim.lr = {recipe.optim.lr:g})"
    if train.amp == "fp16" and train.device == "cpu":
        yield 'train.amp = "fp16" (must be "none" or "bf16" on train.device = "cpu")'
    yield from recipe.launch.contradictions(train.device, train.batch_size)
    if recipe.task == "caption":
        caption = recipe.caption
        if caption.embed_dim % caption.num_heads:
            yield f"caption.num_heads = {caption.num_heads} (must divide caption.embed_dim = {caption.embed_dim})"
        if recipe.data.mixup or recipe.data.cutmix:
            yield 'data.mixup and data.cutmix (must be 0 for task = "caption": mixed pictures have no caption)'
        yield from _without_effect_on_captions(recipe)
        return
    if recipe.caption != CaptionTable():
        yield f'the table caption (must be left out for task = "{recipe.task}")'
    if recipe.task == "multilabel":
        yield from _without_effect_on_several_labels(recipe)
    if recipe.optim.probe_lrs is not None:
        yield from _no_probe(recipe)


def _no_probe(recipe: Recipe) -> Iterator[str]:
    """What does not fit a linear probe: heads of several learning rates on frozen features."""
    train, optim, data = recipe.train, recipe.optim, recipe.data
    if recipe.task != "classify":
        yield f'optim.probe_lrs (must be left out for task = "{recipe.task}"; the preset fast does without it)'
    if train.head_epochs != train.epochs:
        yield f"optim.probe_lrs needs train.head_epochs = train.epochs = {train.epochs}: it trains heads alone"
    if len(set(optim.probe_lrs or ())) < len(optim.probe_lrs or ()):
        yield "optim.probe_lrs (must be different rates)"
    for key, value, off, why in (
        ("optim.head_lr", optim.head_lr, None, ""),
        ("optim.layer_decay", optim.layer_decay, 1, ""),
        ("train.clip", train.clip, 0, ": one head's gradient would shorten that of the others"),
        ("train.ema", train.ema, 0, ""),
        ("data.augment", data.augment, "none", ": features are computed once"),
        ("data.random_erasing", data.random_erasing, 0, ""),
        ("data.mixup", data.mixup, 0, ""),
        ("data.cutmix", data.cutmix, 0, ""),
    ):
        if value != off:
            must = "be left out" if off is None else f"be {toml_value(off)}"
            yield f"{key} = {toml_value(value)} (must {must} with optim.probe_lrs{why})"


def _without_effect_on_several_labels(recipe: Recipe) -> Iterator[str]:
    """Keys that a training with several labels a picture would ignore."""
    data = recipe.data
    for key, value, off, why in (
        ("data.mixup", data.mixup, 0, ""),
        ("data.cutmix", data.cutmix, 0, ""),
        ("data.sampler", data.sampler, "shuffle", ": a picture has several classes; data.class_weights weighs them"),
        ("train.monitor", recipe.train.monitor, "accuracy", ": the mean average precision decides"),
    ):
        if value != off:
            yield f'{key} = {toml_value(value)} (must be {toml_value(off)} for task = "multilabel"{why})'


def _without_effect_on_captions(recipe: Recipe) -> Iterator[str]:
    """Keys that a captioner's training would ignore."""
    data, model, caption = recipe.data, recipe.model, recipe.caption
    for key, value, off, why in (
        ("train.head_epochs", recipe.train.head_epochs, 0, ""),
        ("optim.head_lr", recipe.optim.head_lr, None, ""),
        ("data.augment", data.augment, "none", ": captions speak of colours, sides and the whole picture"),
        ("data.random_erasing", data.random_erasing, 0, ": a caption speaks of the whole picture"),
        ("data.validation_fraction", data.validation_fraction, 0.1, ": a twentieth is split off, by name"),
        ("data.class_weights", data.class_weights, None, ": a caption has no class"),
        ("data.sampler", data.sampler, "shuffle", ": a caption has no class"),
        ("train.monitor", recipe.train.monitor, "accuracy", ": captions are judged by CIDEr, BLEU or an exact match"),
        ("data.accept_doubts", data.accept_doubts, False, ": there are no labels to doubt"),
        ("data.value_range", data.value_range, None, ": each picture is scaled by itself"),
        ("model.num_classes", model.num_classes, None, ": the encoder has no head"),
        ("model.drop_rate", model.drop_rate, 0, ": the encoder has no head; caption.drop_rate is the decoder's"),
    ):
        if value != off:
            must = "be left out" if off is None or key.endswith("fraction") else f"be {toml_value(off)}"
            yield f'{key} = {toml_value(value)} (must {must} for task = "caption"{why})'
    if caption.min_count > 1 and caption.tokenizer != "word":
        yield f'caption.min_count = {caption.min_count} (must be 1 unless caption.tokenizer = "word")'


def _with_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A deep enough copy of `values` with each `table.key=value` set; a value is TOML, or else a plain text."""
    changed = {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys) or len(keys) > _DEEPEST_KEY:
            given = shortened(override)
            raise UserError(f"--set {given} is not of the form table.key=value, such as optim.lr=1e-3.")
        try:
            parsed = parse_toml(f"value = {text}", "--set")
            value = parsed["value"] if list(parsed) == ["value"] else text.strip()
        except Malformed:
            value = text.strip()  # a text without its quotes
        table: Any = changed
        for key in keys[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise UserError(f"--set {shortened(override)}: {shortened(key)} is not a table.")
        table[keys[-1]] = value
    return changed


def _problem(detail: ErrorDetails) -> str:
    """One validation error as `key = value (what is allowed)`."""
    # pydantic appends the branch of a union to the path of the error; the person's key ends before it.
    location = [part for part in detail["loc"] if isinstance(part, str)]
    keys, fields, described = [], Recipe.model_fields, ""
    for part in location:
        keys.append(part)
        described = (fields[part].description or "") if part in fields else ""
        table = fields[part].annotation if part in fields else None
        if not (isinstance(table, type) and issubclass(table, BaseModel)):
            break
        fields = table.model_fields
    key, value = ".".join(keys), detail["input"]
    if detail["type"] == "value_error" and not keys:
        return str(detail["ctx"]["error"])
    if detail["type"] == "extra_forbidden":
        return f"{shortened(key)} is not a key of a recipe{_meant(keys[-1], fields, '.'.join(keys[:-1]))}"
    if detail["type"] == "model_type":
        return f"{key} = {shortened(repr(value))} (must be a table of keys)"
    shown = shortened(toml_value(value) if _plain(value) else repr(value))
    if detail["type"] == "string_pattern_mismatch" and key != "train.device":
        return f"{key} = {shown} ({described})"
    return f"{key} = {shown} ({_allowed(key, detail)})"


def _allowed(key: str, detail: ErrorDetails) -> str:
    if key == "data.class_weights":
        return 'must be "balanced", or a table of classes with weights of at least 0'
    if key == "model.freeze":
        return 'must be "none", "backbone" or a whole number of blocks, at least 1'
    if key == "model.image_size":
        return "must be a side or [height, width] in pixels, each at least 8"
    if key == "train.device":
        return 'must be "auto", "cpu", "cuda" or "cuda:N"'
    message = detail["msg"].replace("Input should be", "must be").replace("String should", "must")
    return message[0].lower() + message[1:]


def _meant(word: str, known: Sequence[str] | Mapping[str, object], table: str = "") -> str:
    """The nearest known name, or all of them if there are few."""
    name = nearest(word, known)
    if name is not None:
        return f", perhaps you mean {f'{table}.' if table else ''}{name}"
    return f" (known: {', '.join(known)})" if len(known) <= 20 else ""


def _plain(value: object) -> bool:
    return isinstance(value, bool | int | float | str) or (isinstance(value, list) and all(map(_plain, value)))
