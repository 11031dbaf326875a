"""A sweep that is being put together, on a screen or a command line: checked whole, and written as a sweep file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.files.toml_text import toml_key, toml_value
from vitbench.recipe import load_recipe
from vitbench.sweeps.plan import Plan, parse_plan, plan_document
from vitbench.sweeps.typed import as_typed, is_tried, typed_values

_WHERE = "The sweep"


@dataclass
class SweepDraft:
    """What a person has chosen. All is text as it was typed; `keys` are recipe keys with what is tried of them.

    A key with one value has it in all trials. `base` is a preset or a recipe file.
    """

    base: str = "fast"
    data: str = ""
    model: str = ""
    name: str = ""
    method: str = "grid"
    trials: str = ""
    repeats: str = ""
    parallel: str = ""
    stopping: str = "none"
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def ready(cls, name: str) -> "SweepDraft":
        """One of the sweeps that come with vitbench, to be changed and started. Raises UserError if there is none."""
        _, values = plan_document(name)
        keys = {**values.pop("recipe", {}), **values.pop("space", {})}
        stopping = values.pop("stopping", {}).get("rule", "none")
        plain = {key: str(value) for key, value in values.items()}
        return cls(**plain, stopping=stopping, keys={key: as_typed(value) for key, value in keys.items()})

    def document(self) -> dict[str, Any]:
        """The sweep file as values. Raises UserError with the field that cannot be."""
        values = {key: typed_values(key, text) for key, text in self.keys.items()}
        recipe = {key: value for key, value in values.items() if not is_tried(value)}
        if self.model:
            recipe["model.name"] = self.model
        if self.data:
            recipe["data.path"] = self.data
        document: dict[str, Any] = {"base": self.base}
        if self.name:
            document["name"] = self.name
        document["method"] = self.method
        numbers = (("trials", self.trials), ("repeats", self.repeats), ("parallel", self.parallel))
        document |= {key: _whole(key, text) for key, text in numbers if text.strip()}
        document["recipe"] = recipe
        document["space"] = {key: value for key, value in values.items() if is_tried(value)}
        if self.stopping not in ("", "none"):
            document["stopping"] = {"rule": self.stopping}
        return document

    def plan(self) -> Plan:
        """The checked plan. Raises UserError, a sentence for the person who types."""
        document = self.document()
        base, changes = document.pop("base"), document.pop("recipe")
        if not document["space"]:
            raise UserError("Nothing is tried yet: give a key several values, or a range.")
        recipe = load_recipe(base, [f"{key}={toml_value(value)}" for key, value in changes.items()])
        return parse_plan({**document, "recipe": recipe.model_dump(mode="json", exclude_none=True)}, _WHERE)

    def problem_of(self, key: str, text: str) -> str:
        """What would be wrong with these values of a key alone, as a sentence; empty if nothing is."""
        try:
            value = typed_values(key, text)
            if is_tried(value):
                draft = SweepDraft(self.base, self.data, self.model, keys=self._fixed() | {key: text})
                draft.plan()
            else:
                fixed = self._fixed() | {key: text}
                load_recipe(
                    self.base, [f"{one}={toml_value(typed_values(one, words))}" for one, words in fixed.items()]
                )
        except UserError as error:
            return str(error)
        return ""

    def tried(self) -> dict[str, str]:
        """The keys of which several values are tried, as they were typed."""
        fixed = self._fixed()
        return {key: text for key, text in self.keys.items() if key not in fixed}

    def _fixed(self) -> dict[str, str]:
        """The keys with one value for all trials."""
        return {key: text for key, text in self.keys.items() if not is_tried(typed_values(key, text))}

    def to_toml(self) -> str:
        """The sweep file. Raises UserError like `document`."""
        return sweep_toml(self.document())


def sweep_toml(document: Mapping[str, Any]) -> str:
    """A sweep file of values as `load_plan` reads them."""
    plain = {key: value for key, value in document.items() if not isinstance(value, dict)}
    lines = [
        "# A sweep; `vitbench sweep THIS_FILE` starts it (docs/sweeps.md).",
        *(f"{key} = {toml_value(value)}" for key, value in plain.items()),
    ]
    for name in ("recipe", "space", "stopping"):
        table = document.get(name)
        if table:
            lines += ["", f"[{name}]", *(f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _whole(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{key} must be a whole number, not {text.strip()!r}.") from None


def base_at(text: str, folder: Path) -> str:
    """A base as a sweep file can name it from anywhere: a recipe file by its whole path, a preset by its name."""
    file = folder / text
    return str(file.absolute()) if file.is_file() else text
